SELECT EXISTS (SELECT 1 FROM items i WHERE i.order_id = o.id) AS has, count(*) AS n FROM orders o GROUP BY EXISTS (SELECT 1 FROM items i WHERE i.order_id = o.id)
