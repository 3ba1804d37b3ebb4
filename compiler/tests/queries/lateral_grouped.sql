SELECT c.id, o.status, o.n FROM customers c LEFT JOIN LATERAL (SELECT status, count(*) AS n FROM orders WHERE customer_id = c.id GROUP BY status) o ON true
