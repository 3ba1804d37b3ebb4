-- One jsonb in the shape of catalog::Objects, from the catalog of a live PostgreSQL 18.
--
--   $1 oid[]   the relations that the query names. The views among them bring in what they are
--              defined on, and columns of a composite type bring in that type.
--   $2 oid     first OID of the layer: 12000 (FirstUnpinnedObjectId) for the overlay of a
--              database, 0 for the built-in objects. What initdb numbers (from 12000) differs
--              between installations, so it belongs to the overlay.
--   $3 oid     first OID beyond the layer: 12000 for the built-in objects, 4294967295 else.
--   $4 oid[]   the relations that are stream tables.
--   $5 text[]  current_schemas(false), as it was before search_path was set for this query.
--
-- Run it with search_path = '' (that is, pg_catalog alone): nothing here is qualified, and
-- pg_get_viewdef, pg_get_expr qualify what lies outside. Fields of the shape that serde leaves
-- out when empty are left out. jsonb shows an oid as a string, hence the casts.
WITH RECURSIVE
-- Our own objects and those of other sessions are no part of what a query can use;
-- information_schema is treated as the system's.
hidden AS (
    SELECT n.oid FROM pg_namespace n
     WHERE n.nspname IN ('pgtrickle', 'information_schema') OR n.nspname ~ '^pg_(toast|temp)'
),
-- Relations, closed under: a view's sources, the row types of columns.
wanted(relid) AS (
    SELECT unnest($1::oid[])
  UNION
    SELECT c.oid FROM pg_class c
     WHERE c.relkind = 'c' AND c.oid >= $2 AND c.oid < $3
       AND c.relnamespace NOT IN (SELECT oid FROM hidden)
  UNION
    SELECT step.relid
      FROM wanted w
      CROSS JOIN LATERAL (
          SELECT d.refobjid AS relid
            FROM pg_rewrite r
            JOIN pg_depend d
              ON d.classid = 'pg_rewrite'::regclass AND d.objid = r.oid
             AND d.refclassid = 'pg_class'::regclass
           WHERE r.ev_class = w.relid AND r.rulename = '_RETURN' AND d.refobjid >= $2
        UNION ALL
          -- A column's type, looked at through domains, arrays and ranges.
          SELECT t3.typrelid
            FROM pg_attribute a
            JOIN pg_type t0 ON t0.oid = a.atttypid
            JOIN pg_type t1
              ON t1.oid = CASE WHEN t0.typtype = 'd' THEN t0.typbasetype ELSE t0.oid END
            JOIN pg_type t2
              ON t2.oid = CASE WHEN t1.typelem <> 0 THEN t1.typelem
                               WHEN t1.typtype = 'd' THEN t1.typbasetype ELSE t1.oid END
            JOIN pg_type t3
              ON t3.oid = CASE WHEN t2.typtype = 'd' THEN t2.typbasetype ELSE t2.oid END
           WHERE a.attrelid = w.relid AND a.attnum > 0 AND NOT a.attisdropped
             AND a.atttypid >= $2 AND t3.typrelid <> 0
      ) step
),
-- The default operator class of a type: its own, else one of a type that it is binary coercible
-- to without a function, a preferred type first (GetDefaultOpClass).
opclass AS (
    SELECT DISTINCT ON (c.typid, am.amname) c.typid, am.amname, c.opcfamily, c.opcintype
      FROM (SELECT oc.opcintype AS typid, oc.oid, oc.opcmethod, oc.opcfamily, oc.opcintype,
                   0 AS distance
              FROM pg_opclass oc WHERE oc.opcdefault
            UNION ALL
            SELECT ca.castsource, oc.oid, oc.opcmethod, oc.opcfamily, oc.opcintype,
                   CASE WHEN it.typispreferred THEN 1 ELSE 2 END
              FROM pg_opclass oc
              JOIN pg_cast ca ON ca.casttarget = oc.opcintype
                             AND ca.castmethod = 'b' AND ca.castcontext = 'i'
              JOIN pg_type it ON it.oid = oc.opcintype
             WHERE oc.opcdefault) c
      JOIN pg_am am ON am.oid = c.opcmethod AND am.amname IN ('btree', 'hash')
     WHERE c.typid >= $2 AND c.typid < $3
     ORDER BY c.typid, am.amname, c.distance, c.oid
),
equality AS (
    SELECT t.typid,
           jsonb_build_object(
               'eq', COALESCE(beq.amopopr, heq.amopopr)::bigint,
               'lt', COALESCE(blt.amopopr, 0::oid)::bigint,
               'gt', COALESCE(bgt.amopopr, 0::oid)::bigint,
               -- Blank-padded strings of different lengths are equal, whatever the class says.
               'equal_image', COALESCE(t.typid <> 'bpchar'::regtype
                   AND b.opcintype <> 'bpchar'::regtype
                   AND img.amproc IN ('btequalimage'::regproc,
                                      'btvarstrequalimage'::regproc), false),
               'hashable', heq.amopopr IS NOT NULL) AS value
      FROM (SELECT DISTINCT typid FROM opclass) t
      LEFT JOIN opclass b ON b.typid = t.typid AND b.amname = 'btree'
      LEFT JOIN opclass h ON h.typid = t.typid AND h.amname = 'hash'
      LEFT JOIN pg_amop beq
        ON beq.amopfamily = b.opcfamily AND beq.amoplefttype = b.opcintype
       AND beq.amoprighttype = b.opcintype AND beq.amopstrategy = 3
      LEFT JOIN pg_amop blt
        ON blt.amopfamily = b.opcfamily AND blt.amoplefttype = b.opcintype
       AND blt.amoprighttype = b.opcintype AND blt.amopstrategy = 1
      LEFT JOIN pg_amop bgt
        ON bgt.amopfamily = b.opcfamily AND bgt.amoplefttype = b.opcintype
       AND bgt.amoprighttype = b.opcintype AND bgt.amopstrategy = 5
      LEFT JOIN pg_amproc img
        ON img.amprocfamily = b.opcfamily AND img.amproclefttype = b.opcintype
       AND img.amprocrighttype = b.opcintype AND img.amprocnum = 4
      LEFT JOIN pg_amop heq
        ON heq.amopfamily = h.opcfamily AND heq.amoplefttype = h.opcintype
       AND heq.amoprighttype = h.opcintype AND heq.amopstrategy = 1
     WHERE COALESCE(beq.amopopr, heq.amopopr) IS NOT NULL
),
-- Is a domain restricted, itself or by a domain that it is based on?
restricted(typid) AS (
    SELECT t.oid FROM pg_type t
     WHERE t.typtype = 'd'
       AND (t.typnotnull OR EXISTS (SELECT FROM pg_constraint c WHERE c.contypid = t.oid))
  UNION
    SELECT t.oid FROM restricted r JOIN pg_type t ON t.typbasetype = r.typid
),
typ AS (
    SELECT t.oid, jsonb_build_object(
               'oid', t.oid::bigint, 'name', t.typname, 'namespace', t.typnamespace::bigint,
               'kind', CASE t.typtype WHEN 'b' THEN 'Base' WHEN 'c' THEN 'Composite'
                                      WHEN 'd' THEN 'Domain' WHEN 'e' THEN 'Enum'
                                      WHEN 'p' THEN 'Pseudo' WHEN 'r' THEN 'Range'
                                      WHEN 'm' THEN 'Multirange' END,
               'category', t.typcategory, 'preferred', t.typispreferred, 'len', t.typlen,
               'element', t.typelem::bigint, 'array', t.typarray::bigint,
               'is_array', t.typelem <> 0 AND t.typsubscript
                   = 'array_subscript_handler'::regproc,
               'relation', t.typrelid::bigint, 'base', t.typbasetype::bigint, 'base_typmod', t.typtypmod,
               'domain_checked', t.oid IN (SELECT typid FROM restricted),
               'collation', t.typcollation::bigint,
               'subtype', COALESCE(r.rngsubtype, m.rngtypid, 0::oid)::bigint,
               'range', COALESCE(r.rngmultitypid, m.rngtypid, 0::oid)::bigint,
               'equality', e.value)
           || CASE WHEN l.labels IS NULL THEN '{}'
                   ELSE jsonb_build_object('labels', l.labels) END AS value
      FROM pg_type t
      -- A domain is compared as what it is based on.
      LEFT JOIN equality e ON e.typid = t.oid AND t.typtype <> 'd'
      LEFT JOIN pg_range r ON r.rngtypid = t.oid
      LEFT JOIN pg_range m ON m.rngmultitypid = t.oid
      LEFT JOIN pg_type et ON et.oid = t.typelem
      LEFT JOIN LATERAL (
          SELECT jsonb_agg(en.enumlabel ORDER BY en.enumsortorder) AS labels
            FROM pg_enum en WHERE en.enumtypid = t.oid) l ON true
     WHERE t.oid >= $2 AND t.oid < $3 AND t.typnamespace NOT IN (SELECT oid FROM hidden)
       -- Row types (and arrays of them) only of the wanted relations.
       AND (t.typrelid = 0 OR t.typrelid IN (SELECT relid FROM wanted))
       AND (t.typcategory <> 'A' OR et.oid IS NULL OR et.typrelid = 0
            OR et.typrelid IN (SELECT relid FROM wanted))
),
func AS (
    SELECT p.oid, jsonb_build_object(
               'oid', p.oid::bigint, 'name', p.proname, 'namespace', p.pronamespace::bigint,
               'kind', CASE p.prokind WHEN 'f' THEN 'Function' WHEN 'a' THEN 'Aggregate'
                                      WHEN 'w' THEN 'Window' WHEN 'p' THEN 'Procedure' END,
               'args', to_jsonb(p.proargtypes::oid[]::bigint[]),
               'result', p.prorettype::bigint, 'strict', p.proisstrict,
               -- Of an aggregate, that of what it calls.
               'volatility', CASE greatest(p.provolatile::text, called.volatility)
                                  WHEN 'i' THEN 'Immutable' WHEN 's' THEN 'Stable'
                                  WHEN 'v' THEN 'Volatile' END)
           || CASE WHEN p.pronargdefaults = 0 THEN '{}' ELSE jsonb_build_object(
                   'defaults', p.pronargdefaults, 'default_exprs', d.exprs) END
           || CASE WHEN p.provariadic = 0 THEN '{}'
                   ELSE jsonb_build_object('variadic', p.provariadic::bigint) END
           || CASE WHEN NOT p.proretset THEN '{}'
                   ELSE jsonb_build_object('returns_set', true) END
           || CASE WHEN NOT p.proleakproof THEN '{}'
                   ELSE jsonb_build_object('leakproof', true) END
           || CASE WHEN i.names IS NULL OR i.unnamed THEN '{}'
                   ELSE jsonb_build_object('arg_names', i.names) END
           || CASE WHEN o.columns IS NULL THEN '{}'
                   ELSE jsonb_build_object('out_args', o.columns) END
           || CASE WHEN ag.aggfnoid IS NULL THEN '{}' ELSE jsonb_build_object(
                   'aggregate', jsonb_build_object(
                       'kind', CASE ag.aggkind WHEN 'n' THEN 'Normal' WHEN 'o' THEN 'OrderedSet'
                                               WHEN 'h' THEN 'Hypothetical' END,
                       'direct_args', ag.aggnumdirectargs, 'sort_operator', ag.aggsortop::bigint)) END
           AS value
      FROM pg_proc p
      LEFT JOIN pg_aggregate ag ON ag.aggfnoid = p.oid
      LEFT JOIN LATERAL (
          SELECT max(f.provolatile::text) AS volatility
            FROM pg_proc f WHERE f.oid IN (ag.aggtransfn, ag.aggfinalfn)) called ON true
      -- Names of the input arguments; proargmodes is null when all are inputs.
      LEFT JOIN LATERAL (
          SELECT jsonb_agg(COALESCE(n.name, '') ORDER BY n.ord) AS names,
                 bool_and(COALESCE(n.name, '') = '') AS unnamed
            FROM unnest(p.proargnames) WITH ORDINALITY AS n(name, ord)
           WHERE p.proargmodes IS NULL OR p.proargmodes[n.ord] IN ('i', 'b', 'v')) i ON true
      LEFT JOIN LATERAL (
          SELECT jsonb_agg(jsonb_build_array(
                     COALESCE(p.proargnames[a.ord], ''), a.typ::bigint) ORDER BY a.ord) AS columns
            FROM unnest(p.proallargtypes) WITH ORDINALITY AS a(typ, ord)
           WHERE p.proargmodes[a.ord] IN ('o', 'b', 't')) o ON true
      -- pg_get_function_arg_default counts all arguments, the defaults belong to inputs.
      LEFT JOIN LATERAL (
          SELECT jsonb_agg(x.expr ORDER BY x.ord) AS exprs
            FROM (SELECT g.ord, pg_get_function_arg_default(p.oid, g.ord) AS expr
                    FROM generate_series(1, COALESCE(
                             cardinality(p.proallargtypes), p.pronargs)) AS g(ord)
                   WHERE p.pronargdefaults > 0) x
           WHERE x.expr IS NOT NULL) d ON true
     WHERE p.oid >= $2 AND p.oid < $3 AND p.pronamespace NOT IN (SELECT oid FROM hidden)
),
oper AS (
    SELECT o.oid, jsonb_build_object(
               'oid', o.oid::bigint, 'name', o.oprname, 'namespace', o.oprnamespace::bigint,
               'left', o.oprleft::bigint, 'right', o.oprright::bigint, 'result', o.oprresult::bigint,
               'function', o.oprcode::oid::bigint,
               'commutator', o.oprcom::bigint, 'negator', o.oprnegate::bigint,
               'can_hash', o.oprcanhash, 'can_merge', o.oprcanmerge)
           || CASE WHEN b.btree IS NULL THEN '{}'
                   ELSE jsonb_build_object('btree', b.btree) END AS value
      FROM pg_operator o
      LEFT JOIN LATERAL (
          SELECT jsonb_agg(jsonb_build_array(
                     am.amopfamily::bigint, am.amopstrategy) ORDER BY am.amopfamily, am.amopstrategy) AS btree
            FROM pg_amop am
            JOIN pg_am m ON m.oid = am.amopmethod
           WHERE am.amopopr = o.oid AND m.amname = 'btree' AND am.amoppurpose = 's') b ON true
     -- A shell operator has no function yet.
     WHERE o.oid >= $2 AND o.oid < $3 AND o.oprcode <> 0
       AND o.oprnamespace NOT IN (SELECT oid FROM hidden)
),
-- What reading a relation reads: itself, its partitions and children.
member(relid, oid) AS (
    SELECT relid, relid FROM wanted
  UNION
    SELECT m.relid, h.inhrelid FROM member m JOIN pg_inherits h ON h.inhparent = m.oid
),
-- Materialized: computed for what is wanted, and not for every relation of the database.
part AS MATERIALIZED (
    SELECT m.relid,
           COALESCE(sum(GREATEST(p.reltuples, 0)) FILTER (WHERE p.relkind <> 'p'), 0) AS tuples,
           COALESCE(sum(GREATEST(p.relpages, 0)) FILTER (WHERE p.relkind <> 'p'), 0) AS pages,
           COALESCE(bool_or(p.relkind = 'f' AND p.oid <> m.relid), false) AS has_foreign
      FROM member m JOIN pg_class p USING (oid)
     GROUP BY m.relid
),
rel AS (
    SELECT c.oid, jsonb_build_object(
               'oid', c.oid::bigint, 'name', c.relname, 'namespace', c.relnamespace::bigint,
               'kind', CASE c.relkind
                   WHEN 'r' THEN CASE WHEN c.oid = ANY ($4::oid[])
                                 THEN 'StreamTable' ELSE 'Table' END
                   WHEN 'p' THEN 'Partitioned' WHEN 'v' THEN 'View'
                   WHEN 'm' THEN 'MaterializedView' WHEN 'f' THEN 'Foreign'
                   WHEN 'c' THEN 'Composite' ELSE 'Other' END,
               'columns', COALESCE(col.value, '[]'), 'keys', COALESCE(ky.value, '[]'),
               'foreign_keys', COALESCE(fk.value, '[]'), 'indexes', COALESCE(ix.value, '[]'),
               'row_type', c.reltype::bigint,
               'has_children', c.relkind <> 'p' AND EXISTS (
                   SELECT FROM pg_inherits h WHERE h.inhparent = c.oid),
               'has_foreign_parts', part.has_foreign,
               'rows', part.tuples, 'pages', part.pages,
               'row_security', c.relrowsecurity)
           || CASE WHEN c.relkind <> 'v' THEN '{}' ELSE jsonb_build_object(
                   'definition', pg_get_viewdef(c.oid)) END AS value
      FROM part JOIN pg_class c ON c.oid = part.relid
      LEFT JOIN LATERAL (
          SELECT jsonb_agg(jsonb_build_object(
                     'attnum', a.attnum, 'name', a.attname,
                     'ty', jsonb_build_object('oid', a.atttypid::bigint,
                               'typmod', a.atttypmod, 'collation', a.attcollation::bigint),
                     -- NOT NULL NOT VALID binds new rows only.
                     -- Nobody checks what another server says of its tables.
                     'not_null', a.attnotnull AND c.relkind <> 'f' AND NOT EXISTS (
                         SELECT FROM pg_constraint n
                          WHERE n.conrelid = c.oid AND n.contype = 'n'
                            AND n.conkey[1] = a.attnum
                            AND NOT (n.convalidated AND n.conenforced
                                     AND (NOT n.connoinherit OR c.relkind = 'p' OR NOT EXISTS (
                                         SELECT FROM pg_inherits h WHERE h.inhparent = c.oid)))),
                     'generated', CASE a.attgenerated WHEN '' THEN '"No"'::jsonb
                         WHEN 's' THEN '"Stored"'::jsonb
                         ELSE jsonb_build_object('Virtual',
                             pg_get_expr(ad.adbin, ad.adrelid)) END)
                     ORDER BY a.attnum) AS value
            FROM pg_attribute a
            LEFT JOIN pg_attrdef ad ON ad.adrelid = a.attrelid AND ad.adnum = a.attnum
           WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped) col ON true
      LEFT JOIN LATERAL (
          SELECT jsonb_agg(jsonb_build_object(
                     'index', i.indexrelid::bigint, 'name', ic.relname,
                     'columns', kc.attnums, 'primary', i.indisprimary,
                     'nulls_not_distinct', i.indnullsnotdistinct,
                     'deferrable', NOT i.indimmediate) ORDER BY i.indexrelid) AS value
            FROM pg_index i
            JOIN pg_class ic ON ic.oid = i.indexrelid
            CROSS JOIN LATERAL (
                SELECT jsonb_agg(k.attnum ORDER BY k.ord) AS attnums
                  FROM unnest(i.indkey::smallint[])
                           WITH ORDINALITY AS k(attnum, ord)
                 WHERE k.ord <= i.indnkeyatts) kc
           -- Only what compares every row: whole, valid, on plain columns, by the columns' own
           -- equality (an index may name another operator class or collation), not an exclusion.
           WHERE i.indrelid = c.oid AND i.indisunique AND i.indisvalid AND i.indisready
             AND i.indislive AND NOT i.indisexclusion
             AND i.indpred IS NULL AND i.indexprs IS NULL
             AND NOT EXISTS (
                 SELECT FROM generate_series(0, i.indnkeyatts - 1) AS g(n)
                   JOIN pg_attribute a
                     ON a.attrelid = c.oid AND a.attnum = i.indkey[g.n]
                   JOIN pg_opclass oc ON oc.oid = i.indclass[g.n]
                  WHERE i.indcollation[g.n] <> a.attcollation OR NOT EXISTS (
                      SELECT FROM pg_opclass d
                       WHERE d.opcfamily = oc.opcfamily AND d.opcintype = oc.opcintype
                         AND d.opcdefault))
             -- With inheritance children, a key binds the parent's own rows only.
             AND (c.relkind = 'p' OR NOT EXISTS (
                 SELECT FROM pg_inherits h WHERE h.inhparent = c.oid))) ky ON true
      LEFT JOIN LATERAL (
          SELECT jsonb_agg(jsonb_build_object(
                     'constraint', f.oid::bigint, 'name', f.conname, 'columns', f.conkey,
                     'references', f.confrelid::bigint, 'referenced_columns', f.confkey,
                     'trusted', f.convalidated AND f.conenforced AND NOT f.conperiod
                         -- Those of the partitions are constraints of their own, below this one.
                         AND NOT EXISTS (
                             WITH RECURSIVE part (oid) AS (
                                 SELECT f.oid
                                 UNION
                                 SELECT p.oid FROM part
                                   JOIN pg_constraint p ON p.conparentid = part.oid)
                             SELECT FROM part JOIN pg_trigger tg ON tg.tgconstraint = part.oid
                              WHERE tg.tgenabled = 'D')
                         -- Children of a table do not inherit it.
                         AND (c.relkind = 'p' OR NOT EXISTS (
                             SELECT FROM pg_inherits h WHERE h.inhparent = c.oid)),
                     'deferrable', f.condeferrable) ORDER BY f.oid) AS value
            FROM pg_constraint f
           WHERE f.conrelid = c.oid AND f.contype = 'f' AND f.conparentid = 0) fk ON true
      LEFT JOIN LATERAL (
          SELECT jsonb_agg(jsonb_build_object(
                     'oid', i.indexrelid::bigint, 'name', ic.relname, 'method', am.amname,
                     'columns', kc.attnums) ORDER BY i.indexrelid) AS value
            FROM pg_index i
            JOIN pg_class ic ON ic.oid = i.indexrelid
            JOIN pg_am am ON am.oid = ic.relam
            CROSS JOIN LATERAL (
                SELECT COALESCE(jsonb_agg(k.attnum ORDER BY k.ord), '[]') AS attnums
                  FROM unnest(i.indkey::smallint[])
                           WITH ORDINALITY AS k(attnum, ord)
                 WHERE k.ord <= i.indnkeyatts AND k.ord < COALESCE(
                     (SELECT min(e.ord)
                        FROM unnest(i.indkey::smallint[])
                                 WITH ORDINALITY AS e(attnum, ord)
                       WHERE e.attnum = 0), 32767)) kc
           WHERE i.indrelid = c.oid AND i.indisvalid AND i.indisready AND i.indislive
             AND i.indpred IS NULL AND kc.attnums <> '[]') ix ON true
)
SELECT jsonb_build_object(
    'namespaces', COALESCE((
        SELECT jsonb_agg(jsonb_build_object('oid', n.oid::bigint, 'name', n.nspname) ORDER BY n.oid)
          FROM pg_namespace n
         -- public has a fixed OID, but can be renamed or dropped: the overlay's.
         WHERE CASE WHEN n.oid = 2200 THEN $2 > 0 ELSE n.oid >= $2 AND n.oid < $3 END
           AND n.oid NOT IN (SELECT oid FROM hidden)), '[]'),
    'types', COALESCE((SELECT jsonb_agg(value ORDER BY oid) FROM typ), '[]'),
    'functions', COALESCE((SELECT jsonb_agg(value ORDER BY oid) FROM func), '[]'),
    'operators', COALESCE((SELECT jsonb_agg(value ORDER BY oid) FROM oper), '[]'),
    'casts', COALESCE((
        SELECT jsonb_agg(jsonb_build_object(
                   'source', ca.castsource::bigint, 'target', ca.casttarget::bigint,
                   'context', CASE ca.castcontext WHEN 'i' THEN 'Implicit' WHEN 'a' THEN 'Assignment'
                                                  WHEN 'e' THEN 'Explicit' END,
                   'method', CASE ca.castmethod WHEN 'b' THEN '"Binary"'::jsonb
                                                WHEN 'i' THEN '"InOut"'::jsonb
                                                ELSE jsonb_build_object('Function', ca.castfunc::bigint) END)
                   ORDER BY ca.castsource, ca.casttarget)
          FROM pg_cast ca WHERE ca.oid >= $2 AND ca.oid < $3), '[]'),
    'collations', COALESCE((
        SELECT jsonb_agg(jsonb_build_object('oid', co.oid::bigint, 'name', co.collname,
                   'namespace', co.collnamespace::bigint,
                   'deterministic', co.collisdeterministic) ORDER BY co.oid)
          FROM pg_collation co
         WHERE co.oid >= $2 AND co.oid < $3 AND co.collnamespace NOT IN (SELECT oid FROM hidden)
           AND co.collencoding IN (-1, (SELECT d.encoding FROM pg_database d
                                         WHERE d.datname = current_database()))), '[]'),
    'relations', COALESCE((SELECT jsonb_agg(value ORDER BY oid) FROM rel), '[]'),
    'search_path', to_jsonb($5::text[]))
