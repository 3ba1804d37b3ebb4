SELECT c.id, (SELECT max(amount) FROM orders o WHERE o.customer_id = c.id) AS top,
    c.id IN (SELECT customer_id FROM orders) AS ordered, ARRAY(SELECT id FROM orders) AS all_ids FROM customers c
