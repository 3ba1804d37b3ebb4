SELECT c.id FROM customers c WHERE EXISTS (SELECT DISTINCT o.status FROM orders o WHERE o.customer_id = c.id)
