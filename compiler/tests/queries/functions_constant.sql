SELECT k.id, g, low FROM kinds k JOIN generate_series(1, 3) g ON g = k.i4, lower(k.t) AS low
