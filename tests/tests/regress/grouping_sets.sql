-- GROUPING SETS, ROLLUP and CUBE.

-- construct: GROUPING SETS

-- name: two sets
SELECT a, b, grouping(a, b) AS g, sum(v) AS s, count(*) AS n, max(v) AS m FROM g GROUP BY GROUPING SETS ((a), (b));

-- name: one set is GROUP BY
SELECT a, b, sum(v) AS s FROM g GROUP BY GROUPING SETS ((a, b));

-- name: the empty set alone
SELECT count(*) AS n, sum(v) AS s FROM g GROUP BY GROUPING SETS (());

-- name: the empty set twice
SELECT count(*) AS n, sum(d) AS s FROM g GROUP BY GROUPING SETS ((), ());

-- name: empty sets over an empty table
SELECT a, sum(a) AS s, count(*) AS n FROM void GROUP BY GROUPING SETS ((a), (), ());

-- name: sets over nothing, without an empty one
-- still
SELECT a, count(*) AS n FROM void WHERE false GROUP BY GROUPING SETS ((a), (a));

-- name: the same set twice
SELECT a, count(*) AS n FROM g GROUP BY GROUPING SETS ((a), (a), (a, b));

-- name: NULL as a value beside NULL as a total
SELECT a, grouping(a) AS total, count(*) AS n FROM g GROUP BY GROUPING SETS ((a), ());

-- name: nested sets
SELECT a, b, c, count(*) AS n FROM g GROUP BY GROUPING SETS ((a), GROUPING SETS ((b, c), ROLLUP (c)));

-- name: sets of expressions
SELECT a + 1 AS x, coalesce(b, 0) AS y, grouping(a + 1, coalesce(b, 0)) AS g, sum(v) AS s FROM g GROUP BY GROUPING SETS ((a + 1), (coalesce(b, 0)));

-- name: the product of two
SELECT a, b, c, grouping(a, b, c) AS g, count(*) AS n FROM g GROUP BY GROUPING SETS ((a), ()), GROUPING SETS ((b), (c));

-- name: a column beside sets
SELECT a, b, c, sum(d) AS s FROM g GROUP BY a, GROUPING SETS ((b), (c), ());

-- name: with DISTINCT sets
SELECT a, b, count(*) AS n FROM g GROUP BY DISTINCT ROLLUP (a, b), ROLLUP (a);

-- name: with all sets
SELECT a, b, count(*) AS n FROM g GROUP BY ALL ROLLUP (a, b), ROLLUP (a);

-- name: a constant in a set
SELECT 'x'::text AS k, a, count(*) AS n FROM g GROUP BY GROUPING SETS (('x'::text), (a));

-- name: a key and what depends on it
SELECT u1, s, count(*) AS n FROM uno GROUP BY GROUPING SETS ((u1, s), ());

-- construct: ROLLUP

-- name: of two columns
SELECT a, b, grouping(a, b) AS g, sum(v) AS s, avg(d) AS m FROM g GROUP BY ROLLUP (a, b);

-- name: of columns in brackets
SELECT a, b, c, count(*) AS n FROM g GROUP BY ROLLUP ((a, b), c);

-- name: one column twice
SELECT a, count(*) AS n FROM g GROUP BY ROLLUP (a, a);

-- name: over a join
SELECT d.floor, e.dept, count(*) AS n, sum(e.salary) AS s FROM emp e LEFT JOIN dept d ON d.name = e.dept GROUP BY ROLLUP (d.floor, e.dept);

-- name: over a grouped subquery
SELECT a, sum(n) AS s FROM (SELECT a, b, count(*) AS n FROM g GROUP BY CUBE (a, b)) AS x GROUP BY ROLLUP (a);

-- name: HAVING on GROUPING
SELECT a, b, count(*) AS n FROM g GROUP BY ROLLUP (a, b) HAVING grouping(b) = 1 AND (a IS NULL OR count(*) > 1);

-- name: HAVING on a column that is rolled up
SELECT a, b, sum(v) AS s FROM g GROUP BY ROLLUP (a, b) HAVING b IS NULL;

-- name: a filter above that rejects totals
SELECT * FROM (SELECT a, b, sum(v) AS s FROM g GROUP BY ROLLUP (a, b)) AS x WHERE a > 1;

-- construct: CUBE

-- name: of two columns
SELECT a, b, sum(v) AS s, count(DISTINCT c) AS d FROM g GROUP BY CUBE (a, b);

-- name: of three columns, with GROUPING in another order
SELECT a, b, c, grouping(c, a) AS ca, grouping(b) AS gb, count(*) AS n FROM g GROUP BY CUBE (a, b, c);

-- name: in a rollup
SELECT a, b, c, count(*) AS n FROM g GROUP BY ROLLUP (a), CUBE (b, c);

-- name: an expression over GROUPING
SELECT CASE WHEN grouping(a) = 1 THEN 'total' ELSE coalesce(a::text, 'none') END AS a, grouping(a) + grouping(b) AS level, count(*) AS n FROM g GROUP BY CUBE (a, b);

-- name: min and max by sets
SELECT a, b, min(v) AS lo, max(d) AS hi, bool_or(c = 'x') AS x FROM g GROUP BY CUBE (a, b);

-- name: ordered aggregates by sets
SELECT a, array_agg(v ORDER BY v) AS vs, percentile_disc(0.5) WITHIN GROUP (ORDER BY d) AS m FROM g GROUP BY ROLLUP (a);

-- name: a window over sets
SELECT a, b, sum(v) AS s, rank() OVER (PARTITION BY grouping(a, b) ORDER BY sum(v) DESC NULLS LAST) AS r FROM g GROUP BY CUBE (a, b);

-- name: DISTINCT of sets
SELECT DISTINCT a, grouping(b) AS g FROM g GROUP BY CUBE (a, b);

-- name: a union of sets
SELECT a, count(*) AS n FROM g GROUP BY ROLLUP (a) UNION ALL SELECT b, -count(*) FROM g GROUP BY CUBE (b);

-- name: a subquery over a set
SELECT a, (SELECT count(*) FROM j1 WHERE j1.i = g.a) AS n, grouping(a) AS t FROM g GROUP BY ROLLUP (a);

-- name: GROUPING in a subquery
SELECT a, b, (SELECT grouping(a, b)) AS g, count(*) AS n FROM g GROUP BY ROLLUP (a, b);

-- name: GROUPING in a condition of a subquery
SELECT a, b, (SELECT count(*) FROM g AS x WHERE x.a > grouping(g.a)) AS n FROM g GROUP BY CUBE (a, b);

-- name: joined with itself
SELECT x.a, x.s, y.s AS total FROM (SELECT a, sum(v) AS s, grouping(a) AS t FROM g GROUP BY ROLLUP (a)) AS x JOIN (SELECT a, sum(v) AS s, grouping(a) AS t FROM g GROUP BY ROLLUP (a)) AS y ON y.t = 1 AND x.t = 0;

-- name: constant FALSE conditions above sets
-- still
SELECT * FROM (SELECT a, count(*) AS n FROM g GROUP BY ROLLUP (a)) AS x WHERE n < 0;

-- name: GROUPING of what is not grouped
-- refused: 42803
SELECT a, grouping(v) AS x FROM g GROUP BY ROLLUP (a);
