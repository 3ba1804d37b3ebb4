SELECT DISTINCT ON (customer_id, status) id, amount FROM orders ORDER BY status, customer_id DESC, amount DESC, id LIMIT 4
