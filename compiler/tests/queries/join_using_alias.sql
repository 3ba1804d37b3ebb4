SELECT x.id, c.name, n.label FROM customers c JOIN nodes n USING (id) AS x WHERE x.id > 3
