SELECT r.name FROM regions r WHERE EXISTS (SELECT 1 FROM customers c WHERE EXISTS (SELECT 1 FROM orders o WHERE o.customer_id = c.id AND o.note = r.name))
