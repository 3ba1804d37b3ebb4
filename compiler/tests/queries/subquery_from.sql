SELECT s.customer_id, s.total FROM
    (SELECT customer_id, sum(amount) AS total FROM orders GROUP BY customer_id) AS s
WHERE s.total > 100
