SELECT * FROM kinds WHERE m = 'happy' AND p > 3 AND r @> 5 AND 'q' = ANY (ta)
