SELECT id FROM kinds WHERE i2 IN (SELECT id FROM orders) AND v IN (SELECT label FROM nodes) AND n2 IN (SELECT price FROM items)
