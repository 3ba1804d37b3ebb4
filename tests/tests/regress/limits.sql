-- ORDER BY with LIMIT, OFFSET and FETCH.

-- construct: LIMIT and OFFSET

-- name: the first three
SELECT u1, s FROM uno ORDER BY u1 LIMIT 3;

-- name: the last three but one
SELECT u1, ten FROM uno ORDER BY u1 DESC LIMIT 3 OFFSET 1;

-- name: offset alone
SELECT u1 FROM uno ORDER BY ten, u1 OFFSET 4;

-- name: more than there are
SELECT u1 FROM uno ORDER BY u1 LIMIT 1000;

-- name: none
-- compared: by verify
-- still
SELECT u1 FROM uno ORDER BY u1 LIMIT 0;

-- name: all
SELECT i, j FROM j1 ORDER BY i LIMIT ALL;

-- name: NULL is all
SELECT i, j FROM j1 ORDER BY i LIMIT NULL OFFSET 0;

-- name: NULLs first
SELECT u1, u2 FROM dos ORDER BY u2 NULLS FIRST, u1 LIMIT 4;

-- name: NULLs last, downwards
SELECT u1, u2 FROM dos ORDER BY u2 DESC NULLS LAST, u1 DESC LIMIT 4;

-- name: by an operator
SELECT u1, s FROM uno ORDER BY s USING ~>~, u1 LIMIT 4;

-- name: by an expression that is not shown
SELECT u1 FROM uno ORDER BY ten * four, u1 LIMIT 5;

-- name: by an output name and by number
SELECT u1, ten - four AS d FROM uno ORDER BY d DESC, 1 LIMIT 5;

-- name: rows that are equal in all that is shown
-- compared: by equality
SELECT i FROM j1 ORDER BY i LIMIT 4;

-- name: ties that show
-- compared: by verify
SELECT i, t FROM j1 ORDER BY i LIMIT 4;

-- name: a sum in LIMIT
SELECT u1 FROM uno ORDER BY u1 LIMIT 1 + 2;

-- name: of a join
SELECT e.no, d.floor FROM emp e LEFT JOIN dept d ON d.name = e.dept ORDER BY d.floor NULLS FIRST, e.no LIMIT 4;

-- name: of groups
SELECT dept, sum(salary) AS s FROM emp GROUP BY dept ORDER BY s DESC NULLS LAST, dept LIMIT 2;

-- name: of DISTINCT
SELECT DISTINCT ten FROM uno ORDER BY ten DESC LIMIT 3;

-- name: of a window
SELECT no, rank() OVER (ORDER BY salary) AS r FROM emp ORDER BY r DESC, no LIMIT 3;

-- name: of a LIMIT
SELECT u1 FROM (SELECT u1, ten FROM uno ORDER BY ten, u1 LIMIT 6) AS x ORDER BY u1 DESC LIMIT 2;

-- name: a filter above
SELECT u1 FROM (SELECT u1, two FROM uno ORDER BY u1 LIMIT 8) AS x WHERE two = 1;

-- name: an aggregate above
SELECT count(*) AS n, sum(u1) AS s FROM (SELECT u1 FROM uno ORDER BY u1 DESC LIMIT 5) AS x;

-- name: two joined
SELECT x.u1, y.u1 AS other FROM (SELECT u1, ten FROM uno ORDER BY u1 LIMIT 5) AS x JOIN (SELECT u1, ten FROM uno ORDER BY u1 DESC LIMIT 9) AS y USING (ten);

-- name: in IN
SELECT i FROM j1 WHERE i IN (SELECT u1 FROM uno ORDER BY u1 LIMIT 2);

-- construct: FETCH and WITH TIES

-- name: fetch
SELECT u1 FROM uno ORDER BY u1 OFFSET 2 ROWS FETCH NEXT 2 ROWS ONLY;

-- name: with ties
SELECT u1, ten FROM uno ORDER BY ten FETCH FIRST 3 ROWS WITH TIES;

-- name: with ties of NULLs
SELECT i, j, t FROM j1 ORDER BY j DESC FETCH FIRST 2 ROWS WITH TIES;

-- name: with ties after an offset
SELECT no, salary FROM emp ORDER BY salary, no OFFSET 1 FETCH FIRST 3 ROWS WITH TIES;

-- name: one row with ties, of each
SELECT d.name, x.no FROM dept d, LATERAL (SELECT no FROM emp WHERE dept = d.name ORDER BY salary DESC NULLS LAST FETCH FIRST 1 ROW WITH TIES) AS x;

-- construct: the first rows of joins and groups

-- name: of a join
SELECT e.no, d.name, e.salary FROM emp e JOIN dept d ON d.name = e.dept ORDER BY e.salary DESC NULLS LAST, e.no LIMIT 4;

-- name: of groups
SELECT dept, sum(salary) AS s FROM emp GROUP BY dept ORDER BY 2 DESC NULLS LAST, 1 LIMIT 2;

-- name: of a union, with ties
SELECT ten AS n FROM uno UNION ALL SELECT i FROM j1 ORDER BY 1 FETCH FIRST 2 ROWS WITH TIES;

-- name: in a subquery, joined again
SELECT x.no, e.dept FROM (SELECT no FROM emp ORDER BY salary, no OFFSET 1 LIMIT 3) AS x JOIN emp e ON e.no = x.no;

-- construct: what LIMIT cannot do

-- name: no order
-- refused: 42P16
SELECT i FROM j1 LIMIT 3;

-- name: no order, in a subquery
-- refused: 42P16
SELECT x.i FROM (SELECT i FROM j1 OFFSET 2) AS x;

-- name: a number that is a query
-- not incremental: PGT0111
SELECT u1 FROM uno ORDER BY u1 LIMIT (SELECT count(*) FROM void);
