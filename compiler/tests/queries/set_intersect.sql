SELECT kind, label FROM nodes INTERSECT SELECT kind, kind FROM events
