SELECT b.id, c.name FROM big_orders b JOIN customers c ON c.id = b.customer_id
