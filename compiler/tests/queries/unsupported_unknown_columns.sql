SELECT relname, x.* FROM pg_class, json_table('[]', '$[*]' COLUMNS (a int)) x
