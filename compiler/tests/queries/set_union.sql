SELECT id FROM regions UNION SELECT region_id FROM customers
