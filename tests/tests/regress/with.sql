-- WITH.

-- construct: WITH

-- name: used once
WITH x AS (SELECT i, j FROM j1 WHERE j > 1) SELECT i FROM x;

-- name: used twice
WITH x AS (SELECT i, count(*) AS n FROM j1 GROUP BY i) SELECT a.i, a.n, b.n AS other FROM x a JOIN x b ON b.i = a.n;

-- name: used never
WITH x AS (SELECT i / 0 AS y FROM j1) SELECT i FROM j2;

-- name: with columns renamed
WITH x (a, b) AS (SELECT i, sum(j) FROM j1 GROUP BY i) SELECT a, b FROM x WHERE b IS NOT NULL;

-- name: one on another
WITH x AS (SELECT i, j FROM j1), y AS (SELECT i, max(j) AS m FROM x GROUP BY i), z AS (SELECT m FROM y UNION ALL SELECT i FROM x) SELECT m, count(*) AS n FROM z GROUP BY m;

-- name: the inner hides the outer
WITH x AS (SELECT 1 AS a) SELECT a, (WITH x AS (SELECT count(*) AS a FROM j1) SELECT a FROM x) AS b FROM x;

-- name: it hides a table
WITH j1 AS (SELECT i + 10 AS i FROM j1) SELECT i FROM j1;

-- name: materialized or not
WITH x AS MATERIALIZED (SELECT i FROM j1), y AS NOT MATERIALIZED (SELECT i FROM j2) SELECT x.i FROM x LEFT JOIN y USING (i);

-- name: in a subquery of FROM
SELECT q.i, q.n FROM (WITH x AS (SELECT i, n FROM j3) SELECT * FROM x WHERE n IS NOT NULL) AS q;

-- name: in a branch of a union
(WITH x AS (SELECT i FROM j1) SELECT i FROM x) UNION ALL SELECT k FROM j2;

-- name: over a union
WITH x AS (SELECT i FROM j1) SELECT i FROM x UNION SELECT -i FROM x EXCEPT SELECT 1;

-- name: used in a subquery and beside it
WITH x AS (SELECT dept, sum(salary) AS s FROM emp GROUP BY dept) SELECT dept, s FROM x WHERE s > (SELECT avg(s) FROM x);

-- name: in EXISTS, correlated
SELECT i FROM j1 WHERE EXISTS (WITH x AS (SELECT k FROM j2 WHERE j2.i = j1.i) SELECT FROM x WHERE k > 0);

-- name: of a query around it
SELECT i, (WITH x AS (SELECT k FROM j2 WHERE j2.i = j1.i) SELECT count(*) FROM x) AS n FROM j1;

-- name: VALUES
WITH v (n, word) AS (VALUES (1, 'one'), (2, 'two')) SELECT j3.i, v.word FROM j3 JOIN v ON v.n = j3.i;

-- name: thrice, joined outer
WITH x AS (SELECT DISTINCT i FROM j1) SELECT a.i, b.i AS b, c.i AS c FROM x a LEFT JOIN x b ON b.i = a.i + 1 FULL JOIN x c ON c.i = b.i + 1;

-- name: a window in it
WITH x AS (SELECT no, dept, rank() OVER (PARTITION BY dept ORDER BY salary DESC NULLS LAST) AS r FROM emp) SELECT a.no, b.no AS next FROM x a JOIN x b ON a.dept = b.dept AND b.r = a.r + 1;

-- name: ORDER BY and LIMIT in it
WITH x AS (SELECT u1, ten FROM uno ORDER BY u1 DESC LIMIT 3) SELECT x.u1, d.s FROM x LEFT JOIN dos d ON d.ten = x.ten;

-- name: RECURSIVE that is not
WITH RECURSIVE x AS (SELECT i FROM j1) SELECT i FROM x;

-- name: one that is declared before what it needs
WITH RECURSIVE y AS (SELECT i FROM x), x AS (SELECT i FROM j1) SELECT i FROM y;

-- name: data-modifying
-- refused: 42P16
WITH x AS (DELETE FROM j1 RETURNING i) SELECT i FROM x;

-- name: a name that comes too early
-- refused: 42P01
WITH y AS (SELECT i FROM x), x AS (SELECT i FROM j1) SELECT i FROM y;

-- construct: WITH RECURSIVE

-- name: numbers
-- still
WITH RECURSIVE n (i) AS (VALUES (1) UNION ALL SELECT i + 1 FROM n WHERE i < 5) SELECT i FROM n;

-- name: the bosses of all
WITH RECURSIVE up AS (SELECT no, boss FROM emp UNION SELECT up.no, e.boss FROM up JOIN emp e ON e.no = up.boss) SELECT no, boss FROM up;

-- name: all that is reached, then counted
WITH RECURSIVE r (a, b) AS (SELECT i, k FROM j2 UNION SELECT r.a, j2.k FROM r JOIN j2 ON j2.i = r.b) SELECT a, count(*) AS n FROM r GROUP BY a;

-- name: a tree, with paths
WITH RECURSIVE t (no, path, depth) AS (
    SELECT no, no::text, 1 FROM emp WHERE boss IS NULL
    UNION ALL SELECT e.no, t.path || '.' || e.no::text, t.depth + 1 FROM t JOIN emp e ON e.boss = t.no WHERE t.depth < 9)
SELECT no, path, depth FROM t;

-- name: walks of three steps, counted
WITH RECURSIVE w (a, b, steps) AS (
    SELECT i, k, 1 FROM j2
    UNION ALL SELECT w.a, j2.k, w.steps + 1 FROM w JOIN j2 ON j2.i = w.b WHERE w.steps < 3)
SELECT a, b, count(*) AS n FROM w GROUP BY a, b;

-- name: reached from what another recursion reached
WITH RECURSIVE r AS (SELECT i FROM j1 UNION SELECT j2.k FROM r JOIN j2 ON j2.i = r.i),
    s AS (SELECT i FROM r WHERE i > 2 UNION SELECT j3.i FROM s JOIN j3 ON j3.i = s.i)
SELECT i FROM s;

-- name: CYCLE
WITH RECURSIVE r AS (SELECT i, k FROM j2 UNION ALL SELECT r.i, j2.k FROM r JOIN j2 ON j2.i = r.k) CYCLE i, k SET again USING path SELECT i, k, again FROM r;

-- name: CYCLE, shown and marked
WITH RECURSIVE r (a, b) AS (SELECT i, k FROM j2 WHERE i < 4 UNION ALL SELECT j2.i, j2.k FROM r JOIN j2 ON j2.i = r.b) CYCLE b SET again TO 'again' DEFAULT 'new' USING path
SELECT a, b, again, path::text AS path FROM r;

-- name: CYCLE of UNION, in a join
WITH RECURSIVE r AS (SELECT i, k FROM j2 UNION SELECT j2.i, j2.k FROM r JOIN j2 ON j2.i = r.k) CYCLE i, k SET again USING path
SELECT j1.i, j1.t, r.again, array_length(r.path, 1) AS n FROM j1 LEFT JOIN r ON r.i = j1.i AND r.k = j1.j;

-- name: SEARCH DEPTH FIRST
WITH RECURSIVE t AS (SELECT no, boss FROM emp WHERE boss IS NULL UNION ALL SELECT e.no, e.boss FROM t JOIN emp e ON e.boss = t.no) SEARCH DEPTH FIRST BY no SET place
SELECT no, boss, place::text AS place FROM t;

-- name: SEARCH BREADTH FIRST, the first of it
-- compared: by verify
WITH RECURSIVE t AS (SELECT no, boss FROM emp WHERE boss IS NULL UNION ALL SELECT e.no, e.boss FROM t JOIN emp e ON e.boss = t.no) SEARCH BREADTH FIRST BY no SET place
SELECT no, boss FROM t ORDER BY place LIMIT 5;

-- name: SEARCH and CYCLE, named in the step, counted
WITH RECURSIVE r AS (SELECT i, k FROM j2 UNION ALL SELECT r.i, j2.k FROM r JOIN j2 ON j2.i = r.k WHERE NOT r.again)
    SEARCH BREADTH FIRST BY k SET place CYCLE k SET again USING path
SELECT again, count(*) AS n, max(array_length(path, 1)) AS most FROM r GROUP BY again;

-- name: with a WITH of its own
WITH RECURSIVE r AS (WITH e AS (SELECT i, k FROM j2 WHERE k IS NOT NULL)
    SELECT i, k FROM e UNION SELECT r.i, e.k FROM r JOIN e ON e.i = r.k)
SELECT i, k FROM r;

-- name: a UNION within the first part
WITH RECURSIVE r AS (SELECT x.i FROM (SELECT i FROM j1 UNION SELECT k FROM j2) x WHERE x.i < 4
    UNION SELECT j2.k FROM r JOIN j2 ON j2.i = r.i)
SELECT i FROM r;
