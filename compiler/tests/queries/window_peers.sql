SELECT id, last_value(id) OVER (PARTITION BY customer_id ORDER BY amount) AS l FROM orders
