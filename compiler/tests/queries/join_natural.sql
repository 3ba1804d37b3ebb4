SELECT * FROM regions NATURAL JOIN (SELECT id, kind FROM nodes) n
