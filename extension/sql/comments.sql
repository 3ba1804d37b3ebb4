-- What the functions that are written in Rust are for, as \df+ shows it.
DO $do$
DECLARE
    f record;
BEGIN
    FOR f IN
        SELECT p.oid::regprocedure AS signature, c.comment
        FROM (VALUES
            ('version', 'The version of pg_trickle that is loaded.'),
            ('create_stream_table',
                'Creates a table that is kept equal to a query, and fills it.'),
            ('create_stream_table_if_not_exists',
                'The same, unless there is a stream table of that name.'),
            ('create_or_replace_stream_table',
                'The same, in place of the stream table of that name, if there is one.'),
            ('alter_stream_table',
                'Changes a stream table; arguments that are NULL leave things as they are.'),
            ('drop_stream_table',
                'Drops a stream table; with cascade also what reads it.'),
            ('refresh_stream_table',
                'Brings a stream table up to date, those that it reads first.'),
            ('resume_stream_table',
                'Lets a suspended stream table be refreshed again.'),
            ('verify',
                'The rows by which a stream table differs from its query in one snapshot: none.'),
            ('parse_duration_seconds',
                'Seconds of a duration such as 30s, 5m, 1h30m, 1d or 1w.'),
            ('explain_delta',
                'The refresh program of a stream table as it would run now: text, json, sql, dot or svg.'),
            ('dependency_tree',
                'Stream tables that no other reads, and below each what it reads.'),
            ('dependency_graph',
                'What reads what, with modes and states, as a drawing: dot, svg or mermaid.'),
            ('rebuild_cdc_triggers',
                'Puts capture triggers back that are missing or disabled; says which.'),
            ('explain_refresh_mode',
                'How a stream table is refreshed, and every reason why, with its place in the query.'),
            ('validate_query',
                'Every reason why a query cannot be incremental, or not without bound; none if it can.'),
            ('restore_stream_tables',
                'Compiles anew and rebuilds the stream tables that were restored from a dump; says how many.'),
            ('_home',
                'The server and database in which the OIDs and transactions of the catalog are valid.'),
            ('_isolation',
                'For tests: parses a query and compares addresses of symbols with the server''s.'),
            ('_scheduler_running',
                'Does a scheduler serve this database right now? NULL if pg_trickle is not preloaded.'),
            ('_looked_at',
                'When the scheduler last knew of every stream table whether changes wait for it.'),
            ('_pending_rows',
                'Changed rows of a source that a stream table has not consumed yet.')
        ) AS c (name, comment)
        JOIN pg_catalog.pg_proc p ON p.proname = c.name
        WHERE p.pronamespace = 'pgtrickle'::regnamespace
            AND pg_catalog.obj_description(p.oid, 'pg_proc') IS NULL
    LOOP
        EXECUTE pg_catalog.format('COMMENT ON FUNCTION %s IS %L', f.signature, f.comment);
    END LOOP;
END
$do$;
