SELECT c.id, EXISTS (SELECT 1 FROM orders o WHERE o.customer_id = c.id) AS ordered, EXISTS (SELECT 1 FROM events) AS busy FROM customers c
