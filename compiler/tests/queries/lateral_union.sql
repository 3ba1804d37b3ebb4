SELECT c.id, x.v FROM customers c, LATERAL (SELECT amount AS v FROM orders WHERE customer_id = c.id UNION ALL SELECT c.credit) x
