SELECT o.id, o.customer_id, c.name, o.amount - lag(o.amount) OVER w AS more, count(*) OVER (w ROWS BETWEEN 2 PRECEDING AND 1 FOLLOWING) AS near
FROM orders o JOIN customers c ON c.id = o.customer_id WINDOW w AS (PARTITION BY o.customer_id ORDER BY o.id)
