SELECT id FROM regions WHERE id NOT IN (SELECT region_id FROM customers)
