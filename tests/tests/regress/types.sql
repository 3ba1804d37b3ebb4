-- Expressions over all kinds of types.

-- construct: rows and whole-row references

-- name: a whole row of a table as a condition
SELECT i, j FROM j1 WHERE j1 IS NOT NULL;

-- name: rows compared
SELECT i, j FROM j1 WHERE (i, j) >= (1, 2) AND ROW(i, j, t) <> ROW(2, 2, 'one');

-- name: a row that is NULL, and one that is not
SELECT i, j, ROW(i, j) IS NULL AS n, ROW(i, j) IS NOT NULL AS nn, NOT (ROW(i, j) IS NULL) AS x FROM j1;

-- name: fields of a composite
SELECT id, (p).x, (p).y, p IS NULL AS n, p = ROW(1, 'a')::pair AS one FROM lst;

-- name: a composite made
SELECT i, ROW(i, t)::pair AS p FROM j1;

-- name: a composite joined and grouped
-- compared: by verify
SELECT l.p, count(*) AS n FROM lst l JOIN j1 ON ROW(j1.i, j1.t)::pair < l.p GROUP BY l.p;

-- name: a whole row counted and compared
SELECT count(j1) AS n, count(*) FILTER (WHERE j1 IS NULL) AS none FROM j1;

-- name: all fields of a composite
SELECT id, (p).* FROM lst WHERE (p).x IS NOT NULL;

-- construct: CASE, COALESCE and kin

-- name: simple CASE
SELECT i, CASE i WHEN 1 THEN 'one' WHEN 2 THEN 'two' ELSE 'other' END AS w FROM j1;

-- name: searched CASE without ELSE
SELECT i, CASE WHEN i > j THEN i WHEN j IS NULL THEN -1 END AS w FROM j1;

-- name: CASE that guards a division
SELECT i, j, CASE WHEN j <> 0 THEN i / j END AS q FROM j1;

-- name: COALESCE, NULLIF, GREATEST, LEAST
SELECT coalesce(i, j, -1) AS c, nullif(i, j) AS n, greatest(i, j, 2) AS g, least(i, j) AS l FROM j1;

-- name: three-valued logic
SELECT i > 1 AND j > 1 AS a, i > 1 OR j > 1 AS o, NOT (i > 1) AS n, (i > 1) IS UNKNOWN AS u, (i > 1) IS NOT TRUE AS f FROM j1;

-- name: BETWEEN SYMMETRIC and NOT BETWEEN
SELECT i, j FROM j1 WHERE i BETWEEN SYMMETRIC 3 AND j OR j NOT BETWEEN 1 AND 3;

-- name: booleans as numbers
SELECT (i > 1)::int + (j > 1)::int AS n, sum((t IS NULL)::int) AS s FROM j1 GROUP BY 1;

-- construct: text

-- name: LIKE, ILIKE, SIMILAR TO and regular expressions
SELECT f1, f1 LIKE '%o%' AS l, f1 ILIKE 'ONE' AS i, f1 SIMILAR TO '(o|t)%' AS s, f1 ~ '^[a-z]+$' AS r, f1 LIKE 'a\_b\%c' AS e FROM txt;

-- name: functions
SELECT f1, length(f1) AS n, upper(f1) AS u, initcap(f1) AS i, reverse(f1) AS r, md5(f1) AS m, octet_length(f1) AS o FROM txt;

-- name: parts
SELECT substring(f1 FROM 2 FOR 3) AS s, substring(f1 FROM 'o(.)') AS r, split_part(f1, ' ', 2) AS p, left(f1, -1) AS l, overlay(f1 PLACING 'XX' FROM 2) AS o, position('o' IN f1) AS n FROM txt;

-- name: replaced and padded
SELECT replace(f1, 'o', '0') AS a, regexp_replace(f1, '[aeiou]', '*', 'g') AS b, translate(f1, 'one', 'ENO') AS c, lpad(f1, 5, '.') AS d, trim(BOTH 'o' FROM f1) AS e, repeat(f1, 2) AS f FROM txt;

-- name: put together
SELECT i::text || ':' || t AS a, f1 || t AS b FROM j1 JOIN txt ON length(f1) = i;

-- name: put together by functions of any type
SELECT concat(t, i) AS c, i || ':' AS o FROM j1;

-- name: formatted
SELECT to_char(d, 'YYYY') AS y FROM tim;

-- name: compared in collations
SELECT a.f1, b.f1 AS later FROM txt a JOIN txt b ON a.f1 COLLATE "C" < b.f1;

-- name: arrays of it
SELECT f1, string_to_array(f1, ' ') AS a, string_to_array(f1, 'o', '') AS b, regexp_split_to_array(f1, '\s') AS c FROM txt;

-- construct: numbers

-- name: arithmetic and rounding
SELECT id, round(m, 1) AS r, trunc(m) AS t, ceil(m) AS c, m % 2 AS x, abs(m) AS a, sign(m) AS s, div(m, 3) AS d FROM num;

-- name: floats
SELECT id, f + r AS s, f * 2 AS d, f > r AS g, f = 'NaN' AS n, abs(r) AS a, r::float8 AS w FROM num WHERE f IS NOT NULL;

-- name: casts between them
SELECT id, m::int AS i, s::numeric AS n, b::float8 AS f, m::text AS t, (s > 0)::int AS o, s::bigint * b AS p FROM num WHERE b < 1000;

-- name: compared across types
SELECT a.id, b.id AS other FROM num a JOIN num b ON a.m = b.s OR a.n = b.r;

-- name: bits of integers
SELECT s & 3 AS a, s | 4 AS o, s # 5 AS x, ~s AS n, s::int << 2 AS l FROM num;

-- name: numbers in lists
SELECT id FROM num WHERE s IN (0, 1, NULL) OR m = ANY ('{1.5,0}') OR b NOT IN (0, -1);

-- construct: dates and times

-- name: parts
SELECT id, extract(year FROM d) AS y, extract(dow FROM ts) AS w, date_part('epoch', iv) AS e, extract(hour FROM tm) AS h FROM tim WHERE isfinite(d);

-- name: arithmetic
SELECT id, d + 1 AS next, d - DATE '2000-01-01' AS days, ts + iv AS moved, tm + iv AS t, iv * 2 AS twice FROM tim WHERE isfinite(d);

-- name: truncated, aged, overlapping
SELECT id, date_trunc('month', ts) AS m, age(ts, TIMESTAMP '2000-01-01') AS a, (ts, iv) OVERLAPS (TIMESTAMP '2000-01-01', INTERVAL '1 day') AS o FROM tim;

-- name: made
SELECT i, j, make_date(2000 + coalesce(i, 0), 1, 2) AS d, make_interval(days => i) AS v FROM j1;

-- name: instants at a named time zone
SELECT id, tz AT TIME ZONE 'UTC' AS u, tz > TIMESTAMPTZ '2001-01-01 00:00+00' AS later FROM tim;

-- name: instants as the kept time zone has them
SELECT id, tz::date AS d FROM tim;

-- name: the time now, in a column
-- not incremental: PGT0120
SELECT id, now() > tz AS past FROM tim;

-- name: the time now, in a condition
SELECT id, tz FROM tim WHERE tz < now() - interval '10 years';

-- name: chance
-- not incremental: PGT0121
SELECT i FROM j1 WHERE random() >= 0;

-- construct: arrays

-- name: ANY and ALL
SELECT id, 1 = ANY (a) AS one, 0 < ALL (a) AS pos, NULL = ANY (a) AS n, 'x' = ANY (t) AS x FROM lst;

-- name: subscripts and slices
SELECT id, a[1] AS f, a[2:3] AS s, a[:2] AS u, t[array_length(t, 1)] AS l, a[1][2] AS d FROM lst;

-- name: functions
SELECT id, cardinality(a) AS c, array_ndims(a) AS d, array_lower(a, 1) AS l, array_position(t, 'x') AS p, array_remove(t, NULL) AS r FROM lst;

-- name: operators
SELECT id, a || 9 AS p, 0 || a AS q, a @> '{1}' AS c, a && '{2,3}' AS o, a = '{1,2,3}' AS e FROM lst WHERE array_ndims(a) IS DISTINCT FROM 2;

-- name: constructors
SELECT ARRAY[i, j, 0] AS a, ARRAY[[i], [j]] AS m, ARRAY[t]::text[] || '{}' AS t FROM j1;

-- name: joined by an element
SELECT l.id, j1.t FROM lst l JOIN j1 ON j1.i = ANY (l.a);

-- name: an array of another table's values
SELECT i FROM j1 WHERE i = ANY (SELECT unnest(a) FROM lst);

-- name: an array that is made and taken apart
SELECT i, (SELECT count(DISTINCT x) FROM unnest(array_agg(j ORDER BY j)) AS x) AS n FROM j1 GROUP BY i;

-- construct: ranges, enums, domains and others

-- name: ranges
SELECT id, lower(r) AS lo, upper_inf(r) AS inf, isempty(r) AS e, r @> 3 AS three, r && int4range(2, 4) AS o, r * int4range(0, 3) AS i FROM lst;

-- name: joined by containment
SELECT l.id, j1.i FROM lst l JOIN j1 ON l.r @> j1.i;

-- name: joined by overlap
SELECT a.id, b.id AS other FROM lst a JOIN lst b ON a.r && b.r AND a.id < b.id;

-- name: multiranges
SELECT id, r::int4multirange AS m, r::int4multirange + '{[10,12)}'::int4multirange AS p FROM lst;

-- name: enums compared
SELECT id, e, e > 'sad' AS better FROM lst WHERE e <> 'ok' OR e IS NULL;

-- name: functions of enums
-- not incremental: PGT0120, PGT0120
SELECT id, enum_first(e) AS f, e::text AS t FROM lst;

-- name: domains
SELECT id, q, q + 1 AS n, (id % 5 + 1)::positive AS p FROM lst;

-- name: bytes and bits
SELECT id, length(h) AS l, encode(h, 'hex') AS x, h || '\x01' AS p, b & B'0110' AS a, b << 1 AS s, get_bit(b, 0) AS g FROM lst;

-- name: json without equality, as a plain column
SELECT id, j::json AS j FROM doc;

-- name: NULL columns all the way
SELECT NULL AS n, NULL::int AS i, i IS NULL AS x FROM j1;

-- name: no columns
-- refused: 42P16
SELECT FROM j1;

-- name: a pseudo-type
-- refused: 42P16
SELECT ROW(i, j) AS r FROM j1;

-- name: a function that does not exist
-- refused: 42883
SELECT nothing_of_the_kind(i) AS x FROM j1;

-- name: an operator that does not exist
-- refused: 42883
SELECT i || j AS x FROM j1;
