WITH unread AS (SELECT random() AS r) SELECT id FROM regions
