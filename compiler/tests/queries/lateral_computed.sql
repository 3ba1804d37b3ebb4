SELECT c.id, x.y FROM customers c LEFT JOIN LATERAL (SELECT c.credit * 2 AS y WHERE c.id > 1) x ON x.y > 3
