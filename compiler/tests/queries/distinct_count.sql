SELECT customer_id, count(DISTINCT status) AS states FROM orders GROUP BY customer_id
