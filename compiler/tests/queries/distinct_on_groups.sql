SELECT DISTINCT ON (region_id) region_id, since, count(*) AS n FROM customers GROUP BY region_id, since ORDER BY region_id, count(*) DESC, since
