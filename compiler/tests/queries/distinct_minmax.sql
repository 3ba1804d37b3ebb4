SELECT max(DISTINCT amount) AS top FROM orders
