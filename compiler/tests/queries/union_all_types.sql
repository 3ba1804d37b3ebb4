SELECT id, 'r' AS tag, NULL AS x FROM regions UNION ALL SELECT id, note, amount FROM orders UNION ALL SELECT 1.5, 'z', 3
