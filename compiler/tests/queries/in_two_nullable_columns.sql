SELECT id FROM nodes WHERE (parent, label) NOT IN (SELECT product_id, kind FROM items, nodes)
