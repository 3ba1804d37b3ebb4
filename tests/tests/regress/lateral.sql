-- LATERAL, and functions in FROM.

-- construct: LATERAL

-- name: an aggregate of the matches
SELECT a.i, x.n, x.s FROM j1 a, LATERAL (SELECT count(*) AS n, sum(k) AS s FROM j2 WHERE j2.i = a.i) AS x;

-- name: the best of each
SELECT p.k, x.id, x.cd FROM parent p CROSS JOIN LATERAL (SELECT id, cd FROM child c WHERE c.k = p.k ORDER BY cd DESC NULLS LAST, id LIMIT 2) AS x;

-- name: left, the best of each
SELECT p.k, x.id FROM parent p LEFT JOIN LATERAL (SELECT id FROM child c WHERE c.k = p.k ORDER BY id FETCH FIRST ROW ONLY) AS x ON true;

-- name: left, with a condition
SELECT a.i, a.j, x.k FROM j1 a LEFT JOIN LATERAL (SELECT k FROM j2 WHERE j2.i = a.i) AS x ON x.k > a.j;

-- name: left, a constant of the left side
SELECT a.i, x.one FROM j1 a LEFT JOIN LATERAL (SELECT a.i + 1 AS one FROM j2 WHERE j2.i = a.i) AS x ON true;

-- name: without FROM inside
SELECT a.i, x.y, z.w FROM j1 a, LATERAL (SELECT a.i * 2 AS y) AS x, LATERAL (SELECT x.y + 1 AS w WHERE x.y > 0) AS z;

-- name: two levels deep
SELECT a.i, x.k, x.n FROM j1 a, LATERAL (SELECT b.k, y.n FROM j2 b, LATERAL (SELECT count(*) AS n FROM j3 c WHERE c.i = b.i OR c.i = a.j) AS y WHERE b.i = a.i) AS x;

-- name: over a full join of the left
SELECT x.i, y.n FROM (j1 FULL JOIN j2 USING (i)) AS x LEFT JOIN LATERAL (SELECT n FROM j3 WHERE j3.i = x.i) AS y ON true;

-- name: a union inside
SELECT a.i, x.v FROM j1 a, LATERAL (SELECT a.i AS v UNION SELECT a.j UNION ALL SELECT k FROM j2 WHERE j2.i = a.i) AS x;

-- name: VALUES inside
SELECT a.i, v.x FROM j1 a, LATERAL (VALUES (a.i), (a.j), (7)) AS v (x);

-- name: VALUES inside, with a subquery, under LEFT JOIN
SELECT a.i, v.x, v.y FROM j1 a LEFT JOIN LATERAL (VALUES (a.i, (SELECT max(k) FROM j2)), (a.j, a.i)) AS v (x, y) ON v.x < v.y;

-- name: DISTINCT inside
SELECT a.u1, x.s FROM uno a, LATERAL (SELECT DISTINCT s FROM dos WHERE dos.ten = a.ten) AS x;

-- name: groups inside
SELECT a.four, x.two, x.n FROM (SELECT DISTINCT four FROM uno) AS a, LATERAL (SELECT two, count(*) AS n FROM dos WHERE dos.ten > a.four GROUP BY two HAVING count(*) > 1) AS x;

-- name: a window inside
SELECT p.k, x.id, x.r FROM parent p, LATERAL (SELECT id, row_number() OVER (ORDER BY id DESC) AS r FROM child c WHERE c.k = p.k) AS x;

-- name: the outer row inside an EXISTS inside
SELECT a.i, x.k FROM j1 a, LATERAL (SELECT k FROM j2 WHERE EXISTS (SELECT FROM j3 WHERE j3.i = a.i AND j3.i = j2.i)) AS x;

-- name: a lateral of a lateral of a left join
SELECT a.i, x.k, y.m FROM j1 a LEFT JOIN LATERAL (SELECT k FROM j2 WHERE j2.i = a.i) AS x ON true LEFT JOIN LATERAL (SELECT max(c.i) AS m FROM j3 c WHERE c.i <= x.k) AS y ON true;

-- construct: functions in FROM

-- name: generate_series of a column
SELECT u.u1, n FROM uno u, generate_series(1, u.four) AS n;

-- name: left, of what may be empty
SELECT a.i, s FROM j1 a LEFT JOIN generate_series(2, a.i) AS s ON true;

-- name: generate_series downwards, joined
SELECT s.n, j2.k FROM generate_series(3, 0, -1) AS s (n) LEFT JOIN j2 ON j2.i = s.n;

-- name: of dates
SELECT id, x::date AS day FROM tim, generate_series(ts, ts + '2 days', '1 day') AS x WHERE ts IS NOT NULL;

-- name: unnest with ordinality
SELECT id, x.e, x.n FROM lst, unnest(a) WITH ORDINALITY AS x (e, n);

-- name: unnest of several arrays
SELECT id, x.a, x.t FROM lst l LEFT JOIN unnest(l.a, l.t) AS x (a, t) ON true;

-- name: rows from several functions, with ordinality
SELECT id, x.* FROM lst, ROWS FROM (unnest(a), generate_series(1, 2), upto(id)) WITH ORDINALITY AS x (e, g, u, n);

-- name: functions of users
SELECT u.u1, x FROM uno u, upto(u.ten) AS x WHERE x > u.two;

-- name: a function of out parameters
SELECT i, h.half, h.rest FROM j1, halves(i) AS h;

-- name: a function that returns a table
SELECT i, b.a, b.b FROM j1 LEFT JOIN both_ways(i) AS b ON b.a > 0;

-- name: a scalar function in FROM
SELECT i, p FROM j1, plus_one(i) AS p WHERE p IS NOT NULL;

-- name: a function of a function
SELECT u1, x, y FROM uno, upto(four) AS x, upto(x) AS y;

-- name: of regular expressions
SELECT f1, m[1] AS a, m[2] AS b FROM txt, regexp_matches(f1, '([a-z])([a-z]*)', 'g') AS m;

-- name: string_to_table and regexp_split_to_table
SELECT f1, w, n FROM txt, regexp_split_to_table(f1, '\s+') WITH ORDINALITY AS s (w, n) WHERE w <> '';

-- name: counted
SELECT x, count(*) AS n FROM lst CROSS JOIN unnest(a) AS x GROUP BY x;

-- name: a function under EXISTS
SELECT id FROM lst WHERE EXISTS (SELECT FROM unnest(t) AS x WHERE x = 'a' OR x IS NULL);

-- name: a function in a scalar subquery
SELECT id, (SELECT sum(x) FROM unnest(a) AS x) AS s, (SELECT count(*) FROM unnest(t) AS x WHERE x IS NULL) AS n FROM lst;

-- name: an empty array, and no array
SELECT id, x FROM lst LEFT JOIN unnest(a) AS x ON x > 1;

-- construct: functions in the SELECT list

-- name: one
SELECT id, unnest(a) AS e FROM lst;

-- name: two of different lengths
SELECT id, unnest(a) AS e, generate_series(1, 2) AS g FROM lst;

-- name: nested
SELECT u1, generate_series(1, upto(two + 1)) AS g FROM uno;

-- name: in an expression
SELECT i, upto(i) * 10 + j AS x FROM j1;

-- name: beside an aggregate
SELECT two, count(*) AS n, generate_series(1, two + 1) AS g FROM uno GROUP BY two;

-- name: as a group
SELECT unnest(a) AS e, count(*) AS n FROM lst GROUP BY 1;

-- name: under DISTINCT
SELECT DISTINCT unnest(t) AS e FROM lst;

-- name: in ORDER BY alone
SELECT i FROM j1 ORDER BY upto(i);

-- construct: TABLESAMPLE, ONLY, system columns

-- name: a sample
-- not incremental: PGT0112
SELECT i FROM j1 TABLESAMPLE BERNOULLI (100) REPEATABLE (1);

-- name: only a partitioned table
-- not incremental: PGT0131
SELECT city FROM ONLY reading;

-- name: a system column
-- not incremental: PGT0132
SELECT i, tableoid AS o FROM j1;
