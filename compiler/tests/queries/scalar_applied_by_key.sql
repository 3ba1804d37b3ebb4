SELECT i.line, (SELECT sum(i.price * x.quantity) FROM items x WHERE x.line < i.line) AS s FROM items i
