SELECT r.name, sum(s.total) AS total FROM regions r
JOIN customers c ON c.region_id = r.id
JOIN (SELECT customer_id, sum(amount) AS total FROM orders GROUP BY customer_id) s ON s.customer_id = c.id
GROUP BY r.name
