SELECT customer_id, sum(amount) AS total, sum(amount) / sum(sum(amount)) OVER () AS share, rank() OVER (ORDER BY sum(amount) DESC) AS place FROM orders GROUP BY customer_id
