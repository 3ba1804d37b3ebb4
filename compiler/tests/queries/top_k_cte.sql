WITH best AS (SELECT id, region_id FROM customers ORDER BY credit DESC NULLS LAST, id LIMIT 10) SELECT region_id, count(*) FROM best GROUP BY region_id
