SELECT order_id, line FROM items WHERE product_id NOT IN (SELECT parent FROM nodes)
