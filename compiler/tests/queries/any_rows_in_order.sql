SELECT id FROM nodes WHERE (id, label) < ANY (SELECT parent, kind FROM nodes)
