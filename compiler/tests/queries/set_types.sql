SELECT id, name, 'x' AS word, NULL AS nothing FROM regions EXCEPT SELECT amount, status, note, note FROM orders
