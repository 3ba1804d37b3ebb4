SELECT date_trunc('month', at) AS month, upper(kind) AS kind, sum(hits) AS hits
FROM events GROUP BY date_trunc('month', at), upper(kind)
