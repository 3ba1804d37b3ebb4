SELECT DISTINCT count(*) AS n FROM orders GROUP BY customer_id
