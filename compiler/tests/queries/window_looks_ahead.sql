SELECT id, customer_id, lead(placed) OVER w AS next, avg(amount) OVER (w ROWS 2 PRECEDING) AS moving FROM orders WINDOW w AS (PARTITION BY customer_id ORDER BY id)
