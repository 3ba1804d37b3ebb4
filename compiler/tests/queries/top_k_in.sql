SELECT id FROM orders WHERE customer_id IN (SELECT id FROM customers ORDER BY since, id LIMIT 3)
