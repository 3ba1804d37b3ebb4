SELECT customer_id, sum(amount) AS total FROM orders GROUP BY customer_id
HAVING count(*) > 2 AND sum(amount) > 100
