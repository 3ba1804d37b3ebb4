SELECT n, count(*) FROM kinds GROUP BY n
