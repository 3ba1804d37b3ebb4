--
-- PostgreSQL database dump
--

\restrict token

-- Dumped from database version 18.6
-- Dumped by pg_dump version 18.6

SET statement_timeout = 0;
SET lock_timeout = 0;
SET idle_in_transaction_session_timeout = 0;
SET transaction_timeout = 0;
SET client_encoding = 'UTF8';
SET standard_conforming_strings = on;
SELECT pg_catalog.set_config('search_path', '', false);
SET check_function_bodies = false;
SET xmloption = content;
SET client_min_messages = warning;
SET row_security = off;

--
-- Name: Odd Schema; Type: SCHEMA; Schema: -; Owner: postgres
--

CREATE SCHEMA "Odd Schema";


ALTER SCHEMA "Odd Schema" OWNER TO postgres;

--
-- Name: app; Type: SCHEMA; Schema: -; Owner: postgres
--

CREATE SCHEMA app;


ALTER SCHEMA app OWNER TO postgres;

--
-- Name: plain; Type: COLLATION; Schema: app; Owner: postgres
--

CREATE COLLATION app.plain (provider = libc, locale = 'C');


ALTER COLLATION app.plain OWNER TO postgres;

--
-- Name: Type; Type: TYPE; Schema: Odd Schema; Owner: postgres
--

CREATE TYPE "Odd Schema"."Type" AS ENUM (
);


ALTER TYPE "Odd Schema"."Type" OWNER TO postgres;

--
-- Name: c_text; Type: DOMAIN; Schema: app; Owner: postgres
--

CREATE DOMAIN app.c_text AS text COLLATE pg_catalog."C" NOT NULL;


ALTER DOMAIN app.c_text OWNER TO postgres;

--
-- Name: code; Type: DOMAIN; Schema: app; Owner: postgres
--

CREATE DOMAIN app.code AS character varying(8);


ALTER DOMAIN app.code OWNER TO postgres;

--
-- Name: codes; Type: DOMAIN; Schema: app; Owner: postgres
--

CREATE DOMAIN app.codes AS app.code[];


ALTER DOMAIN app.codes OWNER TO postgres;

--
-- Name: float_range; Type: TYPE; Schema: app; Owner: postgres
--

CREATE TYPE app.float_range AS RANGE (
    subtype = double precision,
    multirange_type_name = app.float_multirange,
    subtype_diff = float8mi
);


ALTER TYPE app.float_range OWNER TO postgres;

--
-- Name: later; Type: DOMAIN; Schema: app; Owner: postgres
--

CREATE DOMAIN app.later AS numeric(10,2)
	CONSTRAINT later_check CHECK ((VALUE > (0)::numeric));


ALTER DOMAIN app.later OWNER TO postgres;

--
-- Name: mood; Type: TYPE; Schema: app; Owner: postgres
--

CREATE TYPE app.mood AS ENUM (
    'sad',
    'ok',
    'fine',
    'happy'
);


ALTER TYPE app.mood OWNER TO postgres;

--
-- Name: pair; Type: TYPE; Schema: app; Owner: postgres
--

CREATE TYPE app.pair AS (
	a integer,
	b character varying(3),
	c app.mood[]
);


ALTER TYPE app.pair OWNER TO postgres;

--
-- Name: positive; Type: DOMAIN; Schema: app; Owner: postgres
--

CREATE DOMAIN app.positive AS integer
	CONSTRAINT positive_check CHECK ((VALUE > 0));


ALTER DOMAIN app.positive OWNER TO postgres;

--
-- Name: small; Type: DOMAIN; Schema: app; Owner: postgres
--

CREATE DOMAIN app.small AS app.positive;


ALTER DOMAIN app.small OWNER TO postgres;

--
-- Name: span; Type: TYPE; Schema: app; Owner: postgres
--

CREATE TYPE app.span AS RANGE (
    subtype = timestamp without time zone,
    multirange_type_name = app.spans
);


ALTER TYPE app.span OWNER TO postgres;

--
-- Name: mood_number(app.mood); Type: FUNCTION; Schema: app; Owner: postgres
--

CREATE FUNCTION app.mood_number(app.mood) RETURNS integer
    LANGUAGE sql IMMUTABLE
    AS $$SELECT 1$$;


ALTER FUNCTION app.mood_number(app.mood) OWNER TO postgres;

--
-- Name: CAST (app.mood AS integer); Type: CAST; Schema: -; Owner: -
--

CREATE CAST (app.mood AS integer) WITH FUNCTION app.mood_number(app.mood) AS ASSIGNMENT;


--
-- Name: any_of(anyelement, anyarray); Type: FUNCTION; Schema: app; Owner: postgres
--

CREATE FUNCTION app.any_of(anyelement, anyarray) RETURNS anyelement
    LANGUAGE sql
    AS $_$SELECT $1$_$;


ALTER FUNCTION app.any_of(anyelement, anyarray) OWNER TO postgres;

--
-- Name: moods(); Type: FUNCTION; Schema: app; Owner: postgres
--

CREATE FUNCTION app.moods() RETURNS SETOF app.mood
    LANGUAGE sql
    AS $$SELECT 'ok'::mood$$;


ALTER FUNCTION app.moods() OWNER TO postgres;

--
-- Name: nothing(integer); Type: PROCEDURE; Schema: app; Owner: postgres
--

CREATE PROCEDURE app.nothing(IN a integer)
    LANGUAGE sql
    AS $$$$;


ALTER PROCEDURE app.nothing(IN a integer) OWNER TO postgres;

--
-- Name: one_out(); Type: FUNCTION; Schema: app; Owner: postgres
--

CREATE FUNCTION app.one_out(OUT b text) RETURNS text
    LANGUAGE sql
    AS $$SELECT 'x'$$;


ALTER FUNCTION app.one_out(OUT b text) OWNER TO postgres;

--
-- Name: pair_eq(app.pair, app.pair); Type: FUNCTION; Schema: app; Owner: postgres
--

CREATE FUNCTION app.pair_eq(app.pair, app.pair) RETURNS boolean
    LANGUAGE sql IMMUTABLE
    AS $_$SELECT ($1).a = ($2).a$_$;


ALTER FUNCTION app.pair_eq(app.pair, app.pair) OWNER TO postgres;

--
-- Name: pair_ne(app.pair, app.pair); Type: FUNCTION; Schema: app; Owner: postgres
--

CREATE FUNCTION app.pair_ne(app.pair, app.pair) RETURNS boolean
    LANGUAGE sql IMMUTABLE
    AS $_$SELECT ($1).a <> ($2).a$_$;


ALTER FUNCTION app.pair_ne(app.pair, app.pair) OWNER TO postgres;

--
-- Name: rows_of(integer); Type: FUNCTION; Schema: app; Owner: postgres
--

CREATE FUNCTION app.rows_of(n integer) RETURNS TABLE(i integer, t text)
    LANGUAGE sql
    AS $$SELECT 1, 'x'$$;


ALTER FUNCTION app.rows_of(n integer) OWNER TO postgres;

--
-- Name: sum_of(integer[]); Type: FUNCTION; Schema: app; Owner: postgres
--

CREATE FUNCTION app.sum_of(VARIADIC xs integer[]) RETURNS bigint
    LANGUAGE sql
    AS $$SELECT sum(x) FROM unnest(xs) x$$;


ALTER FUNCTION app.sum_of(VARIADIC xs integer[]) OWNER TO postgres;

--
-- Name: twice(integer); Type: FUNCTION; Schema: app; Owner: postgres
--

CREATE FUNCTION app.twice(x integer) RETURNS integer
    LANGUAGE sql IMMUTABLE
    AS $$SELECT x + x$$;


ALTER FUNCTION app.twice(x integer) OWNER TO postgres;

--
-- Name: two_out(integer, integer); Type: FUNCTION; Schema: app; Owner: postgres
--

CREATE FUNCTION app.two_out(a integer, OUT b text, INOUT c integer) RETURNS record
    LANGUAGE sql
    AS $$SELECT 'x', 1$$;


ALTER FUNCTION app.two_out(a integer, OUT b text, INOUT c integer) OWNER TO postgres;

--
-- Name: with_defaults(integer, text, numeric); Type: FUNCTION; Schema: app; Owner: postgres
--

CREATE FUNCTION app.with_defaults(a integer, b text DEFAULT 'x y'::text, c numeric DEFAULT 1.50) RETURNS text
    LANGUAGE sql STABLE
    AS $$SELECT b$$;


ALTER FUNCTION app.with_defaults(a integer, b text, c numeric) OWNER TO postgres;

--
-- Name: least_of(integer); Type: AGGREGATE; Schema: app; Owner: postgres
--

CREATE AGGREGATE app.least_of(integer) (
    SFUNC = int4smaller,
    STYPE = integer,
    SORTOP = OPERATOR(pg_catalog.<)
);


ALTER AGGREGATE app.least_of(integer) OWNER TO postgres;

--
-- Name: mean(double precision); Type: AGGREGATE; Schema: app; Owner: postgres
--

CREATE AGGREGATE app.mean(double precision) (
    SFUNC = float8_accum,
    STYPE = double precision[],
    INITCOND = '{0,0,0}',
    FINALFUNC = float8_avg
);


ALTER AGGREGATE app.mean(double precision) OWNER TO postgres;

--
-- Name: total(integer); Type: AGGREGATE; Schema: app; Owner: postgres
--

CREATE AGGREGATE app.total(integer) (
    SFUNC = int4pl,
    STYPE = integer,
    INITCOND = '0'
);


ALTER AGGREGATE app.total(integer) OWNER TO postgres;

--
-- Name: !==; Type: OPERATOR; Schema: app; Owner: postgres
--

CREATE OPERATOR app.!== (
    FUNCTION = app.pair_ne,
    LEFTARG = app.pair,
    RIGHTARG = app.pair,
    NEGATOR = OPERATOR(app.===)
);


ALTER OPERATOR app.!== (app.pair, app.pair) OWNER TO postgres;

--
-- Name: ===; Type: OPERATOR; Schema: app; Owner: postgres
--

CREATE OPERATOR app.=== (
    FUNCTION = app.pair_eq,
    LEFTARG = app.pair,
    RIGHTARG = app.pair,
    COMMUTATOR = OPERATOR(app.===),
    NEGATOR = OPERATOR(app.!==),
    HASHES
);


ALTER OPERATOR app.=== (app.pair, app.pair) OWNER TO postgres;

SET default_tablespace = '';

SET default_table_access_method = heap;

--
-- Name: Table; Type: TABLE; Schema: Odd Schema; Owner: postgres
--

CREATE TABLE "Odd Schema"."Table" (
    "Column" integer NOT NULL,
    "sele""ct" text
);


ALTER TABLE "Odd Schema"."Table" OWNER TO postgres;

--
-- Name: parent; Type: TABLE; Schema: app; Owner: postgres
--

CREATE TABLE app.parent (
    id integer NOT NULL,
    a text
);


ALTER TABLE app.parent OWNER TO postgres;

--
-- Name: child; Type: TABLE; Schema: app; Owner: postgres
--

CREATE TABLE app.child (
    extra text NOT NULL
)
INHERITS (app.parent);


ALTER TABLE app.child OWNER TO postgres;

--
-- Name: copied; Type: TABLE; Schema: app; Owner: postgres
--

CREATE TABLE app.copied (
    id bigint CONSTRAINT orders_id_not_null NOT NULL,
    customer integer,
    amount numeric(12,2) CONSTRAINT orders_amount NOT NULL,
    twice numeric,
    thrice numeric,
    note text,
    status app.mood,
    more integer
);


ALTER TABLE app.copied OWNER TO postgres;

--
-- Name: customers; Type: TABLE; Schema: app; Owner: postgres
--

CREATE TABLE app.customers (
    id integer NOT NULL,
    email text NOT NULL,
    name character varying(40),
    region integer
);


ALTER TABLE app.customers OWNER TO postgres;

--
-- Name: customers_id_seq; Type: SEQUENCE; Schema: app; Owner: postgres
--

CREATE SEQUENCE app.customers_id_seq
    AS integer
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1;


ALTER SEQUENCE app.customers_id_seq OWNER TO postgres;

--
-- Name: customers_id_seq; Type: SEQUENCE OWNED BY; Schema: app; Owner: postgres
--

ALTER SEQUENCE app.customers_id_seq OWNED BY app.customers.id;


--
-- Name: items; Type: TABLE; Schema: app; Owner: postgres
--

CREATE TABLE app.items (
    order_id bigint NOT NULL,
    line integer NOT NULL,
    quantity integer NOT NULL,
    price numeric(8,2),
    added timestamp(2) with time zone DEFAULT now() NOT NULL
);


ALTER TABLE app.items OWNER TO postgres;

--
-- Name: no_key; Type: TABLE; Schema: app; Owner: postgres
--

CREATE TABLE app.no_key (
    a integer,
    b integer CONSTRAINT b_set NOT NULL
);


ALTER TABLE app.no_key OWNER TO postgres;

--
-- Name: orders; Type: TABLE; Schema: app; Owner: postgres
--

CREATE TABLE app.orders (
    id bigint NOT NULL,
    customer integer,
    amount numeric(12,2) DEFAULT 0 CONSTRAINT orders_amount NOT NULL,
    twice numeric GENERATED ALWAYS AS ((amount * (2)::numeric)) STORED,
    thrice numeric GENERATED ALWAYS AS ((amount * (3)::numeric)),
    note text,
    status app.mood DEFAULT 'ok'::app.mood,
    CONSTRAINT orders_amount_check CHECK ((amount >= (0)::numeric))
);


ALTER TABLE app.orders OWNER TO postgres;

--
-- Name: TABLE orders; Type: COMMENT; Schema: app; Owner: postgres
--

COMMENT ON TABLE app.orders IS 'no matter';


--
-- Name: orders_id_seq; Type: SEQUENCE; Schema: app; Owner: postgres
--

ALTER TABLE app.orders ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME app.orders_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);


--
-- Name: parts; Type: TABLE; Schema: app; Owner: postgres
--

CREATE TABLE app.parts (
    id integer NOT NULL,
    day date NOT NULL
)
PARTITION BY RANGE (day);


ALTER TABLE app.parts OWNER TO postgres;

--
-- Name: parts_1; Type: TABLE; Schema: app; Owner: postgres
--

CREATE TABLE app.parts_1 (
    id integer CONSTRAINT parts_id_not_null NOT NULL,
    day date CONSTRAINT parts_day_not_null NOT NULL
);


ALTER TABLE app.parts_1 OWNER TO postgres;

--
-- Name: totals; Type: VIEW; Schema: app; Owner: postgres
--

CREATE VIEW app.totals AS
 SELECT customer,
    sum(amount) AS total
   FROM app.orders
  GROUP BY customer;


ALTER VIEW app.totals OWNER TO postgres;

--
-- Name: renamed; Type: VIEW; Schema: app; Owner: postgres
--

CREATE VIEW app.renamed AS
 SELECT customer AS x,
    total AS y
   FROM app.totals;


ALTER VIEW app.renamed OWNER TO postgres;

--
-- Name: typed; Type: TABLE; Schema: app; Owner: postgres
--

CREATE TABLE app.typed OF app.pair (
    a NOT NULL,
    b NOT NULL
);


ALTER TABLE app.typed OWNER TO postgres;

--
-- Name: types; Type: TABLE; Schema: app; Owner: postgres
--

CREATE TABLE app.types (
    c01 smallint,
    c02 integer,
    c03 bigint,
    c04 numeric,
    c05 numeric(12,2),
    c06 real,
    c07 double precision,
    c08 real,
    c09 character(1),
    c10 character(5),
    c11 "char",
    c12 character varying,
    c13 character varying(20),
    c14 character varying(7),
    c15 text COLLATE pg_catalog."C",
    c16 name,
    c17 bytea,
    c18 bit(1),
    c19 bit varying(5),
    c20 boolean,
    c21 date,
    c22 time(3) without time zone,
    c23 time with time zone,
    c24 timestamp(3) with time zone,
    c25 timestamp without time zone,
    c26 interval,
    c27 interval day to second(3),
    c28 interval year,
    c29 uuid,
    c30 json,
    c31 jsonb,
    c32 xml,
    c33 integer[],
    c34 numeric(8,3)[],
    c35 app.mood,
    c36 app.mood[],
    c37 app.code,
    c38 app.pair,
    c39 app.float_range,
    c40 app.spans,
    c41 "Odd Schema"."Type",
    c42 app.small,
    c43 int4range,
    c44 app.codes,
    c45 character varying(5) COLLATE app.plain,
    c46 money,
    c47 inet,
    c48 app.c_text,
    c49 numeric(5,0)
);


ALTER TABLE app.types OWNER TO postgres;

--
-- Name: validated; Type: TABLE; Schema: app; Owner: postgres
--

CREATE TABLE app.validated (
    a integer,
    b integer CONSTRAINT b_is_set NOT NULL
);


ALTER TABLE app.validated OWNER TO postgres;

--
-- Name: parts_1; Type: TABLE ATTACH; Schema: app; Owner: postgres
--

ALTER TABLE ONLY app.parts ATTACH PARTITION app.parts_1 FOR VALUES FROM ('2026-01-01') TO ('2027-01-01');


--
-- Name: customers id; Type: DEFAULT; Schema: app; Owner: postgres
--

ALTER TABLE ONLY app.customers ALTER COLUMN id SET DEFAULT nextval('app.customers_id_seq'::regclass);


--
-- Name: Table Table_pkey; Type: CONSTRAINT; Schema: Odd Schema; Owner: postgres
--

ALTER TABLE ONLY "Odd Schema"."Table"
    ADD CONSTRAINT "Table_pkey" PRIMARY KEY ("Column");


--
-- Name: customers customers_email_key; Type: CONSTRAINT; Schema: app; Owner: postgres
--

ALTER TABLE ONLY app.customers
    ADD CONSTRAINT customers_email_key UNIQUE (email);


--
-- Name: customers customers_name_region_key; Type: CONSTRAINT; Schema: app; Owner: postgres
--

ALTER TABLE ONLY app.customers
    ADD CONSTRAINT customers_name_region_key UNIQUE NULLS NOT DISTINCT (name, region);


--
-- Name: customers customers_pkey; Type: CONSTRAINT; Schema: app; Owner: postgres
--

ALTER TABLE ONLY app.customers
    ADD CONSTRAINT customers_pkey PRIMARY KEY (id);


--
-- Name: items items_added_key; Type: CONSTRAINT; Schema: app; Owner: postgres
--

ALTER TABLE ONLY app.items
    ADD CONSTRAINT items_added_key UNIQUE (added);


--
-- Name: items items_adopter; Type: CONSTRAINT; Schema: app; Owner: postgres
--

ALTER TABLE ONLY app.items
    ADD CONSTRAINT items_adopter UNIQUE (price);


--
-- Name: items items_checked; Type: CONSTRAINT; Schema: app; Owner: postgres
--

ALTER TABLE app.items
    ADD CONSTRAINT items_checked NOT NULL price NOT VALID;


--
-- Name: items items_pkey; Type: CONSTRAINT; Schema: app; Owner: postgres
--

ALTER TABLE ONLY app.items
    ADD CONSTRAINT items_pkey PRIMARY KEY (order_id, line);


--
-- Name: orders orders_pk; Type: CONSTRAINT; Schema: app; Owner: postgres
--

ALTER TABLE ONLY app.orders
    ADD CONSTRAINT orders_pk PRIMARY KEY (id) DEFERRABLE INITIALLY DEFERRED;


--
-- Name: parent parent_pkey; Type: CONSTRAINT; Schema: app; Owner: postgres
--

ALTER TABLE ONLY app.parent
    ADD CONSTRAINT parent_pkey PRIMARY KEY (id);


--
-- Name: parts parts_pkey; Type: CONSTRAINT; Schema: app; Owner: postgres
--

ALTER TABLE ONLY app.parts
    ADD CONSTRAINT parts_pkey PRIMARY KEY (id, day);


--
-- Name: parts_1 parts_1_pkey; Type: CONSTRAINT; Schema: app; Owner: postgres
--

ALTER TABLE ONLY app.parts_1
    ADD CONSTRAINT parts_1_pkey PRIMARY KEY (id, day);


--
-- Name: typed typed_pkey; Type: CONSTRAINT; Schema: app; Owner: postgres
--

ALTER TABLE ONLY app.typed
    ADD CONSTRAINT typed_pkey PRIMARY KEY (b);


--
-- Name: orders_collated; Type: INDEX; Schema: app; Owner: postgres
--

CREATE UNIQUE INDEX orders_collated ON app.orders USING btree (note COLLATE "C");


--
-- Name: orders_customer_idx; Type: INDEX; Schema: app; Owner: postgres
--

CREATE INDEX orders_customer_idx ON app.orders USING btree (customer);


--
-- Name: orders_expression; Type: INDEX; Schema: app; Owner: postgres
--

CREATE UNIQUE INDEX orders_expression ON app.orders USING btree (lower(note));


--
-- Name: orders_hash; Type: INDEX; Schema: app; Owner: postgres
--

CREATE INDEX orders_hash ON app.orders USING hash (note);


--
-- Name: orders_lower; Type: INDEX; Schema: app; Owner: postgres
--

CREATE INDEX orders_lower ON app.orders USING btree (customer, lower(note), amount);


--
-- Name: orders_partial; Type: INDEX; Schema: app; Owner: postgres
--

CREATE UNIQUE INDEX orders_partial ON app.orders USING btree (note) WHERE (amount > (0)::numeric);


--
-- Name: orders_pattern; Type: INDEX; Schema: app; Owner: postgres
--

CREATE UNIQUE INDEX orders_pattern ON app.orders USING btree (note text_pattern_ops);


--
-- Name: orders_unique; Type: INDEX; Schema: app; Owner: postgres
--

CREATE UNIQUE INDEX orders_unique ON app.orders USING btree (customer, note) INCLUDE (amount);


--
-- Name: parts_day_idx; Type: INDEX; Schema: app; Owner: postgres
--

CREATE INDEX parts_day_idx ON ONLY app.parts USING btree (day);


--
-- Name: parts_1_day_idx; Type: INDEX; Schema: app; Owner: postgres
--

CREATE INDEX parts_1_day_idx ON app.parts_1 USING btree (day);


--
-- Name: parts_1_day_idx; Type: INDEX ATTACH; Schema: app; Owner: postgres
--

ALTER INDEX app.parts_day_idx ATTACH PARTITION app.parts_1_day_idx;


--
-- Name: parts_1_pkey; Type: INDEX ATTACH; Schema: app; Owner: postgres
--

ALTER INDEX app.parts_pkey ATTACH PARTITION app.parts_1_pkey;


--
-- Name: items items_customer; Type: FK CONSTRAINT; Schema: app; Owner: postgres
--

ALTER TABLE ONLY app.items
    ADD CONSTRAINT items_customer FOREIGN KEY (quantity) REFERENCES app.customers(id) NOT VALID;


--
-- Name: items items_other; Type: FK CONSTRAINT; Schema: app; Owner: postgres
--

ALTER TABLE ONLY app.items
    ADD CONSTRAINT items_other FOREIGN KEY (line) REFERENCES app.customers(id);


--
-- Name: items items_unenforced; Type: FK CONSTRAINT; Schema: app; Owner: postgres
--

ALTER TABLE ONLY app.items
    ADD CONSTRAINT items_unenforced FOREIGN KEY (line) REFERENCES app.customers(id) NOT ENFORCED;


--
-- Name: orders orders_customer_fkey; Type: FK CONSTRAINT; Schema: app; Owner: postgres
--

ALTER TABLE ONLY app.orders
    ADD CONSTRAINT orders_customer_fkey FOREIGN KEY (customer) REFERENCES app.customers(id);


--
-- Name: orders orders_email; Type: FK CONSTRAINT; Schema: app; Owner: postgres
--

ALTER TABLE ONLY app.orders
    ADD CONSTRAINT orders_email FOREIGN KEY (note) REFERENCES app.customers(email) ON DELETE CASCADE DEFERRABLE;


--
-- Name: items; Type: ROW SECURITY; Schema: app; Owner: postgres
--

ALTER TABLE app.items ENABLE ROW LEVEL SECURITY;

--
-- Name: SCHEMA app; Type: ACL; Schema: -; Owner: postgres
--

GRANT USAGE ON SCHEMA app TO PUBLIC;


--
-- PostgreSQL database dump complete
--

\unrestrict token

