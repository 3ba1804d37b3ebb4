SELECT customer_id FROM orders o GROUP BY customer_id HAVING EXISTS (SELECT 1 FROM nodes n WHERE n.id = max(o.id))
