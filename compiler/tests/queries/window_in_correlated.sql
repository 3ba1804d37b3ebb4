SELECT c.id, x.id AS order_id FROM customers c, LATERAL (SELECT o.id, rank() OVER (ORDER BY o.amount) AS r FROM orders o WHERE o.customer_id = c.id) x WHERE x.r = 1
