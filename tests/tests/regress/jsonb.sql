-- jsonb: operators, paths and functions.

-- construct: jsonb operators

-- name: fields and elements
SELECT id, j -> 'a' AS a, j ->> 'a' AS at, j -> 0 AS e, j -> -1 AS l, j #> '{b,0}' AS p, j #>> '{c,d}' AS q FROM doc;

-- name: subscripts
SELECT id, j['a'] AS a, j['b'][1] AS b, j['c']['d'] AS d FROM doc WHERE jsonb_typeof(j) = 'object';

-- name: containment
SELECT id FROM doc WHERE j @> '{"a": 1}' OR j <@ '[1, "two", null, [4, 5], {"six": 7}, 8]';

-- name: keys
SELECT id, j ? 'a' AS a, j ?| ARRAY['b', 'x'] AS b, j ?& ARRAY['a', 'c'] AS c FROM doc;

-- name: put together and taken away
SELECT id, j || '{"z": 1}' AS p, j - 'a' AS m FROM doc WHERE jsonb_typeof(j) = 'object';

-- name: of arrays
SELECT id, j - 0 AS first, j - '{a,b}'::text[] AS keys, j #- '{3,0}' AS path FROM doc WHERE jsonb_typeof(j) = 'array';

-- name: a filter on text of a field
SELECT id FROM doc WHERE j ->> 'a' = '1' OR j ->> 'a' IS NULL;

-- name: a cast of a field
SELECT id, (j -> 'a')::int AS a, (j ->> 'a')::numeric + 1 AS n FROM doc WHERE jsonb_typeof(j -> 'a') = 'number';

-- name: compared
SELECT a.id, b.id AS greater FROM doc a JOIN doc b ON a.j < b.j;

-- name: joined by equality
SELECT a.id, b.id AS other FROM doc a JOIN doc b ON a.j -> 'a' = b.j -> 'a' AND a.id < b.id;

-- name: in a list
SELECT id FROM doc WHERE j IN ('{}', '[]', 'null');

-- construct: jsonb functions

-- name: types and lengths
SELECT id, jsonb_typeof(j) AS t, CASE WHEN jsonb_typeof(j) = 'array' THEN jsonb_array_length(j) END AS n FROM doc;

-- name: counted by type
SELECT jsonb_typeof(j) AS t, count(*) AS n, count(j) AS nn, min(id) AS first FROM doc GROUP BY 1;

-- name: set, insert, strip
SELECT id, jsonb_set(j, '{a}', '9') AS s, jsonb_insert(j, '{new}', 'true') AS i, jsonb_strip_nulls(j) AS n FROM doc WHERE jsonb_typeof(j) = 'object';

-- name: built
SELECT i, jsonb_build_object('i', i, 'j', j, 't', t) AS o FROM j1;

-- name: built as an array
SELECT i, jsonb_build_array(i, j, t, NULL) AS a FROM j1;

-- name: of rows
SELECT to_jsonb(j1) AS r FROM j1;

-- name: of rows, grouped
-- compared: by verify
SELECT i, jsonb_agg(to_jsonb(j1) ORDER BY j, t) AS rows FROM j1 GROUP BY i;

-- name: of an array
SELECT id, to_jsonb(a) AS a, to_jsonb(t) AS t FROM lst;

-- name: objects from arrays
SELECT id, jsonb_object(t, t) AS o FROM lst WHERE array_position(t, NULL) IS NULL;

-- name: pretty
SELECT id, jsonb_pretty(j) AS p FROM doc;

-- name: extracted by path
SELECT id, jsonb_extract_path(j, 'a', 'b', 'c') AS p, jsonb_extract_path_text(j, 'c', 'd') AS t FROM doc;

-- construct: jsonb in FROM

-- name: each
SELECT d.id, e.key, e.value FROM doc d, jsonb_each(d.j) AS e WHERE jsonb_typeof(d.j) = 'object';

-- name: each of what is an object
SELECT d.id, e.key, e.value FROM doc d, jsonb_each_text(CASE jsonb_typeof(d.j) WHEN 'object' THEN d.j END) AS e;

-- name: elements
SELECT d.id, e.value, e.n FROM doc d, jsonb_array_elements(CASE WHEN jsonb_typeof(d.j) = 'array' THEN d.j ELSE '[]' END) WITH ORDINALITY AS e (value, n);

-- name: elements, left
SELECT d.id, e FROM doc d LEFT JOIN jsonb_array_elements_text(CASE jsonb_typeof(d.j -> 'b') WHEN 'array' THEN d.j -> 'b' END) AS e ON true;

-- name: elements of elements
SELECT d.id, x.value ->> 'k' AS k FROM doc d, jsonb_array_elements(CASE jsonb_typeof(d.j -> 'b') WHEN 'array' THEN d.j -> 'b' END) AS x WHERE jsonb_typeof(x.value) = 'object';

-- name: keys, counted
SELECT k, count(*) AS n FROM doc, jsonb_object_keys(CASE jsonb_typeof(j) WHEN 'object' THEN j END) AS k GROUP BY k;

-- name: a record
SELECT d.id, r.a, r.c FROM doc d, jsonb_to_record(CASE jsonb_typeof(d.j) WHEN 'object' THEN d.j END) AS r (a text, c jsonb);

-- name: records
SELECT d.id, r.k, r.v FROM doc d, jsonb_to_recordset(CASE jsonb_typeof(d.j -> 'b') WHEN 'array' THEN (d.j -> 'b') - 2 END) AS r (k int, v text) WHERE d.j @? '$.b[0].k';

-- name: a row type
SELECT d.id, r.x, r.y FROM doc d, jsonb_populate_record(NULL::pair, CASE jsonb_typeof(d.j) WHEN 'object' THEN '{"x": 3}' || d.j END) AS r;

-- construct: SQL/JSON path

-- name: exists and match
SELECT id, j @? '$.b[*] ? (@ > 1)' AS e, j @@ '$.a == 1' AS m FROM doc;

-- name: query
SELECT d.id, q FROM doc d, jsonb_path_query(d.j, 'lax $.b[*] ? (@.type() == "number" && @ >= 2)') AS q;

-- name: query as an array, and the first
SELECT id, jsonb_path_query_array(j, '$.**.d') AS a, jsonb_path_query_first(j, '$[*]') AS f FROM doc;

-- name: with variables
SELECT id FROM doc WHERE jsonb_path_exists(j, '$.b[*] ? (@ > $min)', '{"min": 2}');

-- name: with a variable of another table
SELECT d.id, j1.i FROM doc d JOIN j1 ON jsonb_path_exists(d.j, '$.b[*] ? (@ == $x)', ('{"x": ' || j1.i::text || '}')::jsonb);

-- construct: JSON_TABLE and SQL/JSON functions

-- name: a table of elements
SELECT d.id, t.n, t.k FROM doc d, JSON_TABLE(d.j, '$.b[*]' COLUMNS (n FOR ORDINALITY, k int PATH '$.k')) AS t;

-- name: a value
SELECT id, JSON_VALUE(j, '$.a') AS a FROM doc;

-- name: whether a path exists
SELECT id FROM doc WHERE JSON_EXISTS(j, '$.c.d');

-- name: constructors
SELECT i, JSON_OBJECT('i': i, 'j': j ABSENT ON NULL RETURNING jsonb) AS o FROM j1;

-- name: IS JSON
SELECT f1, f1 IS JSON AS j FROM txt;
