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
            ('_schedule_seconds',
                'About how many seconds lie between two refreshes of a schedule.'),
            ('gate_source',
                'Keeps the scheduler from refreshing what reads a source, while that is loaded.'),
            ('ungate_source',
                'Lets the scheduler refresh what reads a source again.'),
            ('advance_watermark',
                'Says that a source is complete up to a moment.'),
            ('create_watermark_group',
                'Has sources read together only while their watermarks are close to each other.'),
            ('drop_watermark_group',
                'Drops a watermark group.'),
            ('create_refresh_group',
                'Has stream tables refreshed together, in one transaction and under one snapshot.'),
            ('drop_refresh_group',
                'Has the members of a refresh group refreshed one by one again.'),
            ('diamond_groups',
                'Stream tables that are refreshed together because paths from one source meet.'),
            ('worker_pool_status',
                'How many processes refresh, and how many there may be.'),
            ('parallel_job_status',
                'What the scheduler has given to refreshing processes, newest first.'),
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
            ('_slot_fault',
                'What is wrong with the replication slot of this database; NULL if nothing is.'),
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
