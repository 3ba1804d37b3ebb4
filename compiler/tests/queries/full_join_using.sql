SELECT id, c.name, n.label FROM customers c NATURAL FULL JOIN nodes n
