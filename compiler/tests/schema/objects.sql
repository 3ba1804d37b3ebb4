-- One of everything that a schema file may hold. `regenerate` runs this on a server and writes
-- objects.json; tests/schema.rs reads it offline and compares the two.
CREATE SCHEMA app;
CREATE SCHEMA "Odd Schema";
GRANT USAGE ON SCHEMA app TO PUBLIC;
SET search_path = app, public;

CREATE TYPE mood AS ENUM ('sad', 'ok');
ALTER TYPE mood ADD VALUE 'happy';
ALTER TYPE mood ADD VALUE 'fine' BEFORE 'happy';
CREATE DOMAIN code AS varchar(8);
CREATE DOMAIN positive AS integer CHECK (VALUE > 0);
CREATE DOMAIN small AS positive;
CREATE DOMAIN later AS numeric(10, 2);
ALTER DOMAIN later ADD CONSTRAINT later_check CHECK (VALUE > 0);
CREATE DOMAIN codes AS code[];
CREATE DOMAIN c_text AS text COLLATE "C" NOT NULL;
CREATE TYPE pair AS (a integer, b varchar(3), c mood[]);
CREATE TYPE float_range AS RANGE (subtype = float8, subtype_diff = float8mi);
CREATE TYPE span AS RANGE (subtype = timestamp, multirange_type_name = spans);
CREATE TYPE "Odd Schema"."Type" AS ENUM ();
CREATE COLLATION plain FROM "C";

CREATE FUNCTION twice(x integer) RETURNS integer
    LANGUAGE sql IMMUTABLE STRICT LEAKPROOF AS 'SELECT x * 2';
CREATE FUNCTION with_defaults(a integer, b text DEFAULT 'x y', c numeric DEFAULT 1.50)
    RETURNS text LANGUAGE sql STABLE AS 'SELECT b';
CREATE FUNCTION sum_of(VARIADIC xs integer[]) RETURNS bigint
    LANGUAGE sql AS 'SELECT sum(x) FROM unnest(xs) x';
CREATE FUNCTION two_out(IN a integer, OUT b text, INOUT c integer) LANGUAGE sql AS 'SELECT ''x'', 1';
CREATE FUNCTION one_out(OUT b text) LANGUAGE sql AS 'SELECT ''x''';
CREATE FUNCTION rows_of(n integer) RETURNS TABLE (i integer, t text)
    LANGUAGE sql AS 'SELECT 1, ''x''';
CREATE FUNCTION moods() RETURNS SETOF mood LANGUAGE sql AS 'SELECT ''ok''::mood';
CREATE FUNCTION any_of(anyelement, anyarray) RETURNS anyelement LANGUAGE sql AS 'SELECT $1';
CREATE PROCEDURE nothing(a integer) LANGUAGE sql AS '';
CREATE OR REPLACE FUNCTION twice(x integer) RETURNS integer
    LANGUAGE sql IMMUTABLE AS 'SELECT x + x';
CREATE AGGREGATE total(integer) (sfunc = int4pl, stype = integer, initcond = '0');
CREATE AGGREGATE mean(float8) (sfunc = float8_accum, stype = float8[], finalfunc = float8_avg,
    initcond = '{0,0,0}');
CREATE AGGREGATE least_of(integer) (sfunc = int4smaller, stype = integer, sortop = <);

CREATE FUNCTION pair_eq(pair, pair) RETURNS boolean LANGUAGE sql IMMUTABLE AS 'SELECT ($1).a = ($2).a';
CREATE FUNCTION pair_ne(pair, pair) RETURNS boolean LANGUAGE sql IMMUTABLE AS 'SELECT ($1).a <> ($2).a';
CREATE OPERATOR === (leftarg = pair, rightarg = pair, function = pair_eq,
    commutator = ===, negator = !==, hashes);
CREATE OPERATOR !== (leftarg = pair, rightarg = pair, function = pair_ne, negator = ===);
CREATE FUNCTION mood_number(mood) RETURNS integer LANGUAGE sql IMMUTABLE AS 'SELECT 1';
CREATE CAST (mood AS integer) WITH FUNCTION mood_number(mood) AS ASSIGNMENT;

CREATE TABLE types (
    c01 smallint, c02 int, c03 bigint, c04 numeric, c05 numeric(12, 2), c06 real,
    c07 double precision, c08 float(10), c09 char, c10 char(5), c11 "char", c12 varchar,
    c13 varchar(20), c14 national character varying(7), c15 text COLLATE "C", c16 name,
    c17 bytea, c18 bit, c19 bit varying(5), c20 boolean, c21 date, c22 time(3),
    c23 time with time zone, c24 timestamp(3) with time zone, c25 timestamp, c26 interval,
    c27 interval day to second(3), c28 interval year, c29 uuid, c30 json, c31 jsonb, c32 xml,
    c33 int[][], c34 numeric(8, 3)[3], c35 mood, c36 mood[], c37 code, c38 pair, c39 float_range,
    c40 spans, c41 "Odd Schema"."Type", c42 small, c43 int4range, c44 codes,
    c45 varchar(5) COLLATE plain, c46 money, c47 inet, c48 c_text, c49 decimal(5)
);

CREATE TABLE customers (
    id serial PRIMARY KEY,
    email text NOT NULL UNIQUE,
    name varchar(40),
    region integer,
    UNIQUE NULLS NOT DISTINCT (name, region)
);
CREATE TABLE orders (
    id bigint GENERATED ALWAYS AS IDENTITY,
    customer integer REFERENCES customers,
    amount numeric(12, 2) NOT NULL DEFAULT 0,
    twice numeric GENERATED ALWAYS AS (amount * 2) STORED,
    thrice numeric GENERATED ALWAYS AS (amount * 3) VIRTUAL,
    note text,
    status mood DEFAULT 'ok',
    CONSTRAINT orders_pk PRIMARY KEY (id) DEFERRABLE INITIALLY DEFERRED,
    CONSTRAINT orders_email FOREIGN KEY (note) REFERENCES customers (email) ON DELETE CASCADE
        DEFERRABLE,
    CONSTRAINT orders_amount NOT NULL amount,
    CHECK (amount >= 0)
);
CREATE INDEX ON orders (customer);
CREATE INDEX orders_lower ON orders (customer, lower(note), amount);
CREATE UNIQUE INDEX orders_partial ON orders (note) WHERE amount > 0;
CREATE UNIQUE INDEX orders_expression ON orders (lower(note));
CREATE UNIQUE INDEX orders_unique ON orders USING btree (customer, note) INCLUDE (amount);
CREATE UNIQUE INDEX orders_pattern ON orders (note text_pattern_ops);
CREATE UNIQUE INDEX orders_collated ON orders (note COLLATE "C");
CREATE INDEX orders_hash ON orders USING hash (note);
CREATE TABLE items (
    order_id bigint NOT NULL,
    line integer NOT NULL,
    dropped text,
    quantity integer,
    price integer,
    PRIMARY KEY (order_id, line)
);
ALTER TABLE items DROP COLUMN dropped;
ALTER TABLE items ADD COLUMN added timestamptz(2) NOT NULL DEFAULT now();
ALTER TABLE items ALTER COLUMN quantity SET NOT NULL, ALTER COLUMN price TYPE numeric(8, 2);
ALTER TABLE items ADD CONSTRAINT items_checked NOT NULL price NOT VALID;
ALTER TABLE items ADD CONSTRAINT items_customer FOREIGN KEY (quantity)
    REFERENCES customers (id) NOT VALID;
ALTER TABLE items ADD CONSTRAINT items_unenforced FOREIGN KEY (line)
    REFERENCES customers (id) NOT ENFORCED;
ALTER TABLE ONLY items ADD CONSTRAINT items_other FOREIGN KEY (line) REFERENCES customers (id);
ALTER TABLE items ADD UNIQUE (added);
CREATE UNIQUE INDEX items_adopted ON items (price);
ALTER TABLE items ADD CONSTRAINT items_adopter UNIQUE USING INDEX items_adopted;
ALTER TABLE items ENABLE ROW LEVEL SECURITY;
CREATE TABLE no_key (a integer, b integer CONSTRAINT b_set NOT NULL);
CREATE TABLE validated (a integer REFERENCES customers, b integer);
ALTER TABLE validated ADD CONSTRAINT b_is_set NOT NULL b NOT VALID;
ALTER TABLE validated VALIDATE CONSTRAINT b_is_set;
ALTER TABLE validated DROP CONSTRAINT validated_a_fkey;
CREATE TABLE parent (id integer PRIMARY KEY, a text);
CREATE TABLE child (extra text NOT NULL) INHERITS (parent);
CREATE TABLE copied (LIKE orders, more integer);
CREATE TABLE typed OF pair (a NOT NULL, PRIMARY KEY (b));
CREATE TABLE parts (id integer, day date NOT NULL, PRIMARY KEY (id, day)) PARTITION BY RANGE (day);
CREATE INDEX ON parts (day);
CREATE TABLE parts_1 PARTITION OF parts FOR VALUES FROM ('2026-01-01') TO ('2027-01-01');
CREATE TABLE "Odd Schema"."Table" ("Column" integer PRIMARY KEY, "sele""ct" text);
CREATE VIEW totals AS
    SELECT customer, sum(amount) AS total FROM orders GROUP BY customer;
CREATE VIEW renamed(x, y) AS SELECT customer, total FROM totals;
COMMENT ON TABLE orders IS 'no matter';
ALTER TABLE orders OWNER TO CURRENT_USER;
