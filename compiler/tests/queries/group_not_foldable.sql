SELECT t, count(*) AS n, sum(f8) AS s, avg(n) AS a, avg(i4) AS i, stddev(f8) AS sd FROM kinds GROUP BY t
