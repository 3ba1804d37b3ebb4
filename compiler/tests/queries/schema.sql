-- The schema of the queries in this directory: tables with and without keys, NULLs allowed and
-- not, all common types, views, generated columns, and some sources that cannot be incremental.

CREATE TABLE regions (
    id int PRIMARY KEY,
    name text NOT NULL
);

CREATE TABLE customers (
    id int PRIMARY KEY,
    region_id int NOT NULL REFERENCES regions (id),
    name text NOT NULL,
    email varchar(80),
    credit numeric(12, 2),
    since date NOT NULL,
    UNIQUE (email)
);

CREATE TABLE orders (
    id bigint PRIMARY KEY,
    customer_id int NOT NULL REFERENCES customers (id),
    placed timestamptz NOT NULL,
    status char(1) NOT NULL,
    amount numeric(12, 2) NOT NULL,
    discount numeric(5, 4),
    note text
);

CREATE TABLE items (
    order_id bigint NOT NULL REFERENCES orders (id),
    line int NOT NULL,
    product_id int,
    quantity int NOT NULL,
    price numeric NOT NULL,
    PRIMARY KEY (order_id, line)
);

-- Without any key: a multiset.
CREATE TABLE events (
    at timestamp,
    kind text,
    value double precision,
    level smallint,
    hits bigint
);

CREATE TABLE nodes (
    id int PRIMARY KEY,
    parent int,
    label text,
    kind text
);

CREATE TYPE mood AS ENUM ('sad', 'ok', 'happy');

CREATE TYPE address AS (street text, city text, zip int);

CREATE DOMAIN positive AS int CHECK (VALUE > 0);

CREATE TABLE kinds (
    id uuid PRIMARY KEY,
    b boolean,
    i2 smallint,
    i4 int,
    i8 bigint,
    n numeric,
    n2 numeric(10, 2),
    f4 real,
    f8 double precision,
    t text,
    c char(3),
    v varchar(20),
    bin bytea,
    d date,
    tm time,
    ts timestamp,
    tstz timestamptz,
    iv interval,
    u uuid,
    js json,
    jb jsonb,
    ia int[],
    ta text[],
    m mood,
    a address,
    p positive,
    r int4range,
    x xml
);

CREATE TABLE shapes (
    id int PRIMARY KEY,
    width int NOT NULL,
    height int NOT NULL,
    area int GENERATED ALWAYS AS (width * height) VIRTUAL,
    half numeric(8, 1) GENERATED ALWAYS AS (width / 2.0) STORED
);

CREATE TABLE measured (
    city text,
    logged date
) PARTITION BY RANGE (logged);

CREATE VIEW big_orders AS
    SELECT o.id, o.customer_id, o.amount, o.placed FROM orders o WHERE o.amount > 1000;

CREATE VIEW customer_totals AS
    SELECT c.id AS customer_id, c.name, count(*) AS orders, sum(o.amount) AS total
    FROM customers c JOIN orders o ON o.customer_id = c.id
    GROUP BY c.id;

CREATE VIEW newest AS SELECT id, placed FROM orders ORDER BY placed DESC LIMIT 10;

CREATE MATERIALIZED VIEW frozen AS SELECT id, amount FROM orders;

CREATE VIEW lucky AS SELECT at FROM events WHERE value > random();
