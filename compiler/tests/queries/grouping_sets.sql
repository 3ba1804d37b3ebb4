SELECT customer_id, status, sum(amount) AS total FROM orders GROUP BY ROLLUP (customer_id, status)
