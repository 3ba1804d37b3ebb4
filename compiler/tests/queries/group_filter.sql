SELECT customer_id, count(*) FILTER (WHERE status = 'O') AS open,
    sum(amount) FILTER (WHERE status = 'F') AS final, avg(amount) FILTER (WHERE status = 'F') AS mean
FROM orders GROUP BY customer_id
