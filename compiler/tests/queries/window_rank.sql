SELECT id, customer_id, rank() OVER (PARTITION BY customer_id ORDER BY amount DESC) AS place FROM orders
