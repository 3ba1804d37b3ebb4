SELECT id, c.name, n.label FROM customers c JOIN nodes n USING (id)
