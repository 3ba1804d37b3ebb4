SELECT count(DISTINCT kind) AS kinds, avg(DISTINCT level) AS level FROM events
