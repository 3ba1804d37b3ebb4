SELECT unnest(ta) AS word, count(*) AS n, generate_series(1, max(i4)) AS g FROM kinds GROUP BY 1
