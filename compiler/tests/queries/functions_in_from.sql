SELECT k.id, g.n, u.w FROM kinds k, generate_series(1, k.i4) AS g (n), unnest(k.ta) WITH ORDINALITY AS u (v, w)
