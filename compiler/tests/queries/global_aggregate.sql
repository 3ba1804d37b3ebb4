SELECT count(*) AS n, sum(amount) AS total, avg(quantity) AS q FROM orders JOIN items ON order_id = id
