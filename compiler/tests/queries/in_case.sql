SELECT sum(CASE WHEN o.customer_id IN (SELECT id FROM customers WHERE credit > 5) THEN o.amount ELSE 0 END) AS s FROM orders o GROUP BY o.status
