SELECT c.id, ARRAY(SELECT id FROM orders) AS all_ids FROM customers c WHERE EXISTS (VALUES (c.id)) AND (c.id, c.name) = (SELECT id, name FROM regions WHERE id = c.region_id)
