SELECT c.id, o.status FROM customers c CROSS JOIN LATERAL (SELECT DISTINCT status FROM orders WHERE customer_id = c.id) o
