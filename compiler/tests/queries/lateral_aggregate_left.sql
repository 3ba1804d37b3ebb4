SELECT c.id, o.total FROM customers c LEFT JOIN LATERAL (SELECT sum(amount) AS total FROM orders WHERE customer_id = c.id HAVING count(*) > 1) o ON o.total > c.credit
