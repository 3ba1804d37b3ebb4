SELECT region_id, count(DISTINCT id) AS n FROM customers GROUP BY region_id
