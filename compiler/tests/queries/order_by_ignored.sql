SELECT id, amount AS a FROM orders ORDER BY a DESC, customer_id
