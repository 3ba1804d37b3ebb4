SELECT k.id, x.e FROM kinds k LEFT JOIN JSON_TABLE(k.jb, 'lax $[*]' COLUMNS (e positive PATH '$' NULL ON ERROR)) AS x ON x.e < k.i4
