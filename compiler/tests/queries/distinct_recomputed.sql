SELECT kind, sum(DISTINCT value) AS v, count(DISTINCT hits) AS h FROM events GROUP BY kind
