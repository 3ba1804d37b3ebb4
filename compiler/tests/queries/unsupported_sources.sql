SELECT m.city, n.placed, o.ctid AS place, measured.tableoid AS part FROM ONLY measured, measured m, newest n, orders o
