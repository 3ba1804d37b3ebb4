WITH a AS (SELECT 1 AS n) SELECT s.n, t.n AS m FROM
    (WITH a AS (SELECT 2 AS n) SELECT n FROM a) s, a t
