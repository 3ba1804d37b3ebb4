-- The tables that all topics share: small, odd, and full of NULLs and duplicates. Their rows come
-- from `changes.rs`.

CREATE TYPE mood AS ENUM ('sad', 'ok', 'happy');
CREATE TYPE pair AS (x int, y text);
CREATE DOMAIN positive AS int CHECK (VALUE > 0);

-- With keys and without NULLs.
CREATE TABLE uno (
    u1 int PRIMARY KEY, u2 int NOT NULL UNIQUE, two int NOT NULL, four int NOT NULL, ten int NOT NULL,
    s text NOT NULL
);
-- With a key, and NULLs elsewhere.
CREATE TABLE dos (u1 int PRIMARY KEY, u2 int, two int, ten int, s text);
-- Without keys.
CREATE TABLE i4 (f1 int);
CREATE TABLE i8 (q1 bigint, q2 bigint);
CREATE TABLE txt (f1 text);
CREATE TABLE j1 (i int, j int, t text);
CREATE TABLE j2 (i int, k int);
CREATE TABLE j3 (i int NOT NULL, n text);
CREATE TABLE g (a int, b int, c text, v int, d numeric(8,2));
CREATE TABLE void (a int, b text);

CREATE TABLE emp (no int PRIMARY KEY, dept text NOT NULL, salary int, hired date, boss int);
CREATE TABLE dept (name text PRIMARY KEY, floor int, budget numeric(10,2));
CREATE TABLE parent (k int PRIMARY KEY, pd int);
CREATE TABLE child (
    id int PRIMARY KEY, k int NOT NULL REFERENCES parent ON UPDATE CASCADE ON DELETE CASCADE, cd int
);

-- One of each kind of type.
CREATE TABLE num (id int PRIMARY KEY, f float8, n numeric, m numeric(10,2), r real, b bigint, s smallint);
CREATE TABLE tim (id int PRIMARY KEY, d date, ts timestamp, iv interval, tm time, tz timestamptz);
CREATE TABLE lst (
    id int PRIMARY KEY, a int[], t text[], r int4range, e mood, p pair, q positive, h bytea, b bit(4)
);
CREATE TABLE doc (id int PRIMARY KEY, j jsonb);

CREATE TABLE reading (city text, at date, temp int) PARTITION BY LIST (city);
CREATE TABLE reading_ab PARTITION OF reading FOR VALUES IN ('a', 'b');
CREATE TABLE reading_rest PARTITION OF reading DEFAULT;

CREATE VIEW well_paid AS SELECT no, dept, salary FROM emp WHERE salary > 3000;
CREATE VIEW dept_pay (name, people, pay) AS SELECT dept, count(*), sum(salary) FROM emp GROUP BY dept;
CREATE VIEW rich_dept AS
    SELECT d.name, d.floor, p.people FROM dept d JOIN dept_pay p USING (name) WHERE p.pay > 6000;
CREATE VIEW pairs AS SELECT a.i, a.j, b.k FROM j1 a LEFT JOIN j2 b USING (i);
CREATE MATERIALIZED VIEW frozen AS SELECT name, floor FROM dept;

CREATE FUNCTION upto(n int) RETURNS SETOF int IMMUTABLE LANGUAGE sql
    AS 'SELECT i FROM generate_series(1, least(n, 4)) AS i';
CREATE FUNCTION halves(n int, OUT half int, OUT rest int) IMMUTABLE LANGUAGE sql AS 'SELECT n / 2, n % 2';
CREATE FUNCTION both_ways(n int) RETURNS TABLE (a int, b text) IMMUTABLE LANGUAGE sql
    AS $$ VALUES (n, 'plus'), (-n, 'minus') $$;
CREATE FUNCTION plus_one(int) RETURNS int IMMUTABLE LANGUAGE sql AS 'SELECT $1 + 1';
CREATE FUNCTION add_square(int, int) RETURNS int IMMUTABLE LANGUAGE sql
    AS 'SELECT coalesce($1, 0) + coalesce($2, 0) * coalesce($2, 0)';
CREATE AGGREGATE sum_of_squares(int) (SFUNC = add_square, STYPE = int);
