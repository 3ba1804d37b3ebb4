SELECT kind, count(*) AS n FROM (SELECT kind FROM events UNION ALL SELECT kind FROM nodes) u GROUP BY kind
