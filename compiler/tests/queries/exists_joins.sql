SELECT r.name FROM regions r WHERE EXISTS (SELECT 1 FROM customers c JOIN orders o ON o.customer_id = c.id LEFT JOIN items i ON i.order_id = o.id WHERE c.region_id = r.id AND i.line IS NULL)
