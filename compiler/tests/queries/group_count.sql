SELECT region_id, count(*) FROM customers GROUP BY region_id
