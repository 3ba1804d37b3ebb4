SELECT k.id, e.key, e.value, r.p, r.q FROM kinds k, jsonb_each(k.jb) e, ROWS FROM (jsonb_to_recordset(k.jb) AS (p int, q text), generate_series(1, k.i4)) WITH ORDINALITY AS r
