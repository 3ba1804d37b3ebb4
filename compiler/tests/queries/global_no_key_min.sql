SELECT min(at) AS first, max(value) AS top FROM events
