SELECT r.id, (SELECT sum((SELECT count(*) FROM orders o WHERE o.customer_id = c.id)) FROM customers c WHERE c.region_id = r.id) AS n FROM regions r
