SELECT c.id, c.name, count(o.id) AS orders, sum(o.amount) AS total FROM customers c LEFT JOIN orders o ON o.customer_id = c.id AND o.status <> 'X' GROUP BY c.id, c.name
