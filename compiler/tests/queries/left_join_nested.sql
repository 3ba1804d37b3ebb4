SELECT r.name, c.name AS customer, o.id FROM regions r LEFT JOIN (customers c JOIN orders o ON o.customer_id = c.id) ON c.region_id = r.id
