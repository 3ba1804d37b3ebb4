SELECT total, count(DISTINCT total) AS n, max(total) AS top FROM (SELECT customer_id, sum(amount) AS total FROM orders GROUP BY customer_id) s GROUP BY total
