SELECT x.name, count(x.tag) AS tags FROM kinds k, JSON_TABLE(k.js, '$[*]' AS row COLUMNS (NESTED PATH '$.tags[*]' COLUMNS (tag varchar(10) PATH '$'), name text)) AS x GROUP BY x.name
