SELECT c.id FROM customers c WHERE EXISTS (SELECT 1 FROM orders o WHERE o.customer_id = c.id) OR NOT EXISTS (SELECT 1 FROM events e WHERE e.hits > c.id)
