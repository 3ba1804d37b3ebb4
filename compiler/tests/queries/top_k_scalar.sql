SELECT id, (SELECT name FROM regions ORDER BY id DESC LIMIT 1) AS last FROM customers
