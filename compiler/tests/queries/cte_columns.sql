WITH t (k, total) AS (SELECT customer_id, sum(amount) FROM orders GROUP BY 1) SELECT * FROM t
