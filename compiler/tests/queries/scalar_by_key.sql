SELECT o.id, (SELECT c.name FROM customers c WHERE c.id = o.customer_id) AS name, (SELECT coalesce(c.email, 'none') || o.status FROM customers c WHERE c.id = o.customer_id) AS email FROM orders o
