SELECT id, now() AS at, random() AS r FROM orders WHERE placed > current_timestamp - interval '1 day'
