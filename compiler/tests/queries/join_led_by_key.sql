SELECT a.quantity, b.price, o.amount
FROM items a
JOIN items b ON b.order_id = a.order_id AND b.line = a.line
JOIN orders o ON o.id = b.order_id
