SELECT price FROM items EXCEPT ALL SELECT quantity FROM items
