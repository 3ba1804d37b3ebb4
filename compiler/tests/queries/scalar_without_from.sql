SELECT id, (SELECT o.amount * 2) AS twice FROM orders o
