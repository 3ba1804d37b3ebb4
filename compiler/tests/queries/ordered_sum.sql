SELECT kind, sum(hits ORDER BY at) AS h, sum(value ORDER BY at, value) AS v FROM events GROUP BY kind
