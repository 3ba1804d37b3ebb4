-- DISTINCT and DISTINCT ON.

-- construct: DISTINCT

-- name: of one column
SELECT DISTINCT i FROM j1;

-- name: of all columns
SELECT DISTINCT * FROM j1;

-- name: of a constant
SELECT DISTINCT 1 AS one FROM void;

-- name: of an expression
SELECT DISTINCT ten % 3 AS m, two FROM uno;

-- name: of a key
SELECT DISTINCT u1, s FROM uno;

-- name: of a join
SELECT DISTINCT a.i, b.k FROM j1 a JOIN j2 b USING (i);

-- name: of an outer join
SELECT DISTINCT a.t, b.k FROM j1 a LEFT JOIN j2 b ON a.i = b.i;

-- name: of groups
SELECT DISTINCT count(*) AS n FROM j1 GROUP BY i;

-- name: of DISTINCT
SELECT DISTINCT i FROM (SELECT DISTINCT i, j FROM j1) AS x;

-- name: counted
SELECT count(*) AS n FROM (SELECT DISTINCT i, j FROM j1) AS x;

-- name: with ORDER BY
SELECT DISTINCT t, i FROM j1 ORDER BY i, t;

-- name: of equal numbers
-- compared: by equality
SELECT DISTINCT n FROM num;

-- name: of equal floats
-- compared: by equality
SELECT DISTINCT f, r FROM num;

-- name: of equal intervals
-- compared: by equality
SELECT DISTINCT iv FROM tim;

-- name: of arrays, enums, bytes and bits
-- compared: by verify
SELECT DISTINCT a, e, h, b FROM lst;

-- name: of jsonb
-- compared: by equality
SELECT DISTINCT j FROM doc;

-- name: IS DISTINCT FROM
SELECT i, j, i IS DISTINCT FROM j AS d, i IS NOT DISTINCT FROM NULL AS n FROM j1 WHERE i IS DISTINCT FROM 2;

-- name: rows that are distinct
SELECT i, j FROM j1 WHERE ROW(i, j) IS DISTINCT FROM ROW(1, NULL) AND (i, j) IS DISTINCT FROM (j, i);

-- name: over a union
SELECT DISTINCT x FROM (SELECT i AS x, 1 AS y FROM j1 UNION ALL SELECT k, 2 FROM j2) AS u;

-- name: of a function
SELECT DISTINCT upper(f1) AS u, length(f1) AS l FROM txt;

-- name: of a type without equality
-- refused: 42883
SELECT DISTINCT j::json AS j FROM doc;

-- construct: DISTINCT ON

-- name: by an order
SELECT DISTINCT ON (four) four, u1, s FROM uno ORDER BY four, u1;

-- name: the last of each
SELECT DISTINCT ON (dept) dept, no, salary FROM emp ORDER BY dept, salary DESC NULLS LAST, no;

-- name: of two columns, in another order
SELECT DISTINCT ON (two, four) u1, four, two FROM uno ORDER BY four DESC, two, u1 DESC;

-- name: of an expression
SELECT DISTINCT ON (ten % 3) ten % 3 AS m, u1 FROM uno ORDER BY ten % 3, u1;

-- name: of NULLs
SELECT DISTINCT ON (u2) u2, u1 FROM dos ORDER BY u2 NULLS FIRST, u1 DESC;

-- name: of a constant
SELECT DISTINCT ON (1) u1, u2 FROM uno ORDER BY 1 DESC;

-- name: what is not shown
SELECT DISTINCT ON (four) u1 FROM uno ORDER BY four, u2;

-- name: with LIMIT
SELECT DISTINCT ON (four) four, u1 FROM uno ORDER BY four DESC, u1 LIMIT 2;

-- name: of ties
-- compared: by verify
SELECT DISTINCT ON (i) i, j, t FROM j1 ORDER BY i, j;

-- name: without an order
-- compared: by verify
SELECT DISTINCT ON (i) i, t FROM j1;

-- name: in a subquery
SELECT x.dept, x.no, d.floor FROM (SELECT DISTINCT ON (dept) dept, no FROM emp ORDER BY dept, no DESC) AS x LEFT JOIN dept d ON d.name = x.dept;

-- name: of groups
SELECT DISTINCT ON (floor) floor, name, count(*) AS n FROM dept LEFT JOIN emp ON emp.dept = dept.name GROUP BY floor, name ORDER BY floor, count(*) DESC, name;

-- name: does not begin the order
-- refused: 42P10
SELECT DISTINCT ON (four) four, u1 FROM uno ORDER BY u1;
