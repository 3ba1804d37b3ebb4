-- Types, functions and a table for comparing expression binding with the server's.
CREATE TYPE mood AS ENUM ('sad', 'ok', 'happy');
CREATE TYPE addr AS (street text, no int4, zip varchar(5));
CREATE DOMAIN posint AS int4 CHECK (VALUE > 0);
CREATE DOMAIN label AS varchar(8);
CREATE DOMAIN ints AS int4[];
CREATE DOMAIN money2 AS numeric(12, 2);
CREATE DOMAIN ctext AS text COLLATE "C";
CREATE SCHEMA other;
CREATE TYPE floatrange AS RANGE (subtype = float8);

CREATE TABLE t0 (
    i2 int2, i4 int4, i8 int8, f4 float4, f8 float8, n numeric, n2 numeric(10, 2),
    t text, tc text COLLATE "C", tx text COLLATE "POSIX", v varchar(10), vn varchar, c char(5), nm name,
    ch "char", b bool, d date, tm time, tz timetz, ts timestamp, ts3 timestamp(3), tstz timestamptz,
    iv interval, u uuid, j jsonb, js json, by bytea, bt bit(4), vb varbit, o oid, mo money,
    pt point, inet inet, x xml, tsv tsvector,
    ia int4[], ta text[], na numeric(8, 3)[], r int4range, mr int4multirange, fr floatrange,
    e mood, ea mood[], a addr, pi posint, la label, ds ints, m2 money2, ct ctext
);

CREATE FUNCTION f_default(a int4, b text DEFAULT 'x', c numeric DEFAULT 1.5) RETURNS text
    LANGUAGE sql IMMUTABLE RETURN a::text || b || c::text;
CREATE FUNCTION f_variadic(a text, VARIADIC rest int4[]) RETURNS int4
    LANGUAGE sql IMMUTABLE RETURN cardinality(rest);
CREATE FUNCTION f_over(a int4) RETURNS int4 LANGUAGE sql IMMUTABLE RETURN a;
CREATE FUNCTION f_over(a text) RETURNS text LANGUAGE sql IMMUTABLE RETURN a;
CREATE FUNCTION f_over(a float8) RETURNS float8 LANGUAGE sql IMMUTABLE RETURN a;
CREATE FUNCTION f_any(a anyelement, b anyelement) RETURNS anyelement LANGUAGE sql IMMUTABLE AS 'SELECT a';
CREATE FUNCTION f_compat(a anycompatible, b anycompatible) RETURNS anycompatible
    LANGUAGE sql IMMUTABLE AS 'SELECT a';
CREATE FUNCTION f_compat_array(a anycompatible, b anycompatiblearray) RETURNS anycompatiblearray
    LANGUAGE sql IMMUTABLE AS 'SELECT b';
CREATE FUNCTION f_enum(a anyenum) RETURNS text LANGUAGE sql IMMUTABLE AS 'SELECT a::text';
CREATE FUNCTION f_nonarray(a anynonarray) RETURNS anyarray LANGUAGE sql IMMUTABLE AS 'SELECT ARRAY[a]';
CREATE FUNCTION f_range(a anyrange) RETURNS anyelement LANGUAGE sql IMMUTABLE AS 'SELECT lower(a)';
CREATE FUNCTION f_comprange(a anycompatible, b anycompatiblerange) RETURNS anycompatible
    LANGUAGE sql IMMUTABLE AS 'SELECT a';
CREATE FUNCTION f_domain(a posint) RETURNS int4 LANGUAGE sql IMMUTABLE RETURN a;
CREATE FUNCTION f_row(a t0) RETURNS int4 LANGUAGE sql IMMUTABLE RETURN a.i4;
CREATE FUNCTION f_addr(a addr) RETURNS text LANGUAGE sql IMMUTABLE RETURN a.street;
CREATE FUNCTION f_twice(a int4, b int4 DEFAULT 1) RETURNS int4 LANGUAGE sql IMMUTABLE RETURN a;
CREATE FUNCTION f_twice(a int4) RETURNS int4 LANGUAGE sql IMMUTABLE RETURN a;
CREATE FUNCTION f_vs(a text) RETURNS int4 LANGUAGE sql IMMUTABLE RETURN 1;
CREATE FUNCTION f_vs(VARIADIC a text[]) RETURNS int4 LANGUAGE sql IMMUTABLE RETURN 2;
CREATE FUNCTION other.f_over(a int4) RETURNS int8 LANGUAGE sql IMMUTABLE RETURN a::int8;
CREATE FUNCTION other.f_hidden(a int4) RETURNS int8 LANGUAGE sql IMMUTABLE RETURN a::int8;
CREATE FUNCTION addr_eq(a addr, b addr) RETURNS bool LANGUAGE sql IMMUTABLE RETURN a.no = b.no;
CREATE OPERATOR === (LEFTARG = addr, RIGHTARG = addr, FUNCTION = addr_eq);
CREATE FUNCTION int_mood(a int4) RETURNS mood LANGUAGE sql IMMUTABLE RETURN 'ok'::mood;
CREATE CAST (int4 AS mood) WITH FUNCTION int_mood(int4) AS ASSIGNMENT;
CREATE FUNCTION other.plus(a int4, b int4) RETURNS int8 LANGUAGE sql IMMUTABLE RETURN 0::int8;
CREATE OPERATOR other.+ (LEFTARG = int4, RIGHTARG = int4, FUNCTION = other.plus);
CREATE FUNCTION first_of(s anyelement, x anyelement) RETURNS anyelement LANGUAGE sql IMMUTABLE AS 'SELECT s';
CREATE AGGREGATE f_first(anyelement) (SFUNC = first_of, STYPE = anyelement);
