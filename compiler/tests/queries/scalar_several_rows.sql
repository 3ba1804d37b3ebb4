SELECT c.id, (SELECT amount FROM orders) AS a, (SELECT o.id FROM orders o WHERE o.customer_id = c.id) AS b FROM customers c
