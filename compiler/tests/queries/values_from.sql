SELECT c.name, v.grade FROM customers c JOIN (VALUES ('a', 1), ('b', 2.5), (NULL, 3)) AS v (name, grade) ON v.name = c.name
