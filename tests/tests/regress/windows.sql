-- Window functions.

-- construct: windows of aggregates

-- name: sum by partition
SELECT no, dept, salary, sum(salary) OVER (PARTITION BY dept) AS s FROM emp;

-- name: running sum
SELECT no, dept, sum(salary) OVER (PARTITION BY dept ORDER BY salary) AS s FROM emp;

-- name: over everything
SELECT u1, count(*) OVER () AS n, max(ten) OVER () AS m FROM uno;

-- name: over nothing
-- still
SELECT count(*) OVER () AS n FROM void WHERE false;

-- name: an average of numeric
SELECT a, v, avg(d) OVER (PARTITION BY a) AS m, count(d) OVER (PARTITION BY a, b) AS n FROM g;

-- name: with a filter
SELECT u1, sum(ten) FILTER (WHERE two = 1) OVER (PARTITION BY four) AS s, count(*) FILTER (WHERE ten > 5) OVER (PARTITION BY four ORDER BY u1) AS n FROM uno;

-- name: NULL partitions, duplicates
SELECT i, j, count(*) OVER (PARTITION BY i) AS n, min(j) OVER (PARTITION BY i, j) AS m FROM j1;

-- name: over groups
SELECT dept, sum(salary) AS s, sum(sum(salary)) OVER () AS total, rank() OVER (ORDER BY sum(salary) DESC NULLS LAST) AS r FROM emp GROUP BY dept;

-- name: an aggregate that is no constant over an empty group
SELECT two, count(*) AS n, sum(count(*)) OVER (ORDER BY two) AS running FROM uno GROUP BY two HAVING count(*) > 1;

-- name: array_agg in an order
SELECT u1, array_agg(ten) OVER (PARTITION BY two ORDER BY u1 ROWS BETWEEN 1 PRECEDING AND 1 FOLLOWING) AS a FROM uno;

-- name: an aggregate of a user
SELECT u1, sum_of_squares(ten) OVER (PARTITION BY two ORDER BY u1) AS s FROM uno;

-- construct: ranking functions

-- name: rank and dense_rank
SELECT no, dept, rank() OVER (PARTITION BY dept ORDER BY salary DESC) AS r, dense_rank() OVER (PARTITION BY dept ORDER BY salary DESC) AS d FROM emp;

-- name: row_number over a key
SELECT u1, row_number() OVER (ORDER BY u1 DESC) AS n FROM uno;

-- name: row_number over ties
-- compared: by verify
SELECT i, j, t, row_number() OVER (PARTITION BY i ORDER BY j) AS n FROM j1;

-- name: row_number without an order
-- compared: by verify
SELECT i, row_number() OVER (PARTITION BY i) AS n FROM j1;

-- name: percent_rank, cume_dist and ntile
SELECT u1, percent_rank() OVER (PARTITION BY two ORDER BY ten) AS p, cume_dist() OVER (PARTITION BY two ORDER BY ten) AS c, ntile(3) OVER (PARTITION BY two ORDER BY ten, u1) AS n FROM uno;

-- name: ntile by an expression of the partition
SELECT u1, ntile(two + 1) OVER (PARTITION BY two ORDER BY u1) AS n FROM uno;

-- name: rank in an expression and in a filter above
SELECT * FROM (SELECT no, dept, rank() OVER (PARTITION BY dept ORDER BY salary DESC NULLS LAST) + 10 AS r FROM emp) AS x WHERE r <= 11;

-- name: the first of each
SELECT no, dept FROM (SELECT no, dept, row_number() OVER (PARTITION BY dept ORDER BY salary, no) AS n FROM emp) AS x WHERE n = 1;

-- construct: values of other rows

-- name: lag and lead
SELECT u1, lag(ten) OVER (PARTITION BY two ORDER BY u1) AS b, lead(ten, 2, -1) OVER (PARTITION BY two ORDER BY u1) AS f FROM uno;

-- name: lag by an expression
SELECT u1, lag(ten, four) OVER (PARTITION BY two ORDER BY u1) AS b, lead(ten * 2, 1, four) OVER (PARTITION BY two ORDER BY u1) AS f FROM uno;

-- name: first, last and nth
SELECT u1, first_value(ten) OVER w AS a, last_value(ten) OVER w AS b, nth_value(ten, 2) OVER w AS c FROM uno WINDOW w AS (PARTITION BY four ORDER BY u1);

-- name: last of the whole partition
SELECT u1, last_value(s) OVER (PARTITION BY four ORDER BY u2 ROWS BETWEEN UNBOUNDED PRECEDING AND UNBOUNDED FOLLOWING) AS l FROM uno;

-- name: the difference to the row before
SELECT no, salary - lag(salary) OVER (ORDER BY no) AS diff FROM emp;

-- name: of peers that are tied
-- compared: by verify
SELECT i, last_value(t) OVER (PARTITION BY i ORDER BY j) AS l FROM j1;

-- construct: frames

-- name: rows around
SELECT u1, sum(ten) OVER (ORDER BY u1 ROWS BETWEEN 2 PRECEDING AND 1 FOLLOWING) AS s FROM uno;

-- name: rows behind only
SELECT u1, count(*) OVER (PARTITION BY two ORDER BY u1 ROWS BETWEEN 3 PRECEDING AND 2 PRECEDING) AS n, sum(ten) OVER (PARTITION BY two ORDER BY u1 ROWS BETWEEN 1 FOLLOWING AND 3 FOLLOWING) AS s FROM uno;

-- name: an empty frame
SELECT u1, sum(ten) OVER (PARTITION BY two ORDER BY u1 ROWS BETWEEN 1 FOLLOWING AND 0 FOLLOWING) AS s FROM uno;

-- name: range by a distance
SELECT no, salary, sum(salary) OVER (ORDER BY salary RANGE BETWEEN 500 PRECEDING AND 300 FOLLOWING) AS s, count(*) OVER (ORDER BY salary DESC RANGE BETWEEN 500 PRECEDING AND CURRENT ROW) AS n FROM emp;

-- name: range of dates
SELECT no, hired, count(*) OVER (ORDER BY hired RANGE BETWEEN '1 year'::interval PRECEDING AND '1 month'::interval FOLLOWING) AS n FROM emp;

-- name: range with NULLs first
SELECT no, sum(salary) OVER (ORDER BY salary NULLS FIRST RANGE BETWEEN 1000 PRECEDING AND 1000 FOLLOWING) AS s FROM emp;

-- name: groups
SELECT u1, sum(u1) OVER (ORDER BY four GROUPS BETWEEN 1 PRECEDING AND 1 FOLLOWING) AS s, count(*) OVER (ORDER BY four GROUPS BETWEEN CURRENT ROW AND UNBOUNDED FOLLOWING) AS n FROM uno;

-- name: exclude the current row
SELECT u1, sum(ten) OVER (PARTITION BY two ORDER BY u1 ROWS BETWEEN UNBOUNDED PRECEDING AND UNBOUNDED FOLLOWING EXCLUDE CURRENT ROW) AS s FROM uno;

-- name: exclude peers
SELECT u1, sum(u1) OVER (ORDER BY four RANGE BETWEEN UNBOUNDED PRECEDING AND UNBOUNDED FOLLOWING EXCLUDE GROUP) AS g, count(*) OVER (PARTITION BY two ORDER BY four GROUPS BETWEEN 1 PRECEDING AND 1 FOLLOWING EXCLUDE GROUP) AS c FROM uno;

-- name: exclude ties
SELECT u1, count(*) OVER (ORDER BY four ROWS BETWEEN UNBOUNDED PRECEDING AND UNBOUNDED FOLLOWING EXCLUDE TIES) AS t FROM uno;

-- name: exclude no others
SELECT u1, max(ten) OVER (ORDER BY four GROUPS BETWEEN 1 PRECEDING AND CURRENT ROW EXCLUDE NO OTHERS) AS m FROM uno;

-- name: one bound alone
SELECT u1, count(*) OVER (PARTITION BY two ORDER BY u1 ROWS 1 PRECEDING) AS n FROM uno;

-- construct: several and named windows

-- name: named, and a window made of one
-- compared: by verify
SELECT u1, sum(ten) OVER w AS s, rank() OVER (w ORDER BY ten) AS r, count(*) OVER (w ROWS UNBOUNDED PRECEDING) > 0 AS c FROM uno WINDOW w AS (PARTITION BY two);

-- name: different partitions
SELECT no, rank() OVER (PARTITION BY dept ORDER BY salary) AS a, rank() OVER (ORDER BY salary) AS b, count(*) OVER (PARTITION BY boss) AS c FROM emp;

-- name: in the argument of a function and in CASE
SELECT u1, coalesce(lag(ten) OVER (ORDER BY u1), 0) AS l, CASE WHEN rank() OVER (ORDER BY ten) < 3 THEN 'low' ELSE 'high' END AS c FROM uno;

-- name: a window over a window
SELECT u1, r, count(*) OVER (PARTITION BY r) AS n FROM (SELECT u1, rank() OVER (ORDER BY four) AS r FROM uno) AS x;

-- name: a window with a subquery
SELECT i, count(*) OVER (PARTITION BY (SELECT max(k) FROM j2 WHERE j2.i = j1.i)) AS n FROM j1;

-- name: over an outer join
SELECT a.i, b.k, count(b.k) OVER (PARTITION BY a.i) AS n, sum(b.k) OVER (PARTITION BY b.i) AS s FROM j1 a LEFT JOIN j2 b ON a.i = b.i;

-- name: over a union
SELECT x, count(*) OVER (PARTITION BY x) AS n FROM (SELECT i AS x FROM j1 UNION ALL SELECT k FROM j2) AS u;

-- name: DISTINCT above a window
SELECT DISTINCT dept, count(*) OVER (PARTITION BY dept) AS n FROM emp;

-- name: DISTINCT ON a window
SELECT DISTINCT ON (four) four, u1, row_number() OVER (PARTITION BY four ORDER BY u1) AS n FROM uno ORDER BY four, u1 DESC;

-- name: ORDER BY a window and LIMIT
SELECT u1, ten FROM uno ORDER BY rank() OVER (PARTITION BY two ORDER BY ten), u1 LIMIT 5;

-- name: a window under an aggregate
SELECT four, max(r) AS m FROM (SELECT four, row_number() OVER (PARTITION BY four ORDER BY u1) AS r FROM uno) AS x GROUP BY four;

-- name: joined with what it was made of
SELECT e.no, w.r FROM emp e JOIN (SELECT no, rank() OVER (PARTITION BY dept ORDER BY hired DESC NULLS LAST) AS r FROM emp) AS w USING (no) WHERE e.salary > 4000;

-- name: a window in WHERE
-- refused: 42P20
SELECT u1 FROM uno WHERE rank() OVER (ORDER BY u1) < 3;

-- construct: numbers that are cut off

-- name: the first of each partition
SELECT no, dept FROM (SELECT no, dept, row_number() OVER (PARTITION BY dept ORDER BY salary DESC, no) AS n FROM emp) AS x WHERE n = 1;

-- name: the first two, with their number
SELECT no, dept, n FROM (SELECT no, dept, row_number() OVER (PARTITION BY dept ORDER BY salary NULLS FIRST, no) AS n FROM emp) AS x WHERE n <= 2;

-- name: the second and the third
SELECT u1, n FROM (SELECT u1, row_number() OVER (PARTITION BY two ORDER BY ten DESC, u1) AS n FROM uno) AS x WHERE n BETWEEN 2 AND 3;

-- name: by rank
SELECT no, dept, r FROM (SELECT no, dept, rank() OVER (PARTITION BY dept ORDER BY salary) AS r FROM emp) AS x WHERE r < 3;

-- name: the first by dense_rank
SELECT i, j FROM (SELECT i, j, dense_rank() OVER (PARTITION BY i ORDER BY j) AS r FROM j1) AS x WHERE 1 >= r;

-- name: rows that are tied
-- compared: by verify
SELECT i, j, t FROM (SELECT i, j, t, row_number() OVER (PARTITION BY i ORDER BY j) AS n FROM j1) AS x WHERE n <= 1;

-- name: of groups
SELECT dept, n FROM (SELECT dept, count(*) AS c, row_number() OVER (ORDER BY count(*) DESC, dept) AS n FROM emp GROUP BY dept) AS x WHERE n <= 2;

-- name: beside what looks back, and what looks ahead
SELECT u1, a, b FROM (SELECT u1, row_number() OVER w AS n, lag(ten) OVER w AS a, lead(ten) OVER (PARTITION BY two ORDER BY u1) AS b FROM uno WINDOW w AS (PARTITION BY two ORDER BY ten, u1)) AS x WHERE n <= 3;
