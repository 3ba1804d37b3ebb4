SELECT n.id FROM nodes n WHERE n.id IN (SELECT count(DISTINCT_) FROM (SELECT DISTINCT i.line AS DISTINCT_ FROM items i WHERE i.product_id = n.parent) s)
