SELECT o.id, amount * (1 - coalesce(discount, 0)) AS net, upper(note) AS note,
    CASE status WHEN 'O' THEN 'open' WHEN 'F' THEN 'final' ELSE 'other' END AS state,
    amount BETWEEN 10 AND 20 AS small, status IN ('O', 'F') AS usual, o.note IS NULL AS silent
FROM orders o
