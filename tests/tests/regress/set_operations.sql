-- UNION, INTERSECT and EXCEPT.

-- construct: UNION

-- name: of two
SELECT i AS x FROM j1 UNION SELECT k FROM j2;

-- name: all of two
SELECT i, j FROM j1 UNION ALL SELECT i, k FROM j2;

-- name: of a table with itself
SELECT i FROM j1 UNION SELECT i FROM j1;

-- name: all of a table with itself
SELECT f1 FROM i4 UNION ALL SELECT f1 FROM i4;

-- name: with constants
SELECT 1 AS three UNION SELECT i FROM j1 UNION ALL SELECT 3;

-- name: of constants
-- compared: by equality
-- still
SELECT 1.1 AS two UNION SELECT 2 UNION ALL SELECT 2.0 UNION SELECT 3;

-- name: of types that differ
SELECT f1 AS x FROM i4 UNION SELECT q1 FROM i8 UNION SELECT m FROM num;

-- name: of a string that has no type yet
SELECT 'one' AS x UNION SELECT f1 FROM txt;

-- name: of NULLs that have no type yet
SELECT i, NULL AS x FROM j1 UNION SELECT i, k FROM j2;

-- name: UNION above UNION ALL
SELECT i FROM j1 UNION ALL SELECT i FROM j2 UNION SELECT i FROM j3;

-- name: UNION ALL above UNION
SELECT i FROM j1 UNION SELECT i FROM j2 UNION ALL SELECT i FROM j3;

-- name: of equal numbers that look different
-- compared: by equality
SELECT n FROM num UNION SELECT m FROM num;

-- name: of rows of columns
SELECT i, j, t FROM j1 UNION SELECT a, a, b FROM void;

-- name: of text of char types
SELECT f1::varchar(3) AS x FROM txt UNION SELECT n FROM j3;

-- name: without columns in common but by type
SELECT no::text AS x, dept AS y FROM emp UNION SELECT name, floor::text FROM dept;

-- construct: INTERSECT

-- name: of two
SELECT i FROM j1 INTERSECT SELECT k FROM j2;

-- name: all of two
SELECT i FROM j1 INTERSECT ALL SELECT i FROM j2;

-- name: binds closer than UNION
SELECT i FROM j1 UNION SELECT i FROM j2 INTERSECT SELECT i FROM j3;

-- name: of rows with NULLs
SELECT i, j FROM j1 INTERSECT SELECT i, k FROM j2;

-- name: of three
SELECT i FROM j1 INTERSECT SELECT i FROM j2 INTERSECT ALL SELECT i FROM j3;

-- name: with what is empty
-- still
SELECT i FROM j1 INTERSECT SELECT i FROM j2 WHERE false;

-- construct: EXCEPT

-- name: of two
SELECT i FROM j1 EXCEPT SELECT k FROM j2;

-- name: all of two
SELECT i FROM j1 EXCEPT ALL SELECT i FROM j2;

-- name: of itself
-- still
SELECT i, j FROM j1 EXCEPT SELECT i, j FROM j1;

-- name: a chain from the left
SELECT i FROM j1 EXCEPT SELECT i FROM j3 EXCEPT ALL SELECT a FROM void;

-- name: in brackets from the right
SELECT i FROM j1 EXCEPT (SELECT i FROM j3 EXCEPT SELECT a FROM void);

-- name: all above except
SELECT i FROM j1 EXCEPT ALL SELECT i FROM j2 UNION ALL SELECT i FROM j3 INTERSECT ALL SELECT i FROM j1;

-- name: both differences
(SELECT i FROM j1 EXCEPT ALL SELECT i FROM j2) UNION ALL (SELECT i FROM j2 EXCEPT ALL SELECT i FROM j1);

-- name: of text in a collation
SELECT f1 COLLATE "C" AS x FROM txt EXCEPT SELECT n FROM j3;

-- name: of arrays and ranges
-- compared: by verify
SELECT a, r FROM lst WHERE id < 8 EXCEPT SELECT a, r FROM lst WHERE id > 8;

-- name: of jsonb
-- compared: by equality
SELECT j -> 'a' AS a FROM doc WHERE id < 12 EXCEPT ALL SELECT j -> 'b' FROM doc WHERE id >= 12;

-- name: of grouped sides
SELECT dept, count(*) AS n FROM emp GROUP BY dept EXCEPT SELECT name, floor FROM dept;

-- construct: set operations among other things

-- name: branches in brackets with LIMIT
(SELECT u1 FROM uno ORDER BY u1 LIMIT 3) UNION ALL (SELECT u1 FROM dos ORDER BY u1 DESC LIMIT 2);

-- name: ORDER BY and LIMIT of the whole
SELECT u1 FROM uno UNION SELECT u1 FROM dos ORDER BY u1 DESC LIMIT 4;

-- name: ORDER BY by number and OFFSET
-- compared: by equality
SELECT i, j FROM j1 UNION ALL SELECT i, k FROM j2 ORDER BY 2 DESC NULLS LAST, 1 OFFSET 2 FETCH FIRST 5 ROWS ONLY;

-- name: a filter above
SELECT x FROM (SELECT i AS x FROM j1 UNION SELECT k FROM j2) AS u WHERE x > 1 OR x IS NULL;

-- name: a filter above EXCEPT ALL
SELECT x, count(*) AS n FROM (SELECT i AS x FROM j1 EXCEPT ALL SELECT k FROM j2) AS u WHERE x > 0 GROUP BY x;

-- name: joined
SELECT u.x, j3.n FROM (SELECT i AS x FROM j1 INTERSECT SELECT i FROM j2) AS u LEFT JOIN j3 ON j3.i = u.x;

-- name: under DISTINCT
SELECT DISTINCT x FROM (SELECT i AS x FROM j1 UNION ALL SELECT k FROM j2) AS u;

-- name: under an aggregate
SELECT count(*) AS n, sum(x) AS s FROM (SELECT i AS x FROM j1 UNION SELECT k FROM j2) AS u;

-- name: of joins and groups
SELECT a.i, b.k FROM j1 a JOIN j2 b USING (i) UNION SELECT i, count(*) FROM j3 GROUP BY i;

-- name: of VALUES
VALUES (1, 'one'), (2, ''), (0, 'doh!') EXCEPT SELECT i, n FROM j3 UNION ALL SELECT i, n FROM j3 INTERSECT VALUES (3, 'one'), (3, 'ONE'), (2, 'two'), (5, NULL);

-- name: of TABLE commands
TABLE j2 UNION ALL TABLE j2;

-- name: without columns, counted
SELECT count(*) AS n FROM (SELECT i FROM j1 WHERE t IS NULL UNION ALL SELECT k FROM j2 WHERE i IS NULL) AS u;

-- name: correlated, in a subquery
SELECT i, (SELECT sum(x) FROM (SELECT k AS x FROM j2 WHERE j2.i = j1.i UNION SELECT j1.j) AS u) AS s FROM j1;

-- name: in EXISTS
SELECT i FROM j1 WHERE NOT EXISTS (SELECT k FROM j2 WHERE j2.i = j1.i EXCEPT SELECT i FROM j3);

-- name: of views
SELECT no, dept FROM well_paid EXCEPT SELECT no, dept FROM emp WHERE boss IS NOT NULL;

-- name: of rows as values
-- compared: by verify
SELECT count(*) AS n FROM (SELECT ROW(i, j) AS r FROM j1 INTERSECT SELECT ROW(i, k) FROM j2) AS u;

-- name: types that do not fit
-- refused: 42804
SELECT i FROM j1 UNION SELECT n FROM j3;

-- name: branches of different widths
-- refused: 42601
SELECT i FROM j1 UNION SELECT i, n FROM j3;
