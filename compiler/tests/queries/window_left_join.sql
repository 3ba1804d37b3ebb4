SELECT c.id, c.name, o.id AS order_id, row_number() OVER (ORDER BY c.id) AS rank
FROM customers c LEFT JOIN orders o ON o.customer_id = c.id
WHERE EXISTS (SELECT 1 FROM items i WHERE i.order_id = o.id)
