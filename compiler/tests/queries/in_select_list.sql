SELECT n.id, n.parent IN (SELECT product_id FROM items) AS sold, n.id NOT IN (SELECT region_id FROM customers) AS empty FROM nodes n
