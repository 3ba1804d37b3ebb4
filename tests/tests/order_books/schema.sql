-- Two order books, what was traded, quotes, and a graph.

CREATE TABLE bids (id int PRIMARY KEY, t int NOT NULL, broker int NOT NULL, volume int NOT NULL, price int NOT NULL);
CREATE TABLE asks (id int PRIMARY KEY, t int NOT NULL, broker int NOT NULL, volume int NOT NULL, price int NOT NULL);
CREATE INDEX ON bids (broker);
CREATE INDEX ON bids (price);
CREATE INDEX ON asks (broker);
CREATE INDEX ON asks (price);
-- Of the second side of a trade nothing may be known.
CREATE TABLE trade (
    id int PRIMARY KEY, broker int, symbol text NOT NULL, side char(1) NOT NULL, quantity int NOT NULL,
    price numeric(10,2) NOT NULL
);
CREATE TABLE quote (symbol text PRIMARY KEY, price numeric(10,2));
-- Without a key: an edge may be there twice.
CREATE TABLE edge (src int NOT NULL, dst int NOT NULL);
CREATE INDEX ON edge (src, dst);
CREATE INDEX ON edge (dst);
