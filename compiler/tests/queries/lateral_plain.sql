SELECT c.id, x.amount FROM customers c, LATERAL (SELECT amount FROM orders o WHERE o.customer_id = c.id) x
