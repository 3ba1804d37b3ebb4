SELECT c.id, o.amount, o.more FROM customers c LEFT JOIN LATERAL (SELECT amount, amount + c.credit AS more FROM orders WHERE customer_id = c.id) o ON o.amount > 3
