SELECT id, generate_series(1, unnest(ia)) AS n, unnest(ta) AS w, (jsonb_each(jb)).* FROM kinds
