SELECT c.id FROM customers c WHERE NOT EXISTS (SELECT FROM orders o WHERE o.customer_id = c.id AND (o.placed > now() - interval '30 days' OR o.status = 'x'))
