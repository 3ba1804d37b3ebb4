SELECT id, name FROM regions UNION ALL SELECT id, name FROM customers
