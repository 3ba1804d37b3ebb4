SELECT k.id, a.g, b.g AS h FROM kinds k, generate_series(1, 2) AS a (g), generate_series(1, 2) AS b (g)
