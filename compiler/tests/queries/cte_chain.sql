WITH a AS (SELECT id, parent FROM nodes), b AS (SELECT x.id, y.parent FROM a x JOIN a y ON x.parent = y.id)
SELECT b.id, b.parent FROM b JOIN b c ON b.parent = c.id
