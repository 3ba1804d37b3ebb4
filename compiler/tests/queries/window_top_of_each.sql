SELECT id, customer_id FROM (SELECT id, customer_id, row_number() OVER (PARTITION BY customer_id ORDER BY amount DESC, id) AS n FROM orders) x WHERE n <= 3 AND customer_id > 5
