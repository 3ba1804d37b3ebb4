SELECT id, unnest(ta) AS word FROM kinds
