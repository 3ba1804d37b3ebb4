SELECT DISTINCT ON (kind) kind, value FROM events
