SELECT x.d, x.e, JSON_ARRAY(k.tstz) AS z FROM kinds k, JSON_TABLE(k.jb, '$' COLUMNS (d date, e text PATH '$.e.datetime()')) AS x
