SELECT a.id, b.id AS other FROM big_orders a JOIN big_orders b USING (customer_id)
