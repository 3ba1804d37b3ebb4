SELECT k.id, (SELECT max(v) FROM unnest(k.ta) AS v) AS m FROM kinds k WHERE EXISTS (SELECT FROM unnest(k.ia) AS i WHERE i = k.i4)
