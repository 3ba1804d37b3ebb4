-- Joins of all kinds.

-- construct: CROSS JOIN and comma

-- name: each with each
SELECT j1.i, j1.j, j2.i AS i2, j2.k FROM j1 CROSS JOIN j2;

-- name: renamed columns of both sides
SELECT x.a, x.b, y.a AS c, y.b AS d FROM j1 AS x (a, b, c), j2 AS y (a, b) WHERE x.b > y.b;

-- name: a renamed prefix of the columns
SELECT ii, jj, t FROM j1 AS x (ii, jj) CROSS JOIN (VALUES (1), (NULL)) AS v (n) WHERE n IS NULL OR ii = n;

-- name: three in a row, with nothing that joins them
SELECT count(*) AS n, count(f1) AS f FROM i4, (SELECT k FROM j2 WHERE k > 0) AS s, void;

-- name: a join in brackets with a name hides its parts
SELECT x.t, x.k FROM (j1 JOIN j2 USING (i)) AS x WHERE x.i > 0;

-- name: a join in brackets whose columns are renamed
SELECT a, b, c, d FROM (j1 JOIN j2 USING (i)) AS x (a, b, c, d);

-- construct: INNER JOIN

-- name: on two columns crosswise
SELECT a.i, a.j, a.t, b.k FROM j1 a JOIN j2 b ON a.i = b.k AND a.j = b.i;

-- name: on an inequality
SELECT a.i, b.k FROM j1 a JOIN j2 b ON a.i <= b.k;

-- name: on a constant that is false
-- still
SELECT a.i, b.k FROM j1 a JOIN j2 b ON false;

-- name: on NULL
-- still
SELECT a.i, b.k FROM j1 a JOIN j2 b ON NULL;

-- name: on one side alone
SELECT a.i, b.k FROM j1 a JOIN j2 b ON a.i IS NULL AND a.j > 1;

-- name: on a disjunction
SELECT a.i, a.j, b.i AS bi, b.k FROM j1 a JOIN j2 b ON a.i = b.i OR a.j = b.k;

-- name: null-safe
SELECT a.i, a.j, b.k FROM j1 a JOIN j2 b ON a.i IS NOT DISTINCT FROM b.i;

-- name: on expressions of both sides
SELECT a.u1, b.u1 AS other FROM uno a JOIN dos b ON a.u1 + b.u1 = a.ten * 2;

-- name: a table with itself, and with itself again
SELECT a.u1, b.u1 AS b1, c.u1 AS c1 FROM uno a JOIN uno b ON a.u1 = b.ten JOIN uno c ON c.ten = b.u1;

-- name: types that differ
SELECT i8.q1, i4.f1, num.s FROM i8 JOIN i4 ON i4.f1 <= i8.q1 LEFT JOIN num ON num.s = i8.q1;

-- name: on BETWEEN of the other side
SELECT a.no, b.no AS less FROM emp a JOIN emp b ON a.salary BETWEEN b.salary AND b.salary + 500 AND a.no <> b.no;

-- name: on a CASE
SELECT a.i, b.k FROM j1 a JOIN j2 b ON CASE WHEN a.i IS NULL THEN b.i IS NULL WHEN a.i = 1 THEN b.k > 0 ELSE a.i = b.i END;

-- name: on LIKE and a regular expression
SELECT a.t, b.n FROM j1 a JOIN j3 b ON b.n LIKE a.t || '%' AND b.n !~ '^[oO]ne';

-- name: on IN and NOT IN lists of the other side
SELECT a.i, a.j, b.k FROM j1 a JOIN j2 b ON b.k IN (a.i, a.j, 5) AND b.i NOT IN (a.i, 3);

-- name: on a row comparison
SELECT a.i, a.j, b.i AS bi, b.k FROM j1 a JOIN j2 b ON (a.i, a.j) < (b.i, b.k);

-- name: on rows that are equal
SELECT a.i, a.j, a.t FROM j1 a JOIN j2 b ON ROW(a.i, a.j) = ROW(b.i, b.k);

-- name: what joins stands in WHERE, under NOT
SELECT a.i, b.k FROM j1 a, j2 b WHERE NOT (a.i <> b.i OR a.j >= b.k);

-- name: keys that are foreign
SELECT c.id, c.cd, p.pd FROM child c JOIN parent p ON p.k = c.k;

-- name: the parent is not looked at
SELECT c.id, c.cd FROM child c JOIN parent p USING (k);

-- name: five in a chain
SELECT e.no, d.floor, b.dept AS boss_dept, bd.floor AS boss_floor
FROM emp e JOIN dept d ON d.name = e.dept JOIN emp b ON b.no = e.boss JOIN dept bd ON bd.name = b.dept JOIN j3 ON j3.i = bd.floor;

-- name: a triangle
SELECT a.i, a.j, c.n FROM j1 a JOIN j2 b ON a.i = b.i JOIN j3 c ON c.i = a.j AND c.i <> b.k;

-- construct: NATURAL and USING

-- name: natural, of one common column
SELECT i, j, t, k FROM j1 NATURAL JOIN j2;

-- name: natural, with a column that is renamed to be common
SELECT * FROM j1 NATURAL JOIN j2 AS x (i, j);

-- name: natural, with columns that are renamed to have nothing in common
SELECT * FROM j1 NATURAL JOIN j2 AS x (a, b);

-- name: natural full join of three
SELECT * FROM j1 NATURAL FULL JOIN j2 NATURAL FULL JOIN j3;

-- name: using, of two columns in another order
SELECT * FROM j1 JOIN j2 AS x (j, i) USING (j, i);

-- name: an alias of USING
SELECT x.i, j1.j, j2.k FROM j1 JOIN j2 USING (i) AS x WHERE x.i < 3;

-- name: the row of an alias of USING
SELECT (x).i AS a, count(*) AS n FROM j1 FULL JOIN j2 USING (i) AS x GROUP BY x.i;

-- name: the sides of a merged column of a FULL JOIN
SELECT i, j1.i AS l, j2.i AS r, t, k FROM j1 FULL JOIN j2 USING (i);

-- name: a merged column of a RIGHT JOIN is that of the right
SELECT i, j1.i AS l, k FROM j1 RIGHT JOIN j2 USING (i) WHERE i IS NOT NULL;

-- name: USING of types that differ, outer
SELECT f1, x.q2, i4.f1 AS l FROM i4 FULL JOIN (SELECT q1 AS f1, q2 FROM i8) AS x USING (f1);

-- name: USING of types that differ, right
SELECT f1, q2 FROM (SELECT q1 AS f1, q2 FROM i8) AS x RIGHT JOIN i4 USING (f1);

-- name: USING of types that differ
SELECT f1, q2 FROM i4 JOIN (SELECT q1 % 3 + 1 AS f1, q2 FROM i8) AS x USING (f1);

-- name: chain of USING over a full join
SELECT i, j, k, n FROM j1 FULL JOIN j2 USING (i) LEFT JOIN j3 USING (i) WHERE i > 0 OR i IS NULL;

-- construct: LEFT and RIGHT JOIN

-- name: left
SELECT a.i, a.j, b.k FROM j1 a LEFT JOIN j2 b ON a.i = b.i;

-- name: right, on two conditions
SELECT a.t, b.i, b.k FROM j1 a RIGHT JOIN j2 b ON a.i = b.i AND a.j > b.k;

-- name: left, on the left alone
SELECT a.i, a.j, b.k FROM j1 a LEFT JOIN j2 b ON a.j = 2;

-- name: left, on the right alone
SELECT a.i, b.k FROM j1 a LEFT JOIN j2 b ON b.k = 2;

-- name: left, on what is false
SELECT a.i, b.k FROM j1 a LEFT JOIN j2 b ON false;

-- name: left, on what is true
SELECT a.i, v.b FROM j1 a LEFT JOIN void v ON true;

-- name: padded rows alone
SELECT a.i, a.j, a.t FROM j1 a LEFT JOIN j2 b ON a.i = b.i WHERE b.i IS NULL;

-- name: padded rows, or those with a NULL of their own
SELECT a.i, b.i AS bi, b.k FROM j1 a LEFT JOIN j2 b ON a.i = b.i WHERE b.k IS NULL;

-- name: a filter that rejects NULLs
SELECT a.i, b.k FROM j1 a LEFT JOIN j2 b ON a.i = b.i WHERE b.k > 0;

-- name: a filter under COALESCE does not
SELECT a.i, coalesce(b.k, 7) AS k FROM j1 a LEFT JOIN j2 b ON a.i = b.i WHERE coalesce(b.k, 7) > 1;

-- name: the right side cannot match twice, and is not looked at
SELECT u.u1, u.s FROM uno u LEFT JOIN parent p ON p.k = u.ten;

-- name: the right side can match twice
SELECT u.u1, u.s FROM uno u LEFT JOIN child c ON c.k = u.ten;

-- name: left of a subquery with a constant column
SELECT a.i, b.one, b.i AS bi FROM j1 a LEFT JOIN (SELECT i, 1 AS one FROM j2) AS b ON a.i = b.i;

-- name: a constant column of a padded side, and a filter on it
SELECT a.i, b.tag FROM j1 a LEFT JOIN (SELECT i, 'there'::text AS tag FROM j2 WHERE k > 0) AS b USING (i) WHERE b.tag IS DISTINCT FROM 'there' OR a.i > 1;

-- name: chain of left joins, each on the one before
SELECT a.i, b.k, c.n FROM j1 a LEFT JOIN j2 b ON a.i = b.i LEFT JOIN j3 c ON c.i = b.k;

-- name: chain of left joins, the last on the first and the second
SELECT a.i, b.k, c.n FROM j1 a LEFT JOIN j2 b ON a.i = b.i LEFT JOIN j3 c ON c.i = a.j AND b.k IS NULL;

-- name: a left join under the right of a left join
SELECT a.i, b.k, c.n FROM j1 a LEFT JOIN (j2 b LEFT JOIN j3 c ON b.k = c.i) ON a.i = b.i AND c.n IS NULL;

-- name: an inner join under the right of a left join
SELECT a.i, a.j, b.k, c.n FROM j1 a LEFT JOIN (j2 b JOIN j3 c ON b.i = c.i) ON a.i = b.i AND a.j <> b.k;

-- name: ON clauses pile up at the end
SELECT a.i, b.k, c.n, d.a FROM j1 a LEFT JOIN j2 b LEFT JOIN j3 c LEFT JOIN void d ON d.a = c.i ON c.i = b.i ON b.i = a.i;

-- name: a left join below an inner one that rejects its NULLs
SELECT a.i, b.k, c.n FROM j1 a LEFT JOIN j2 b ON a.i = b.i JOIN j3 c ON c.i = b.k;

-- name: right after left
SELECT a.i, b.k, c.i AS ci FROM j1 a LEFT JOIN j2 b ON a.i = b.i RIGHT JOIN j3 c ON c.i = a.j;

-- name: all-NULL sides
SELECT a.f1, b.x FROM i4 a LEFT JOIN (SELECT NULL::int AS x FROM j2) AS b ON a.f1 = b.x;

-- name: of a table with itself by a foreign key of its own
SELECT e.no, e.salary, b.no AS boss, b.salary AS boss_salary FROM emp e LEFT JOIN emp b ON b.no = e.boss AND b.salary > e.salary;

-- name: the left side is a constant
SELECT v.n, j2.k FROM (VALUES (0), (1), (9), (NULL)) AS v (n) LEFT JOIN j2 ON j2.i = v.n;

-- name: the right side is a constant
SELECT j2.k, v.word FROM j2 LEFT JOIN (VALUES (0, 'zero'), (1, 'one'), (1, 'uno')) AS v (n, word) ON j2.i = v.n;

-- name: DISTINCT on the right cannot multiply
SELECT a.i, a.j FROM j1 a LEFT JOIN (SELECT DISTINCT i FROM j2) AS b ON a.i = b.i;

-- name: groups on the right
SELECT p.k, p.pd, c.n, c.total FROM parent p LEFT JOIN (SELECT k, count(*) AS n, sum(cd) AS total FROM child GROUP BY k) AS c ON c.k = p.k;

-- name: groups over a left join
SELECT p.k, count(c.id) AS n, count(*) AS rows, sum(c.cd) AS total, max(c.cd) AS most FROM parent p LEFT JOIN child c ON c.k = p.k GROUP BY p.k;

-- name: whole rows of the padded side
SELECT a.i, b IS NULL AS none, b IS NOT NULL AS whole FROM j1 a LEFT JOIN j2 b ON a.i = b.i;

-- name: a whole row of the padded side as a value
SELECT u.u1, p, p = ROW(3, NULL)::parent AS three, (p).pd, coalesce(p, ROW(0, 0)::parent) AS there FROM uno u LEFT JOIN parent p ON p.k = u.ten;

-- name: whole rows of the padded side counted
SELECT p.k, count(c) AS n, count(*) AS rows, count(p) AS p FROM parent p FULL JOIN child c ON c.k = p.k AND c.cd > 1 GROUP BY p.k;

-- name: whole rows padded twice
SELECT u.u1, d IS NULL AS no_d, p IS NOT DISTINCT FROM NULL AS no_p, d.s FROM uno u LEFT JOIN (dos d LEFT JOIN parent p ON p.k = d.u2) ON d.u1 = u.ten;

-- name: a whole row of the padded side of a table without a NOT NULL column
-- not incremental: PGT0199
SELECT a.i, count(b) AS n FROM j1 a LEFT JOIN j2 b ON a.i = b.i GROUP BY a.i;

-- construct: FULL JOIN

-- name: full
SELECT a.i, a.j, b.i AS bi, b.k FROM j1 a FULL JOIN j2 b ON a.i = b.i;

-- name: full, on two columns
SELECT a.i, a.j, b.k FROM j1 a FULL JOIN j2 b ON a.i = b.i AND a.j = b.k;

-- name: full, on what is true of nothing
SELECT a.i, b.k FROM j1 a FULL JOIN j2 b ON a.i = b.i AND false;

-- name: full, on a constant
SELECT a.f1, b.a FROM i4 a FULL JOIN void b ON true;

-- name: full, of filtered sides
SELECT a.i, a.t, b.k FROM (SELECT * FROM j1 WHERE j > 1) AS a FULL JOIN (SELECT * FROM j2 WHERE k > 0) AS b ON a.i = b.i;

-- name: full under a filter of one side
SELECT a.i, b.k FROM j1 a FULL JOIN j2 b ON a.i = b.i WHERE a.j > 0;

-- name: full under a filter that neither side passes when padded
SELECT a.i, b.k FROM j1 a FULL JOIN j2 b ON a.i = b.i WHERE a.j < b.k;

-- name: what is on one side alone
SELECT coalesce(a.i, b.i) AS i, a.i IS NULL AS right_only FROM (SELECT DISTINCT i FROM j1) AS a FULL JOIN (SELECT DISTINCT i FROM j2) AS b ON a.i = b.i WHERE a.i IS NULL OR b.i IS NULL;

-- name: full of full
SELECT a.i, b.k, c.n FROM j1 a FULL JOIN j2 b ON a.i = b.i FULL JOIN j3 c ON c.i = coalesce(a.i, b.i);

-- name: full of left and right
SELECT x.i, x.k, y.n FROM (SELECT a.i, b.k FROM j1 a LEFT JOIN j2 b ON a.i = b.i) AS x FULL JOIN (SELECT c.i, c.n FROM void v RIGHT JOIN j3 c ON v.a = c.i) AS y ON x.i = y.i;

-- name: full of an aggregate without groups
SELECT a.n, b.i, b.k FROM (SELECT count(*) AS n FROM void) AS a FULL JOIN j2 b ON a.n = b.k;

-- name: full of itself
SELECT a.u1, b.u1 AS other FROM dos a FULL JOIN dos b ON a.u1 = b.u2;

-- construct: joins of joins

-- name: outer joins in brackets on both sides
SELECT a.i, b.k, c.n, d.b FROM (j1 a LEFT JOIN j2 b ON a.i = b.i) LEFT JOIN (j3 c FULL JOIN void d ON c.i = d.a) ON a.j = c.i OR b.k = d.a;

-- name: a full join under the inside of an inner one
SELECT a.i, b.k, c.n FROM j3 c JOIN (j1 a FULL JOIN j2 b ON a.i = b.i) ON c.i = a.j OR c.i = b.k;

-- name: a null-rejecting condition two levels up
SELECT a.i, b.k, c.i AS ci FROM (j1 a LEFT JOIN j2 b ON a.i = b.i LEFT JOIN j3 c ON c.i = b.i) WHERE c.n > 'a';

-- name: a view that is a left join, twice
SELECT x.i, x.k, y.j FROM pairs x JOIN pairs y ON x.k = y.j;

-- name: nested views
SELECT r.name, r.floor, r.people, w.no FROM rich_dept r LEFT JOIN well_paid w ON w.dept = r.name;

-- name: partitions
SELECT a.city, a.at, b.temp FROM reading a LEFT JOIN reading b ON a.city = b.city AND a.at = b.at AND b.temp > 0;

-- name: a merged column between sides of differing nullability
SELECT coalesce(x.i, -1) AS i, count(*) AS n FROM (j1 NATURAL LEFT JOIN j2) AS x GROUP BY 1;

-- name: joined with a union
SELECT u.v, a.i FROM (SELECT i AS v FROM j2 UNION ALL SELECT k FROM j2) AS u LEFT JOIN j1 a ON a.i = u.v;

-- name: semi-joins beside outer joins
SELECT a.i, b.k FROM j1 a LEFT JOIN j2 b ON a.i = b.i WHERE EXISTS (SELECT FROM j3 WHERE j3.i = b.k OR b.k IS NULL) AND a.j NOT IN (SELECT i FROM j3);

-- name: a materialized view
SELECT f.name, e.no FROM emp e LEFT JOIN frozen f ON f.name = e.dept;

-- name: two columns of one name
-- refused: 42P16
SELECT a.i, b.i FROM j1 a JOIN j2 b ON a.j = b.k;

-- name: an ambiguous column
-- refused: 42702
SELECT i AS x FROM j1, j2;

-- name: a subquery in ON of an outer join
SELECT a.i, b.k FROM j1 a LEFT JOIN j2 b ON a.i = b.i AND EXISTS (SELECT FROM j3 WHERE j3.i = b.k);

-- name: a subquery over both sides in ON of an outer join
SELECT a.i, a.j, b.k FROM j1 a LEFT JOIN j2 b ON a.i = b.i AND NOT EXISTS (SELECT FROM j3 WHERE j3.i = b.k AND j3.n = a.t);

-- name: a subquery in ON of a RIGHT and of a FULL join
SELECT a.j, b.k, c.n FROM j1 a RIGHT JOIN j2 b ON a.i = b.i AND a.j IN (SELECT i FROM j3) FULL JOIN j3 c ON c.i = (SELECT max(x.i) FROM j1 x WHERE x.j = b.k);

-- name: a subquery in ON of an inner join inside an outer join
SELECT a.i, b.k, c.n FROM j1 a LEFT JOIN (j2 b JOIN j3 c ON b.i = c.i AND b.k > ALL (SELECT j FROM j1 WHERE j1.t = c.n)) ON a.i = b.i;

-- name: a subquery in ON of an inner join
SELECT a.i, b.k FROM j1 a JOIN j2 b ON a.i = b.i AND EXISTS (SELECT FROM j3 WHERE j3.i = b.k);
