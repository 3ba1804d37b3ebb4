(SELECT id, name FROM regions ORDER BY name, id LIMIT 2) UNION ALL SELECT id, name FROM customers ORDER BY name DESC, 1 LIMIT 3
