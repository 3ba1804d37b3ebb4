-- Tables of which all grow alike: :n orders, a tenth as many customers, as many nodes of a tree. What
-- belongs together stays as small as it is: ten orders to a customer, four children to a node, an
-- order each second. Indexes are those that one would have: keys, foreign keys, and the columns
-- whose ranges queries ask for.
CREATE TABLE region (id int PRIMARY KEY, name text NOT NULL);
INSERT INTO region SELECT i, 'region ' || i FROM generate_series(0, 24) AS i;

CREATE TABLE customer (
    id int PRIMARY KEY, region int NOT NULL REFERENCES region, segment text NOT NULL, credit int NOT NULL
);
INSERT INTO customer
SELECT i, i % 25, 'segment ' || i % 5, i::bigint * 7919 % 1000 FROM generate_series(1, :n / 10) AS i;
CREATE INDEX ON customer (region);

CREATE TABLE orders (
    id int PRIMARY KEY, customer int NOT NULL REFERENCES customer, amount int NOT NULL, price numeric(10,2) NOT NULL,
    status text NOT NULL, second int NOT NULL, placed timestamptz NOT NULL, tags int[] NOT NULL,
    bucket int NOT NULL GENERATED ALWAYS AS (second / 4) STORED,
    next_bucket int NOT NULL GENERATED ALWAYS AS (second / 4 + 1) STORED
);
INSERT INTO orders
SELECT i, 1 + i::bigint * 104729 % (:n / 10), i::bigint * 7919 % (10 * :n), (i::bigint * 15485863 % 100000) / 100.0,
       'status ' || i % 4, i, now() - (:n - i) * interval '1 second', ARRAY[i % 7, i % 11]
FROM generate_series(1, :n) AS i;
CREATE INDEX ON orders (customer);
CREATE INDEX ON orders (amount, id);
CREATE INDEX ON orders (status, amount, id);
CREATE INDEX ON orders (price);
CREATE INDEX ON orders (second);
CREATE INDEX ON orders (placed);
CREATE INDEX ON orders (bucket);
CREATE INDEX ON orders (next_bucket);

CREATE TABLE node (id int PRIMARY KEY, parent int, name text NOT NULL);
INSERT INTO node SELECT i, nullif(i / 4, 0), 'node ' || i FROM generate_series(1, :n) AS i;
CREATE INDEX ON node (parent);

-- Rows come at the end only. What belongs together here grows with the table.
CREATE TABLE reading (id int PRIMARY KEY, sensor int NOT NULL, second int NOT NULL, value int NOT NULL);
INSERT INTO reading SELECT i, i % 8, i, i::bigint * 7919 % 1000 FROM generate_series(1, :n) AS i;
CREATE INDEX ON reading (sensor, second);
CREATE INDEX ON reading (second);
