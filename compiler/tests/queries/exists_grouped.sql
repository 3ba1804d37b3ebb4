SELECT c.id FROM customers c WHERE EXISTS (SELECT o.status FROM orders o WHERE o.customer_id = c.id GROUP BY o.status HAVING count(*) > 2 AND sum(o.amount) > c.credit)
