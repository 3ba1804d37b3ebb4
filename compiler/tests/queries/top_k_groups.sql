SELECT status FROM orders GROUP BY status HAVING count(*) > 1 ORDER BY sum(amount) DESC, max(placed) LIMIT 2
