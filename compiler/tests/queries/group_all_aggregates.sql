SELECT customer_id, count(*) AS n, count(note) AS notes, sum(amount) AS total,
    sum(discount) AS off, avg(amount) AS mean, avg(discount) AS mean_off, min(placed) AS first, max(placed) AS last
FROM orders GROUP BY customer_id
