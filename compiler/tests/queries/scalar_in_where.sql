SELECT o.id FROM orders o WHERE o.amount > (SELECT 0.5 * avg(p.amount) FROM orders p WHERE p.customer_id = o.customer_id) OR 3 < (SELECT count(*) FROM items i WHERE i.order_id = o.id)
