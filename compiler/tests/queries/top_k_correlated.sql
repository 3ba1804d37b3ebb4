SELECT c.id, (SELECT o.amount FROM orders o WHERE o.customer_id = c.id ORDER BY o.placed DESC, o.id LIMIT 1) AS latest FROM customers c
