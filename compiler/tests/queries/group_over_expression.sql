SELECT customer_id + 1 AS next, sum(amount) / count(*) AS mean, count(*) * 2 AS twice
FROM orders GROUP BY customer_id
