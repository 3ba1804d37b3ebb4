SELECT n.id, (SELECT count(*) FROM items i WHERE i.product_id > n.parent) AS c FROM nodes n
