SELECT id, name FROM customers WHERE region_id = 3 AND credit > 100
