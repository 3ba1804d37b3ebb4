SELECT region_id % 10 AS bucket, name, max(credit) FROM customers GROUP BY bucket, 2
