SELECT customer_id, sum(CASE WHEN status IN ('O', 'P') THEN amount ELSE 0 END) AS open
FROM orders GROUP BY customer_id
