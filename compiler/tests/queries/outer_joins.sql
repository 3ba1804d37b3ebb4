SELECT r.id, r.name AS region, c.name, n.id AS node FROM regions r FULL OUTER JOIN customers c ON c.region_id = r.id
RIGHT JOIN nodes n ON n.id = c.id
