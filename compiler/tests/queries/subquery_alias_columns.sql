SELECT t.a, t.b FROM (SELECT id, name FROM regions) AS t (a, b)
