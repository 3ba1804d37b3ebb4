SELECT id, (a).*, ia[1] AS first, jb -> 'k' AS k FROM kinds
