SELECT c.id, c IS NOT NULL AS there, (c).name AS name FROM customers c
