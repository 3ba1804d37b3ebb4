SELECT r.name AS region, c.name AS customer, o.id, i.line
FROM regions r
JOIN customers c ON c.region_id = r.id
JOIN orders o ON o.customer_id = c.id
JOIN items i ON i.order_id = o.id AND i.quantity > 1
WHERE r.name <> 'north'
