SELECT a.id AS a, b.id AS b FROM regions a CROSS JOIN regions b
