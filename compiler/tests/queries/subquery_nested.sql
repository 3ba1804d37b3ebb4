SELECT x.n FROM (SELECT y.n + 1 AS n FROM
    (SELECT z.id * 2 AS n FROM (SELECT id FROM regions WHERE id > 0) z) y) x
