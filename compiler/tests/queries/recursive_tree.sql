WITH RECURSIVE up (id, parent) AS (
    SELECT id, parent FROM nodes WHERE parent IS NULL
    UNION ALL SELECT n.id, n.parent FROM nodes n JOIN up ON n.parent = up.id)
SELECT id, parent FROM up
