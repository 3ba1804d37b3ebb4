SELECT id FROM nodes WHERE NOT (parent >= ALL (SELECT line FROM items WHERE order_id = nodes.id))
