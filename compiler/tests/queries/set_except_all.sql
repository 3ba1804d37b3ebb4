SELECT kind FROM events EXCEPT ALL SELECT kind FROM nodes
