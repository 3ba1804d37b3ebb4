SELECT customer_id, sum(coalesce(discount, 0)) AS off, sum(amount * (1 - coalesce(discount, 0))) AS net,
    avg(CASE WHEN status = 'O' THEN amount WHEN status = 'P' THEN discount ELSE 0 END) AS mixed
FROM orders GROUP BY customer_id
