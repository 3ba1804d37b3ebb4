WITH big AS (SELECT id, customer_id, amount FROM orders WHERE amount > 100)
SELECT a.id, b.id AS other FROM big a JOIN big b ON a.customer_id = b.customer_id
