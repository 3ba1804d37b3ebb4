SELECT n.id, CASE WHEN n.parent > 3 THEN (SELECT max(10 / i.line) FROM items i WHERE i.product_id = n.id) END AS a FROM nodes n
