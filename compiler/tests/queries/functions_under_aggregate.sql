SELECT word, count(*) AS n FROM kinds k, unnest(k.ta) AS word WHERE k.i4 > 3 GROUP BY word
