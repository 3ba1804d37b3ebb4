SELECT id FROM orders WHERE customer_id IN (SELECT id FROM customers WHERE credit > 0)
