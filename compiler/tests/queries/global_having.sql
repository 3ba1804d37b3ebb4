SELECT 1 AS one FROM orders HAVING count(*) > 3
