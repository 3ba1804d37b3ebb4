-- Subqueries in expressions.

-- construct: EXISTS

-- name: uncorrelated
SELECT i, t FROM j1 WHERE EXISTS (SELECT FROM void);

-- name: NOT EXISTS of a correlated one
SELECT i, j FROM j1 WHERE NOT EXISTS (SELECT 1 FROM j2 WHERE j2.i = j1.i);

-- name: on an inequality
SELECT i, j FROM j1 WHERE EXISTS (SELECT * FROM j2 WHERE j2.k > j1.j AND j2.i <> j1.i);

-- name: nested two levels deep, the inner one on the outermost
SELECT i, j FROM j1 WHERE EXISTS (SELECT FROM j2 WHERE j2.i = j1.i AND NOT EXISTS (SELECT FROM j3 WHERE j3.i = j2.k AND j3.n = j1.t));

-- name: under OR
SELECT i, j FROM j1 WHERE j = 2 OR EXISTS (SELECT FROM j2 WHERE j2.k = j1.i);

-- name: two under OR and NOT
SELECT i, j FROM j1 WHERE NOT (EXISTS (SELECT FROM j2 WHERE j2.k = j1.i) AND EXISTS (SELECT FROM j3 WHERE j3.i = j1.j));

-- name: in the SELECT list
SELECT i, EXISTS (SELECT FROM j2 WHERE j2.i = j1.i) AS there, NOT EXISTS (SELECT FROM void) AS nothing FROM j1;

-- name: of an aggregate without groups is always true
SELECT i FROM j1 WHERE EXISTS (SELECT max(k) FROM j2 WHERE j2.i = j1.i);

-- name: of groups with HAVING
SELECT i, j FROM j1 WHERE EXISTS (SELECT k FROM j2 WHERE j2.i = j1.i GROUP BY k HAVING count(*) > 1);

-- name: of a union
SELECT i, j FROM j1 WHERE EXISTS (SELECT i FROM j2 WHERE j2.k = j1.j UNION ALL SELECT i FROM j3 WHERE j3.i = j1.i);

-- name: of a join inside
SELECT u1, s FROM uno WHERE EXISTS (SELECT FROM dos JOIN parent p ON p.k = dos.ten WHERE dos.s = uno.s AND p.pd > uno.ten);

-- name: with LIMIT inside
SELECT i FROM j1 WHERE EXISTS (SELECT k FROM j2 WHERE j2.i = j1.i ORDER BY k LIMIT 1);

-- name: with LIMIT 0 inside
-- compared: by verify
-- still
SELECT i FROM j1 WHERE EXISTS (SELECT k FROM j2 ORDER BY k LIMIT 0);

-- construct: IN and NOT IN

-- name: in
SELECT i, j, t FROM j1 WHERE i IN (SELECT i FROM j2);

-- name: in, correlated
SELECT i, j FROM j1 WHERE j IN (SELECT k FROM j2 WHERE j2.i = j1.i);

-- name: not in, with NULLs on both sides
SELECT i, j FROM j1 WHERE i NOT IN (SELECT k FROM j2);

-- name: not in, with NULLs filtered
SELECT i, j FROM j1 WHERE i NOT IN (SELECT k FROM j2 WHERE k IS NOT NULL);

-- name: not in what may be empty
SELECT i, j FROM j1 WHERE i NOT IN (SELECT a FROM void);

-- name: not in, correlated
SELECT i, j FROM j1 WHERE j NOT IN (SELECT k FROM j2 WHERE j2.i = j1.i);

-- name: rows
SELECT i, j FROM j1 WHERE (i, j) IN (SELECT i, k FROM j2);

-- name: rows, not in
SELECT i, j FROM j1 WHERE (i, j) NOT IN (SELECT i, k FROM j2);

-- name: a value that is neither true nor false
SELECT i, j, i IN (SELECT k FROM j2) AS x, i NOT IN (SELECT k FROM j2 WHERE k < 3) AS y, (i IN (SELECT k FROM j2)) IS NULL AS z FROM j1;

-- name: an IN in an IN
SELECT u1 FROM uno WHERE ten IN (SELECT u2 FROM dos WHERE two IN (SELECT i FROM j1 WHERE j IS NOT NULL));

-- name: types that differ
SELECT q1, q2 FROM i8 WHERE q1 IN (SELECT f1 FROM i4) OR q2 NOT IN (SELECT b FROM num WHERE b IS NOT NULL);

-- name: in of an expression over both
SELECT i, j FROM j1 WHERE i + 1 IN (SELECT k + j1.j FROM j2);

-- name: in a set operation
SELECT i FROM j1 WHERE i IN (SELECT i FROM j2 EXCEPT SELECT i FROM j3);

-- name: in groups
SELECT no, salary FROM emp WHERE (dept, salary) IN (SELECT dept, max(salary) FROM emp GROUP BY dept);

-- name: not in, of the same table
SELECT no FROM emp WHERE no NOT IN (SELECT boss FROM emp);

-- name: in a VALUES list
SELECT i, j FROM j1 WHERE (i, j) IN (VALUES (1, 2), (2, 1), (0, NULL));

-- name: NULL in a subquery
SELECT i FROM j1 WHERE (NULL IN (SELECT k FROM j2)) IS NULL;

-- construct: ANY and ALL

-- name: greater than all
SELECT i, j FROM j1 WHERE j > ALL (SELECT k FROM j2 WHERE k IS NOT NULL);

-- name: at most some
SELECT i, j FROM j1 WHERE j <= ANY (SELECT k FROM j2 WHERE j2.i = j1.i);

-- name: different from some
SELECT i FROM j1 WHERE i <> SOME (SELECT k FROM j2);

-- name: as values
SELECT i, i = ANY (SELECT k FROM j2) AS b, i <> ALL (SELECT a FROM void) AS c FROM j1;

-- name: too many as values
-- not incremental: PGT0106
SELECT i, i < ALL (SELECT k FROM j2) AS a, i = ANY (SELECT k FROM j2) AS b, i <> ALL (SELECT a FROM void) AS c FROM j1;

-- name: LIKE ANY
SELECT f1 FROM txt WHERE f1 LIKE ANY (SELECT n || '%' FROM j3);

-- name: ALL of groups
SELECT dept FROM emp GROUP BY dept HAVING sum(salary) >= ALL (SELECT sum(salary) FROM emp WHERE salary IS NOT NULL GROUP BY dept);

-- construct: scalar subqueries

-- name: an aggregate
SELECT no, salary - (SELECT avg(salary) FROM emp) AS above FROM emp;

-- name: correlated aggregates
SELECT d.name, (SELECT count(*) FROM emp e WHERE e.dept = d.name) AS n, (SELECT max(salary) FROM emp e WHERE e.dept = d.name AND e.boss IS NOT NULL) AS m FROM dept d;

-- name: by a key
SELECT c.id, (SELECT p.pd FROM parent p WHERE p.k = c.k) AS pd, (SELECT p.pd FROM parent p WHERE p.k = c.cd) AS other FROM child c;

-- name: in WHERE
SELECT no, dept FROM emp e WHERE salary = (SELECT max(salary) FROM emp x WHERE x.dept = e.dept);

-- name: on an inequality
SELECT no, (SELECT count(*) FROM emp x WHERE x.salary > e.salary) + 1 AS place FROM emp e;

-- name: nested
SELECT i, (SELECT max(k) FROM j2 WHERE j2.i = j1.i AND k < (SELECT sum(i) FROM j3 WHERE j3.i < j1.j)) AS m FROM j1;

-- name: in CASE and COALESCE
SELECT i, CASE WHEN (SELECT count(*) FROM j2 WHERE j2.i = j1.i) > 1 THEN 'many' WHEN i IS NULL THEN 'none' ELSE coalesce((SELECT min(n) FROM j3 WHERE j3.i = j1.i), '?') END AS w FROM j1;

-- name: under an aggregate
SELECT sum((SELECT count(*) FROM child c WHERE c.k = p.k)) AS s, max((SELECT max(cd) FROM child c WHERE c.k = p.k)) AS m FROM parent p;

-- name: without FROM
SELECT i, (SELECT i + j) AS s, (SELECT j1.t WHERE i > 1) AS t FROM j1;

-- name: count of nothing is zero, sum of nothing is NULL
SELECT k, (SELECT count(*) FROM void WHERE a = k) AS n, (SELECT sum(a) FROM void WHERE a = k) AS s FROM j2;

-- name: in ORDER BY and LIMIT
SELECT u1, ten FROM uno ORDER BY (SELECT count(*) FROM dos WHERE dos.ten = uno.ten), u1 LIMIT 3;

-- name: the first of an order
SELECT k, (SELECT id FROM child c WHERE c.k = p.k ORDER BY cd DESC NULLS LAST, id LIMIT 1) AS best FROM parent p;

-- name: two scalars compared
SELECT (SELECT count(*) FROM j1) > (SELECT count(*) FROM j2) AS more;

-- name: a scalar over a distinct set
SELECT i, (SELECT string_agg(x, ',' ORDER BY x) FROM (SELECT DISTINCT n AS x FROM j3 WHERE j3.i = j1.i) AS y) AS names FROM j1;

-- name: of one row, where no key says so
SELECT i, j, CASE WHEN (SELECT count(*) FROM j2 WHERE j2.i = j1.i) = 1 THEN (SELECT k FROM j2 WHERE j2.i = j1.i) END AS k FROM j1;

-- name: of one row of a union
SELECT count(*) AS n FROM j1 WHERE CASE WHEN i > 0 AND j > 1000000 THEN (SELECT x.f FROM (SELECT f1 AS f FROM i4 UNION ALL SELECT k FROM j2 WHERE j2.i = j1.i) AS x) = i ELSE i > 0 END;

-- construct: ARRAY

-- name: in an order
SELECT k, ARRAY(SELECT id FROM child c WHERE c.k = p.k ORDER BY id) AS ids FROM parent p;

-- name: in an order that is not shown
SELECT k, ARRAY(SELECT cd FROM child c WHERE c.k = p.k ORDER BY id DESC) AS cds FROM parent p;

-- name: of all rows, and of none
SELECT ARRAY(SELECT DISTINCT i FROM j1 ORDER BY i) AS i, ARRAY(SELECT a FROM void ORDER BY a) AS nothing FROM parent;

-- name: of the first rows
SELECT k, ARRAY(SELECT id FROM child c WHERE c.k = p.k ORDER BY cd DESC NULLS LAST, id LIMIT 2) AS best FROM parent p;

-- name: of groups and unions
SELECT i, ARRAY(SELECT count(*) FROM j2 WHERE j2.i = j1.i GROUP BY k ORDER BY 1) AS n, ARRAY(SELECT k FROM j2 WHERE j2.i = j1.i UNION SELECT j1.j ORDER BY 1) AS u FROM j1;

-- name: in WHERE
-- compared: by verify
SELECT i, j FROM j1 WHERE j = ANY (ARRAY(SELECT k FROM j2 WHERE j2.i = j1.i));

-- construct: rows compared with scalar subqueries

-- name: at least a row of aggregates
SELECT i, j FROM j1 WHERE (i, j) >= (SELECT min(i), max(k) FROM j2);

-- name: correlated, as a value
SELECT i, j, (i, j) < (SELECT max(i), max(k) FROM j2 WHERE j2.i = j1.j) AS less, (i, j) <> (SELECT k, cd FROM child WHERE child.id = j1.i) AS other FROM j1;

-- construct: subqueries in VALUES

-- name: uncorrelated
SELECT a, b FROM (VALUES ((SELECT count(*) FROM j1), 'j1'), ((SELECT count(*) FROM j2), 'j2'), (0, NULL)) AS v (a, b);

-- name: correlated, in IN
SELECT i, j FROM j1 WHERE j IN (VALUES ((SELECT max(k) FROM j2 WHERE j2.i = j1.i)), (j1.i));

-- construct: subqueries in FROM

-- name: nested, with expressions
SELECT x.a + 1 AS b FROM (SELECT y.i * 2 AS a FROM (SELECT i, j FROM j1 WHERE j > 0) AS y WHERE y.i < 3) AS x;

-- name: without an alias
SELECT i, n FROM (SELECT i, count(*) AS n FROM j1 GROUP BY i) WHERE n > 1;

-- name: ORDER BY inside means nothing
SELECT i FROM (SELECT i FROM j1 ORDER BY j DESC) AS x;

-- name: a CASE of constants above
SELECT CASE x.c WHEN 1 THEN 'a' WHEN 2 THEN 'b' END AS l FROM (SELECT 1 AS c FROM j1 UNION ALL SELECT i FROM j2) AS x;

-- name: whole rows of a subquery
SELECT x = ROW(1, 2) AS same, (x).i FROM (SELECT i, j FROM j1) AS x;

-- name: VALUES with NULLs and types to be found
-- still
SELECT a, b FROM (VALUES (1, NULL), (2.5, 'x'), (NULL, 'y')) AS v (a, b);

-- name: VALUES joined with themselves
-- still
SELECT a.x, b.x AS y FROM (VALUES (1), (2), (2)) AS a (x) JOIN (VALUES (2), (2), (3)) AS b (x) ON a.x = b.x;

-- name: VALUES at the top
-- still
VALUES (1, 'one'), (2, 'two'), (2, 'two');

-- name: a row lock
-- refused: 42P16
SELECT i FROM j1 FOR UPDATE;
