-- Aggregates of all kinds.

-- construct: aggregates without GROUP BY

-- name: all the common ones at once
SELECT count(*) AS n, count(f1) AS f, sum(f1) AS s, avg(f1) AS a, min(f1) AS lo, max(f1) AS hi FROM i4;

-- name: over nothing at all
-- still
SELECT count(*) AS n, sum(f1) AS s, bool_and(f1 > 0) AS b FROM i4 WHERE false;

-- name: constants beside an aggregate
SELECT 'all' AS what, 42 AS n, count(*) AS c FROM void;

-- name: an aggregate of a constant
SELECT sum(3) AS s, max('x'::text) AS m, count(NULL) AS z FROM j1;

-- name: sums that leave the type of their argument
SELECT sum(q1) AS s, sum(q2) AS t, avg(q2) AS a, sum(q1::int8 - 1) AS u FROM i8;

-- name: sums of numeric with and without a scale, and of floats
-- compared: by verify
SELECT sum(n) AS n, sum(m) AS m, sum(f) AS f, sum(r) AS r, sum(b) AS b, sum(s) AS s FROM num;

-- name: averages of numeric with and without a scale, and of floats
-- compared: by verify
SELECT avg(n) AS n, avg(m) AS m, avg(f) AS f, avg(r) AS r, avg(b) AS b, avg(s) AS s FROM num;

-- name: extremes of all types
-- compared: by verify
SELECT min(d) AS d, max(ts) AS ts, min(iv) AS iv, max(tm) AS tm, min(tz) AS tz FROM tim WHERE iv IS DISTINCT FROM '1 day';

-- name: extremes of equal intervals
-- compared: by equality
SELECT min(iv) AS iv, max(iv) AS hi FROM tim;

-- name: extremes of arrays, enums and bytes
-- compared: by verify
SELECT max(a) AS a, min(t) AS t, max(e) AS e, min(e) AS low, max(h) AS h FROM lst;

-- name: extremes of rows
-- not incremental: PGT0141
SELECT max(p) > min(p) AS differ, max(p) = ROW(2, NULL)::pair AS two, max(p) IS NULL AS none FROM lst;

-- name: sums of intervals
SELECT sum(iv) AS s, avg(iv) AS a FROM tim;

-- name: booleans
SELECT bool_and(f1 > 0) AS a, bool_or(f1 > 100) AS o, every(f1 IS NOT NULL) AS e FROM i4;

-- name: bits
SELECT bit_and(s) AS a, bit_or(s) AS o, bit_xor(s) AS x, bit_and(b) AS ab, bit_or(b) AS ob FROM num;

-- name: bit strings
SELECT bit_and(b) AS a, bit_or(b) AS o, bit_xor(b) AS x FROM lst;

-- name: HAVING without GROUP BY
SELECT count(*) AS n FROM void HAVING count(*) > 3;

-- name: HAVING without GROUP BY and without an aggregate
-- still
SELECT 1 AS one FROM i4 HAVING 1 < 2;

-- name: HAVING without GROUP BY that is false
-- still
SELECT 1 AS one FROM i4 HAVING false;

-- name: an aggregate over a subquery with an aggregate
SELECT max(n) AS most, min(n) AS least, sum(n) AS total, count(*) AS groups FROM (SELECT count(*) AS n FROM emp GROUP BY dept) AS x;

-- name: an expression over aggregates
SELECT sum(f1) FILTER (WHERE f1 > 0) / nullif(count(*), 0) AS ratio, (max(f1)::bigint - min(f1) > 10)::int AS wide FROM i4;

-- name: variance and its kin
SELECT var_pop(s) AS vp, var_samp(s) AS vs, stddev_pop(m) AS sp, stddev_samp(m) AS ss, variance(s) AS v, stddev(m) AS d FROM num;

-- name: regression
-- compared: by verify
SELECT regr_count(s, r) AS n, regr_sxx(s, r) AS sxx, corr(s, r) AS c, covar_pop(s, r) AS cp, regr_slope(s, r) AS sl, regr_avgx(s, r) AS ax FROM num WHERE r < 100;

-- construct: GROUP BY

-- name: NULL is a group
SELECT i, count(*) AS n, sum(j) AS s FROM j1 GROUP BY i;

-- name: all columns, no aggregates
SELECT i, j FROM j1 GROUP BY i, j;

-- name: a group that is not shown
SELECT count(*) AS n, max(j) AS m FROM j1 GROUP BY i, t;

-- name: an expression, by number
SELECT two + four AS x, count(*) AS n, sum(ten) AS s FROM uno GROUP BY 1;

-- name: an output name that is a column, too
SELECT -i AS j, count(*) AS n FROM j1 GROUP BY j1.j, i;

-- name: the same expression twice
SELECT i + 1 AS a, i + 1 AS b, count(*) AS n FROM j1 GROUP BY i + 1;

-- name: an expression over a group
SELECT (i + 1) * 2 AS a, upper(t) AS u, count(*) AS n FROM j1 GROUP BY i + 1, t;

-- name: a constant group
SELECT 'x'::text AS c, count(*) AS n FROM void GROUP BY 1;

-- name: an empty grouping set over nothing
SELECT count(*) AS n FROM void GROUP BY ();

-- name: columns that depend on the key
SELECT u1, s, count(*) AS n FROM uno GROUP BY u1;

-- name: columns that depend on the key, through a join
SELECT p.k, p.pd, sum(c.cd) AS s FROM parent p LEFT JOIN child c USING (k) GROUP BY p.k;

-- name: a CASE over groups
SELECT CASE WHEN salary > 4500 THEN 'high' WHEN salary > 0 THEN 'low' END AS class, count(*) AS n, avg(salary) AS a FROM emp GROUP BY 1;

-- name: a group by a row
SELECT count(*) AS n, max(t) AS t FROM j1 GROUP BY (ROW(i, j));

-- name: a group by numeric of two images
-- compared: by equality
SELECT n, count(*) AS c FROM num GROUP BY n;

-- name: a group by floats
-- compared: by equality
SELECT f, count(*) AS c, sum(s) AS s FROM num GROUP BY f;

-- name: groups by arrays, ranges and enums
-- compared: by verify
SELECT a, r, e, count(*) AS n FROM lst GROUP BY a, r, e;

-- name: groups by a domain and a composite
-- compared: by verify
SELECT q, p, count(*) AS n, max(id) AS m FROM lst GROUP BY q, p;

-- name: groups by jsonb
-- compared: by equality
SELECT j -> 'a' AS a, count(*) AS n FROM doc GROUP BY j -> 'a';

-- name: groups of groups
SELECT n, count(*) AS c FROM (SELECT i, count(*) AS n FROM j1 GROUP BY i) AS x GROUP BY n;

-- name: groups of groups of groups
SELECT c, sum(n) AS s FROM (SELECT n, count(*) AS c FROM (SELECT i, j, count(*) AS n FROM j1 GROUP BY i, j) AS x GROUP BY n) AS y GROUP BY c;

-- name: groups of a year
-- compared: by verify
SELECT extract(year FROM hired) AS y, count(*) AS n, min(hired) AS first FROM emp GROUP BY extract(year FROM hired);

-- name: groups by date_trunc
SELECT date_trunc('month', ts) AS m, count(*) AS n FROM tim GROUP BY 1;

-- construct: HAVING

-- name: on an aggregate that is not shown
SELECT dept FROM emp GROUP BY dept HAVING sum(salary) > 9000;

-- name: on a group and on aggregates, with OR
SELECT i, count(*) AS n FROM j1 GROUP BY i HAVING i > 2 OR count(*) > 2 OR bool_or(t IS NULL);

-- name: comparing aggregates
SELECT dept, min(salary) AS lo FROM emp GROUP BY dept HAVING count(*) > count(salary) OR min(salary) < avg(salary);

-- name: on NULL
SELECT i, sum(j) AS s FROM j1 GROUP BY i HAVING sum(j) IS NULL;

-- name: with an IN
SELECT i, max(j) AS m FROM j1 GROUP BY i HAVING max(j) IN (SELECT k FROM j2);

-- name: with a scalar subquery
SELECT dept, sum(salary) AS s FROM emp GROUP BY dept HAVING sum(salary) > (SELECT avg(salary) * 2 FROM emp);

-- name: with a correlated EXISTS
SELECT i, count(*) AS n FROM j1 GROUP BY i HAVING EXISTS (SELECT FROM j2 WHERE j2.i = j1.i AND j2.k < count(j1.j));

-- construct: FILTER

-- name: several filters
SELECT i, count(*) FILTER (WHERE j > 1) AS a, sum(j) FILTER (WHERE t = 'one') AS b, max(j) FILTER (WHERE j < 3) AS c, count(*) FILTER (WHERE NULL) AS d FROM j1 GROUP BY i;

-- name: a filter with a subquery
SELECT count(*) FILTER (WHERE i IN (SELECT k FROM j2)) AS n, count(*) AS c FROM j1;

-- name: a filter and DISTINCT
SELECT two, count(DISTINCT ten) FILTER (WHERE four > 0) AS n, sum(DISTINCT ten) FILTER (WHERE four > 0) AS s FROM uno GROUP BY two;

-- name: a filter over an ordered array
SELECT dept, array_agg(no ORDER BY no) FILTER (WHERE salary > 4000) AS a FROM emp GROUP BY dept;

-- construct: DISTINCT in aggregates

-- name: count and sum
SELECT count(DISTINCT i) AS i, sum(DISTINCT j) AS j, count(DISTINCT t) AS t, count(*) AS n FROM j1;

-- name: by group, with plain ones beside
SELECT i, count(DISTINCT j) AS d, count(j) AS n, sum(DISTINCT j) AS sd, sum(j) AS s, avg(DISTINCT j) AS a FROM j1 GROUP BY i;

-- name: of rows
SELECT count(DISTINCT (i, j)) AS n FROM j1;

-- name: string_agg
SELECT i, string_agg(DISTINCT t, ',' ORDER BY t) AS s FROM j1 GROUP BY i;

-- name: in the opposite order
SELECT array_agg(DISTINCT j ORDER BY j DESC NULLS LAST) AS a FROM j1;

-- name: extremes do not care
SELECT i, min(DISTINCT j) AS lo, max(DISTINCT j) AS hi FROM j1 GROUP BY i;

-- name: of two images
SELECT count(DISTINCT n) AS n, count(DISTINCT f) AS f FROM num;

-- construct: ORDER BY in aggregates

-- name: string_agg in an order
SELECT dept, string_agg(no::text, ',' ORDER BY salary DESC NULLS LAST, no) AS s FROM emp GROUP BY dept;

-- name: two orders side by side
SELECT array_agg(u1 ORDER BY ten, u1) AS a, array_agg(u1 ORDER BY ten DESC, u1 DESC) AS b FROM uno;

-- name: array_agg of arrays
SELECT array_agg(ARRAY[u1, ten] ORDER BY u1) AS a FROM uno;

-- name: with a separator of each row
SELECT string_agg(s, s ORDER BY s, u1) AS x FROM dos;

-- name: jsonb
-- compared: by verify
SELECT i, jsonb_agg(j ORDER BY j, t) AS a, jsonb_object_agg(coalesce(t, '-'), j ORDER BY t, j) AS o FROM j1 GROUP BY i;

-- name: json, strict and unique
SELECT dept, json_agg(salary ORDER BY no) AS a, json_object_agg(no, salary ORDER BY no) AS o, json_agg_strict(salary ORDER BY no) AS s FROM emp GROUP BY dept;

-- name: without an order
-- compared: by verify
SELECT i, cardinality(array_agg(j)) AS a FROM j1 GROUP BY i;

-- name: ordered by all that it shows
SELECT i, array_agg(j ORDER BY j) AS a, string_agg(t, '|' ORDER BY t) AS s FROM j1 GROUP BY i;

-- name: xmlagg
SELECT xmlagg(xmlelement(name x, u1) ORDER BY u1)::text AS x FROM uno WHERE two = 1;

-- name: any_value of equal values
-- compared: by verify
SELECT i, any_value(i) AS a, count(*) AS n FROM j1 WHERE i IS NOT NULL GROUP BY i;

-- name: range_agg and range_intersect_agg
SELECT e, range_agg(r ORDER BY r) AS u, range_intersect_agg(r ORDER BY r) AS i FROM lst GROUP BY e;

-- name: an aggregate of a user
-- compared: by verify
SELECT two, sum_of_squares(ten) AS s, sum_of_squares(DISTINCT four) AS d FROM uno GROUP BY two;

-- construct: ordered-set and hypothetical-set aggregates

-- name: percentiles
SELECT percentile_cont(0.5) WITHIN GROUP (ORDER BY ten) AS c, percentile_disc(0.25) WITHIN GROUP (ORDER BY ten DESC) AS d, mode() WITHIN GROUP (ORDER BY four) AS m FROM uno;

-- name: percentiles of groups
SELECT dept, percentile_disc(0.5) WITHIN GROUP (ORDER BY salary) AS median FROM emp GROUP BY dept;

-- name: an array of percentiles
SELECT percentile_cont(ARRAY[0, 0.5, 1]) WITHIN GROUP (ORDER BY salary) AS c, percentile_disc(ARRAY[[NULL, 1], [0.1, 0.9]]) WITHIN GROUP (ORDER BY salary) AS d FROM emp;

-- name: percentiles of text and of intervals
SELECT percentile_disc(0.5) WITHIN GROUP (ORDER BY t) AS t, percentile_disc(1) WITHIN GROUP (ORDER BY t DESC) AS u FROM j1;

-- name: with a filter
SELECT two, percentile_disc(0.5) WITHIN GROUP (ORDER BY ten) FILTER (WHERE four <> 1) AS m FROM uno GROUP BY two;

-- name: hypothetical
SELECT rank(3) WITHIN GROUP (ORDER BY j) AS r, dense_rank(3) WITHIN GROUP (ORDER BY j) AS d, percent_rank(2) WITHIN GROUP (ORDER BY j) AS p, cume_dist(2) WITHIN GROUP (ORDER BY j DESC NULLS LAST) AS c FROM j1;

-- name: hypothetical, of two columns
SELECT rank(2, 'one') WITHIN GROUP (ORDER BY j, t) AS r FROM j1;

-- name: a place that is computed from the group
SELECT two, percentile_cont(two * 0.5) WITHIN GROUP (ORDER BY ten) AS p FROM uno GROUP BY two;

-- name: a place that is computed from an expression that is grouped by, and from what follows from a key
SELECT u1 % 3 AS m, percentile_disc(abs(u1 % 3) / 4.0) WITHIN GROUP (ORDER BY ten) AS p, rank(u1 % 3, 'x') WITHIN GROUP (ORDER BY ten, s) AS r FROM uno GROUP BY u1 % 3;

-- construct: aggregates and subqueries

-- name: an aggregate of the outer query inside a subquery
SELECT i, (SELECT max(j1.j)) AS m FROM j1 GROUP BY i;

-- name: aggregates of the outer query without a group
SELECT (SELECT max(j1.j)) AS m, (SELECT count(*) FILTER (WHERE j1.j > 1)) AS n FROM j1;

-- name: an aggregate of the outer query in a condition of the subquery
SELECT i, (SELECT sum(k) FROM j2 WHERE j2.k < max(j1.j)) AS s FROM j1 GROUP BY i;

-- name: aggregates of both queries, two levels in
SELECT i, (SELECT (SELECT count(j1.j) * 100 + count(j2.k)) FROM j2 WHERE j2.i = j1.i) AS c FROM j1 GROUP BY i;

-- name: an aggregate of the outer query in a subquery of FROM
SELECT i, ARRAY(SELECT x.m + k FROM (SELECT max(j1.j) AS m) AS x, j2 WHERE j2.i = j1.i ORDER BY 1) AS a FROM j1 GROUP BY i;

-- name: an aggregate over a correlated subquery
SELECT i, sum((SELECT count(*) FROM j2 WHERE j2.i = j1.j)) AS s FROM j1 GROUP BY i;

-- name: an aggregate without FROM
-- still
SELECT count(*) AS n, max(1) AS m;

-- name: an aggregate over VALUES
-- still
SELECT sum(x) AS s, count(y) AS n FROM (VALUES (1, 'a'), (2, NULL), (NULL, 'c')) AS v (x, y);

-- name: aggregates over whole rows
SELECT i, count(j1) AS n, count(DISTINCT t) AS d FROM j1 GROUP BY i;

-- name: extremes beside an OR of their rows
SELECT max(u1) AS hi, min(u2) AS lo FROM uno WHERE u1 < 12 OR (u2 > 20 AND two = 0);

-- name: an extreme of a filtered union
SELECT max(x) AS m FROM (SELECT u1 AS x FROM uno WHERE two = 0 UNION ALL SELECT -u2 FROM dos) AS u;

-- name: nested aggregate calls
-- refused: 42803
SELECT max(min(u1)) AS m FROM uno;

-- name: a column that is not grouped
-- refused: 42803
SELECT i, j, count(*) AS n FROM j1 GROUP BY i;
