SELECT id, 'x' AS tag, 1 AS one, NULL AS nothing, 2.50 AS price FROM regions
