SELECT r.name FROM regions r WHERE EXISTS (SELECT 1 FROM customers c WHERE c.region_id = r.id AND NOT EXISTS (SELECT 1 FROM orders o WHERE o.customer_id = c.id AND o.status = c.email))
