SELECT customer_id, count(*) AS n, max(placed) AS last FROM orders WHERE placed > current_timestamp - interval '1 day' GROUP BY customer_id HAVING max(placed) < now() - interval '1 hour'
