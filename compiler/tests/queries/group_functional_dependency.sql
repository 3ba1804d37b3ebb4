SELECT c.id, c.name, c.since, count(*) AS n
FROM customers c JOIN orders o ON o.customer_id = c.id GROUP BY c.id
