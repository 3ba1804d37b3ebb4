SELECT c.id, x.oid, x.cid FROM customers c, LATERAL (SELECT o.id AS oid, d.id AS cid FROM orders o RIGHT JOIN customers d ON o.customer_id = d.id AND o.amount > c.credit) x
