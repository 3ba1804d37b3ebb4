SELECT order_id, line FROM items i WHERE product_id NOT IN (SELECT n.parent FROM nodes n WHERE n.id = i.line)
