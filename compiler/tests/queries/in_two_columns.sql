SELECT id FROM orders o WHERE (id, customer_id) IN (SELECT order_id, product_id FROM items) AND (customer_id, note) NOT IN (SELECT id, label FROM nodes)
