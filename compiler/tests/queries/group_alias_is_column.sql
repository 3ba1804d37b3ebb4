SELECT region_id AS id, count(*) FROM customers GROUP BY region_id, customers.id
