SELECT id, status, row_number() OVER (PARTITION BY status ORDER BY amount) AS n, first_value(note) OVER (PARTITION BY status ORDER BY amount) AS first FROM orders
