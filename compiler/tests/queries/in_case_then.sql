SELECT n.id, CASE WHEN n.parent > 3 THEN n.id IN (SELECT line FROM items) END AS a,
    coalesce(n.parent, (SELECT max(c.region_id) FROM customers c WHERE c.name = n.label)) AS b FROM nodes n
