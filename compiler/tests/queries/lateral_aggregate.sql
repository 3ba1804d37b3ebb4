SELECT c.id, o.n, o.total FROM customers c, LATERAL (SELECT count(*) AS n, sum(amount) AS total FROM orders WHERE customer_id = c.id) o
