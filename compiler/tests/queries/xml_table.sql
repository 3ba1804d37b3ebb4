SELECT k.id, x.* FROM kinds k, XMLTABLE(XMLNAMESPACES('http://z' AS z), '/z:r/z:e' PASSING k.x COLUMNS n FOR ORDINALITY, a int PATH '@a' DEFAULT k.i4, t varchar(5) DEFAULT 'abc' NOT NULL) AS x
