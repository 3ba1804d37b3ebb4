SELECT a.id, b.id AS parent, c.id AS grandparent FROM nodes a, nodes b, nodes c
WHERE a.parent = b.id AND b.parent = c.id
