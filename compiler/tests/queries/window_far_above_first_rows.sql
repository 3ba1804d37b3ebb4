SELECT name FROM (
    SELECT name, count(*) OVER () AS n
    FROM (SELECT name FROM customers ORDER BY credit DESC LIMIT 3) AS first
    WHERE name <> 'nobody') AS counted
WHERE n >= 2
