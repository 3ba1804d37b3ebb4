SELECT r.name, v.column1 FROM (VALUES (1, 'a'), (2, 'b') ORDER BY 1 LIMIT 1) v JOIN regions r ON r.id = v.column1
