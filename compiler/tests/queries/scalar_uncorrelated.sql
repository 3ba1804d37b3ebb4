SELECT id, amount - (SELECT avg(amount) FROM orders) AS above FROM orders WHERE amount > (SELECT min(credit) FROM customers)
