SELECT city, count(*) AS days, max(logged) AS newest FROM measured GROUP BY city
