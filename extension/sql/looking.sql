-- Functions and views to look at stream tables with. Names of columns are those that users and
-- tools know.

CREATE VIEW pgtrickle.stream_tables_info AS
    WITH RECURSIVE reads (reader, source) AS (
        SELECT d.pgt_id, u.pgt_id
        FROM pgtrickle.pgt_dependencies d
        JOIN pgtrickle.pgt_stream_tables u ON u.pgt_relid = d.source_relid
    ), demand (pgt_id, seconds) AS (
        SELECT s.pgt_id, pgtrickle._schedule_seconds(s.schedule, s.tier,
            coalesce(current_setting('pg_trickle.default_schedule_seconds', true), '1')::bigint)
        FROM pgtrickle.pgt_stream_tables s
        WHERE s.schedule <> 'calculated'
            OR NOT EXISTS (SELECT FROM reads r WHERE r.source = s.pgt_id)
            -- Nobody asks a circle for anything: no member by a schedule of its own, no other reader.
            OR s.circle IS NOT NULL AND NOT EXISTS (
                SELECT FROM pgtrickle.pgt_stream_tables m
                WHERE m.circle = s.circle AND (m.schedule <> 'calculated' OR EXISTS (
                    SELECT FROM reads r JOIN pgtrickle.pgt_stream_tables d ON d.pgt_id = r.reader
                    WHERE r.source = m.pgt_id AND d.circle IS DISTINCT FROM s.circle)))
        UNION
        SELECT s.pgt_id, d.seconds
        FROM demand d
        JOIN reads r ON r.reader = d.pgt_id
        JOIN pgtrickle.pgt_stream_tables s ON s.pgt_id = r.source AND s.schedule = 'calculated'
    ), every AS (
        SELECT pgt_id, greatest(min(seconds),
            coalesce(current_setting('pg_trickle.min_schedule_seconds', true), '1')::bigint)
            AS seconds
        FROM demand WHERE seconds IS NOT NULL GROUP BY pgt_id
    ), moments AS (
        SELECT s.pgt_id, CASE
            WHEN NOT s.is_populated THEN NULL
            -- Exact at the end of every statement.
            WHEN s.refresh_mode = 'IMMEDIATE' AND s.status = 'ACTIVE' AND NOT s.needs_reinit
                AND s.home = pgtrickle._home()
            THEN clock_timestamp()
            WHEN b.as_of >= s.data_timestamp THEN b.as_of
            -- No changes wait for it: it was exact when the scheduler last looked.
            WHEN s.status = 'ACTIVE' AND NOT s.needs_reinit AND s.home = pgtrickle._home()
                AND s.compiled IS NOT NULL
                AND s.refresh_mode <> 'FULL'
            THEN greatest(s.data_timestamp, (SELECT pgtrickle._looked_at()))
            ELSE s.data_timestamp END AS as_of
        FROM pgtrickle.pgt_stream_tables s
        LEFT JOIN pgtrickle.pgt_behind b USING (pgt_id)
    )
    SELECT s.pgt_id, s.pgt_schema, s.pgt_name,
        format('%I.%I', s.pgt_schema, s.pgt_name) AS name,
        s.pgt_relid, s.status, s.refresh_mode,
        CASE WHEN s.refresh_mode = 'AUTO' AND s.compiled IS NULL THEN 'FULL'
            WHEN s.refresh_mode = 'AUTO' THEN 'DIFFERENTIAL or FULL, by cost'
            ELSE s.refresh_mode END AS effective_refresh_mode,
        s.schedule, e.seconds AS schedule_seconds, s.is_populated,
        s.needs_reinit OR s.home <> pgtrickle._home() AS needs_reinit,
        CASE WHEN s.home <> pgtrickle._home() THEN 'it was restored'
            ELSE s.reinit_reason END AS reinit_reason, s.consecutive_errors, s.last_error, s.last_refresh_at,
        m.as_of AS data_timestamp,
        greatest(clock_timestamp() - m.as_of, interval '0') AS staleness,
        coalesce(extract(epoch FROM clock_timestamp() - m.as_of) > 2 * e.seconds, m.as_of IS NULL)
            AS stale
    FROM pgtrickle.pgt_stream_tables s
    JOIN moments m USING (pgt_id)
    LEFT JOIN every e USING (pgt_id);
COMMENT ON VIEW pgtrickle.stream_tables_info IS
    'Stream tables and how fresh they are; stale means older than twice the schedule.';

CREATE FUNCTION pgtrickle.pgt_status()
    RETURNS TABLE (name text, status text, refresh_mode text, is_populated boolean,
        consecutive_errors integer, schedule text, data_timestamp timestamptz, staleness interval,
        scc_id integer)
    LANGUAGE sql VOLATILE
    BEGIN ATOMIC
        SELECT i.name, i.status, i.refresh_mode, i.is_populated, i.consecutive_errors, i.schedule,
            i.data_timestamp, i.staleness, s.circle::integer
        FROM pgtrickle.stream_tables_info i
        JOIN pgtrickle.pgt_stream_tables s USING (pgt_id)
        ORDER BY i.pgt_schema, i.pgt_name;
    END;
COMMENT ON FUNCTION pgtrickle.pgt_status() IS
    'All stream tables: state, schedule, and as of when their content is exact.';

CREATE FUNCTION pgtrickle.pgt_scc_status()
    RETURNS TABLE (scc_id integer, member_count integer, members text[], last_iterations integer,
        last_converged_at timestamptz)
    LANGUAGE sql STABLE
    BEGIN ATOMIC
        SELECT s.circle::integer, count(*)::integer,
            array_agg(format('%I.%I', s.pgt_schema, s.pgt_name) ORDER BY s.pgt_schema, s.pgt_name),
            c.last_iterations, c.last_converged_at
        FROM pgtrickle.pgt_stream_tables s
        LEFT JOIN pgtrickle.pgt_circles c USING (circle)
        WHERE s.circle IS NOT NULL
        GROUP BY s.circle, c.circle, c.last_iterations, c.last_converged_at
        ORDER BY s.circle;
    END;
COMMENT ON FUNCTION pgtrickle.pgt_scc_status() IS
    'Circles of stream tables that read each other, and how their last refresh came to rest.';

CREATE FUNCTION pgtrickle.get_staleness(name text) RETURNS double precision
    LANGUAGE sql VOLATILE STRICT
    BEGIN ATOMIC
        SELECT extract(epoch FROM i.staleness)::double precision
        FROM pgtrickle.stream_tables_info i
        WHERE i.pgt_relid = (get_staleness.name)::regclass;
    END;
COMMENT ON FUNCTION pgtrickle.get_staleness(text) IS
    'Seconds since the content of a stream table was last known to be exact.';

CREATE FUNCTION pgtrickle.refresh_timeline(max_rows integer DEFAULT 50)
    RETURNS TABLE (start_time timestamptz, stream_table text, action text, status text,
        rows_inserted bigint, rows_deleted bigint, duration_ms double precision,
        error_message text)
    LANGUAGE sql STABLE
    BEGIN ATOMIC
        SELECT h.start_time, format('%I.%I', s.pgt_schema, s.pgt_name), h.action, h.status,
            h.rows_inserted, h.rows_deleted, h.duration_ms, h.error_message
        FROM pgtrickle.pgt_refresh_history h
        JOIN pgtrickle.pgt_stream_tables s USING (pgt_id)
        ORDER BY h.refresh_id DESC
        LIMIT refresh_timeline.max_rows;
    END;
COMMENT ON FUNCTION pgtrickle.refresh_timeline(integer) IS
    'The newest refreshes of all stream tables, newest first.';

CREATE FUNCTION pgtrickle.st_refresh_stats()
    RETURNS TABLE (pgt_name text, pgt_schema text, status text, refresh_mode text,
        is_populated boolean, total_refreshes bigint, successful_refreshes bigint,
        failed_refreshes bigint, total_rows_inserted bigint, total_rows_deleted bigint,
        avg_duration_ms double precision, last_refresh_action text, last_refresh_status text,
        last_refresh_at timestamptz, staleness_secs double precision, stale boolean)
    LANGUAGE sql VOLATILE
    BEGIN ATOMIC
        SELECT i.pgt_name::text, i.pgt_schema::text, i.status, i.refresh_mode, i.is_populated,
            h.total, h.successful, h.failed, h.inserted, h.deleted, h.duration,
            l.action, l.status, l.start_time,
            extract(epoch FROM i.staleness)::double precision, i.stale
        FROM pgtrickle.stream_tables_info i
        CROSS JOIN LATERAL (
            SELECT coalesce(sum(refreshes), 0)::bigint AS total,
                coalesce(sum(refreshes) FILTER (WHERE status = 'COMPLETED'), 0)::bigint AS successful,
                coalesce(sum(refreshes) FILTER (WHERE status = 'FAILED'), 0)::bigint AS failed,
                coalesce(sum(rows_inserted), 0)::bigint AS inserted,
                coalesce(sum(rows_deleted), 0)::bigint AS deleted,
                sum(duration_ms) FILTER (WHERE status = 'COMPLETED')
                    / nullif(sum(refreshes) FILTER (WHERE status = 'COMPLETED'), 0)::double precision
                    AS duration
            FROM pgtrickle.pgt_refresh_totals WHERE pgt_id = i.pgt_id
        ) h
        LEFT JOIN LATERAL (
            SELECT action, status, start_time FROM pgtrickle.pgt_refresh_history
            WHERE pgt_id = i.pgt_id ORDER BY refresh_id DESC LIMIT 1
        ) l ON true
        ORDER BY i.pgt_schema, i.pgt_name;
    END;
COMMENT ON FUNCTION pgtrickle.st_refresh_stats() IS
    'All refreshes of each stream table, added up.';

CREATE FUNCTION pgtrickle.list_sources(name text)
    RETURNS TABLE (source_table text, source_oid oid, source_type text, cdc_mode text,
        columns_used text[])
    LANGUAGE sql STABLE STRICT
    BEGIN ATOMIC
        SELECT format('%I.%I', n.nspname, c.relname), c.oid, d.source_type,
            CASE WHEN d.compared THEN 'comparison' WHEN NOT d.captured THEN 'none' WHEN k.method = 'REFRESH' THEN 'refresh'
                ELSE lower(k.method) END,
            ARRAY(SELECT a.attname::text FROM pg_attribute a
                WHERE a.attrelid = c.oid AND a.attnum = ANY (d.columns_used) ORDER BY a.attnum)
        FROM pgtrickle.pgt_stream_tables s
        JOIN pgtrickle.pgt_dependencies d USING (pgt_id)
        JOIN pg_class c ON c.oid = d.source_relid
        JOIN pg_namespace n ON n.oid = c.relnamespace
        LEFT JOIN pgtrickle.pgt_captures k ON k.source_relid = c.oid
        WHERE s.pgt_relid = (list_sources.name)::regclass
        ORDER BY 1;
    END;
COMMENT ON FUNCTION pgtrickle.list_sources(text) IS
    'What a stream table reads, and how changes of it are captured.';

CREATE FUNCTION pgtrickle.trigger_inventory()
    RETURNS TABLE (source_table text, source_oid oid, trigger_name text, trigger_type text,
        present boolean, enabled boolean)
    LANGUAGE sql STABLE
    BEGIN ATOMIC
        SELECT DISTINCT format('%I.%I', n.nspname, c.relname), c.oid, t.name, t.type,
            g.oid IS NOT NULL, coalesce(g.tgenabled = 'A', false)
        FROM pgtrickle.pgt_captures k
        JOIN pg_class c ON c.oid = ANY (k.members) AND c.relkind = 'r'
        JOIN pg_namespace n ON n.oid = c.relnamespace
        CROSS JOIN (VALUES ('pgt_capture_row', 'ROW'), ('pgt_capture_truncate', 'TRUNCATE'))
            AS t (name, type)
        LEFT JOIN pg_trigger g ON g.tgrelid = c.oid AND g.tgname = t.name
        WHERE k.method = 'TRIGGER' OR k.method = 'WAL' AND t.type = 'TRUNCATE'
        ORDER BY 1, 3;
    END;
COMMENT ON FUNCTION pgtrickle.trigger_inventory() IS
    'The triggers that capture changes should have, and whether they are there.';

CREATE FUNCTION pgtrickle.change_buffer_sizes()
    RETURNS TABLE (stream_table text, source_table text, source_oid oid, cdc_mode text,
        pending_rows bigint, buffer_bytes bigint)
    LANGUAGE sql VOLATILE
    BEGIN ATOMIC
        SELECT format('%I.%I', s.pgt_schema, s.pgt_name), format('%I.%I', n.nspname, c.relname),
            c.oid, CASE k.method WHEN 'REFRESH' THEN 'refresh' ELSE lower(k.method) END,
            -- It has had them before anybody else.
            CASE s.refresh_mode WHEN 'IMMEDIATE' THEN 0
                ELSE pgtrickle._pending_rows(s.pgt_id, c.oid) END,
            pg_total_relation_size(k.buffer_relid)
        FROM pgtrickle.pgt_stream_tables s
        JOIN pgtrickle.pgt_dependencies d USING (pgt_id)
        JOIN pgtrickle.pgt_captures k USING (source_relid)
        JOIN pg_class c ON c.oid = d.source_relid
        JOIN pg_namespace n ON n.oid = c.relnamespace
        WHERE d.captured
        ORDER BY 1, 2;
    END;
COMMENT ON FUNCTION pgtrickle.change_buffer_sizes() IS
    'Changes that wait for each stream table, and the size of the buffers that hold them.';

CREATE FUNCTION pgtrickle.st_auto_threshold(name text) RETURNS double precision
    LANGUAGE sql VOLATILE STRICT
    BEGIN ATOMIC
        WITH of AS MATERIALIZED (
            SELECT s.pgt_id FROM pgtrickle.pgt_stream_tables s
            WHERE s.pgt_relid = (st_auto_threshold.name)::regclass
                AND s.refresh_mode = 'AUTO' AND s.compiled IS NOT NULL
        ), rows AS (
            SELECT sum(greatest(c.reltuples, 0)) AS n
            FROM of
            JOIN pgtrickle.pgt_dependencies d USING (pgt_id)
            JOIN pgtrickle.pgt_captures k USING (source_relid)
            JOIN pg_class c ON c.oid = ANY (k.members) AND c.relkind = 'r'
            WHERE d.captured
        ), newest AS (
            SELECT h.action, h.delta_rows, h.duration_ms, row_number() OVER (
                PARTITION BY h.action = 'DIFFERENTIAL' ORDER BY h.refresh_id DESC) AS n
            FROM of
            JOIN pgtrickle.pgt_refresh_history h USING (pgt_id)
            WHERE h.status = 'COMPLETED' AND (h.action IN ('FULL', 'REINITIALIZE')
                OR h.action = 'DIFFERENTIAL' AND h.delta_rows > 0)
        ), cost AS (
            SELECT percentile_cont(0.5) WITHIN GROUP (ORDER BY duration_ms)
                    FILTER (WHERE action <> 'DIFFERENTIAL') AS of_all,
                percentile_cont(0.5) WITHIN GROUP (ORDER BY duration_ms / delta_rows)
                    FILTER (WHERE action = 'DIFFERENTIAL') AS of_a_row
            FROM newest WHERE n <= 20
        )
        -- FULL is chosen where it promises to take 1.5 times less.
        SELECT least(1, t.part) FROM (
            SELECT (1.5 * of_all / nullif(of_a_row, 0) / nullif(rows.n, 0))::double precision
            FROM cost, rows
        ) AS t (part)
        WHERE t.part IS NOT NULL;
    END;
COMMENT ON FUNCTION pgtrickle.st_auto_threshold(text) IS
    'Above about which part of the rows of its sources, changed, AUTO takes FULL; NULL if unknown.';

CREATE VIEW pgtrickle.pgt_cdc_status AS
    SELECT k.source_relid, format('%I.%I', n.nspname, c.relname) AS source_table,
        CASE k.method WHEN 'REFRESH' THEN 'refresh' ELSE lower(k.method) END AS cdc_mode,
        CASE k.method WHEN 'WAL' THEN w.slot_name END AS slot_name,
        format('%I.%I', bn.nspname, b.relname) AS buffer_table,
        pg_total_relation_size(k.buffer_relid) AS buffer_bytes,
        ARRAY(SELECT format('%I.%I', s.pgt_schema, s.pgt_name)
            FROM pgtrickle.pgt_dependencies d JOIN pgtrickle.pgt_stream_tables s USING (pgt_id)
            WHERE d.source_relid = k.source_relid AND d.captured ORDER BY 1) AS stream_tables
    FROM pgtrickle.pgt_captures k
    JOIN pg_class c ON c.oid = k.source_relid
    JOIN pg_namespace n ON n.oid = c.relnamespace
    JOIN pg_class b ON b.oid = k.buffer_relid
    JOIN pg_namespace bn ON bn.oid = b.relnamespace
    LEFT JOIN pgtrickle.pgt_wal w ON true;
COMMENT ON VIEW pgtrickle.pgt_cdc_status IS
    'Sources whose changes are captured: how, where to, and for which stream tables.';

CREATE FUNCTION pgtrickle.slot_health()
    RETURNS TABLE (slot_name name, source_relid oid, active boolean, retained_wal_bytes bigint,
        wal_status text)
    LANGUAGE sql VOLATILE
    BEGIN ATOMIC
        SELECT s.slot_name, k.source_relid, s.active,
            greatest(pg_wal_lsn_diff(CASE WHEN pg_is_in_recovery() THEN pg_last_wal_replay_lsn()
                ELSE pg_current_wal_lsn() END, s.restart_lsn), 0)::bigint,
            s.wal_status
        FROM pg_replication_slots s
        LEFT JOIN pgtrickle.pgt_cdc_status k ON k.slot_name = s.slot_name
        WHERE s.database = current_database()
        ORDER BY s.slot_name, k.source_relid;
    END;
COMMENT ON FUNCTION pgtrickle.slot_health() IS
    'Replication slots of this database, and the WAL that they keep; ours once for each of its sources.';

CREATE FUNCTION pgtrickle.check_cdc_health()
    RETURNS TABLE (source_relid oid, source_table text, cdc_mode text, slot_name name,
        lag_bytes bigint, confirmed_lsn pg_lsn, alert text)
    LANGUAGE sql VOLATILE
    BEGIN ATOMIC
        SELECT c.source_relid, c.source_table, c.cdc_mode, c.slot_name,
            greatest(pg_wal_lsn_diff(CASE WHEN pg_is_in_recovery() THEN pg_last_wal_replay_lsn()
                ELSE pg_current_wal_lsn() END, s.confirmed_flush_lsn), 0)::bigint,
            s.confirmed_flush_lsn,
            nullif(concat_ws(', ',
                CASE k.method WHEN 'WAL'
                    THEN 'slot ' || c.slot_name || ' ' || pgtrickle._slot_fault() END,
                (SELECT string_agg(format('%s %s', u.member_relid::regclass, u.what), ', '
                    ORDER BY u.member_relid)
                FROM pgtrickle._wal_unfit u WHERE u.source_relid = c.source_relid),
                (SELECT string_agg(format('trigger %s on %s is %s', i.trigger_name, i.source_table,
                    CASE WHEN i.present THEN 'disabled' ELSE 'missing' END), ', '
                    ORDER BY i.source_table, i.trigger_name)
                FROM pgtrickle.trigger_inventory() i
                WHERE NOT i.enabled AND i.source_oid = ANY (k.members))), '')
        FROM pgtrickle.pgt_cdc_status c
        JOIN pgtrickle.pgt_captures k USING (source_relid)
        LEFT JOIN pg_replication_slots s ON s.slot_name = c.slot_name
        ORDER BY c.source_table;
    END;
COMMENT ON FUNCTION pgtrickle.check_cdc_health() IS
    'What is wrong with the capture of each source; alert is NULL where nothing is.';

CREATE FUNCTION pgtrickle.missing_indexes()
    RETURNS TABLE (stream_table text, source_table text, columns text[], source_bytes bigint,
        create_index text)
    LANGUAGE sql VOLATILE
    BEGIN ATOMIC
        SELECT format('%I.%I', s.pgt_schema, s.pgt_name), format('%I.%I', n.nspname, c.relname),
            names.columns,
            (SELECT coalesce(sum(pg_table_size(m)), 0)::bigint FROM unnest(k.members) AS m),
            format('CREATE INDEX ON %I.%I (%s)', n.nspname, c.relname,
                (SELECT string_agg(quote_ident(x), ', ') FROM unnest(names.columns) AS x))
        FROM pgtrickle.pgt_wanted_indexes w
        JOIN pgtrickle.pgt_stream_tables s USING (pgt_id)
        JOIN pgtrickle.pgt_captures k USING (source_relid)
        JOIN pg_class c ON c.oid = w.source_relid
        JOIN pg_namespace n ON n.oid = c.relnamespace
        CROSS JOIN LATERAL (
            SELECT ARRAY(SELECT a.attname::text FROM unnest(w.columns) WITH ORDINALITY AS x (attnum, n)
                JOIN pg_attribute a ON a.attrelid = w.source_relid AND a.attnum = x.attnum
                ORDER BY x.n) AS columns
        ) names
        WHERE s.home = pgtrickle._home() AND NOT EXISTS (
            SELECT FROM pg_index i
            JOIN pg_class ic ON ic.oid = i.indexrelid
            JOIN pg_am am ON am.oid = ic.relam
            WHERE i.indrelid = w.source_relid AND i.indisvalid AND i.indpred IS NULL
                AND CASE
                    WHEN w.prefix IS NULL
                        THEN am.amname IN ('btree', 'hash') AND i.indkey[0] = ANY (w.columns)
                    ELSE am.amname = 'btree'
                        AND w.columns[:w.prefix] <@ (i.indkey::smallint[])[:w.prefix - 1]
                        AND w.columns[w.prefix + 1:]
                            = (i.indkey::smallint[])[w.prefix:cardinality(w.columns) - 1]
                END)
        ORDER BY 1, 2, 3;
    END;
COMMENT ON FUNCTION pgtrickle.missing_indexes() IS
    'Indexes on sources that delta programs would use, and that are not there.';

REVOKE ALL ON FUNCTION pgtrickle.rebuild_cdc_triggers() FROM PUBLIC;

CREATE FUNCTION pgtrickle.explain_st(name text) RETURNS TABLE (property text, value text)
    LANGUAGE sql VOLATILE STRICT
    BEGIN ATOMIC
        SELECT p.property, p.value
        FROM pgtrickle.pgt_stream_tables s
        JOIN pgtrickle.stream_tables_info i USING (pgt_id)
        LEFT JOIN LATERAL (
            SELECT h.* FROM pgtrickle.pgt_refresh_history h
            WHERE h.pgt_id = s.pgt_id ORDER BY h.refresh_id DESC LIMIT 1
        ) l ON true
        CROSS JOIN LATERAL (VALUES
            (1, 'stream_table', i.name),
            (2, 'status', s.status),
            (3, 'refresh_mode', s.refresh_mode),
            (4, 'effective_refresh_mode', i.effective_refresh_mode),
            (5, 'incremental', CASE WHEN s.compiled IS NULL THEN 'no' ELSE 'yes' END),
            (6, 'schedule', s.schedule),
            (7, 'schedule_seconds', i.schedule_seconds::text),
            (8, 'is_populated', s.is_populated::text),
            (9, 'data_timestamp', i.data_timestamp::text),
            (10, 'staleness', i.staleness::text),
            (11, 'needs_reinit', CASE WHEN s.needs_reinit
                THEN 'yes: ' || coalesce(s.reinit_reason, '') ELSE 'no' END),
            (12, 'consecutive_errors', s.consecutive_errors::text),
            (13, 'last_error', s.last_error),
            (14, 'last_refresh', l.action || ' ' || l.status || ' at ' || l.start_time
                || ', ' || round(l.duration_ms::numeric, 1) || ' ms'
                || coalesce(', ' || l.reason, '')),
            (15, 'sources', (SELECT string_agg(source_table, ', ' ORDER BY source_table)
                FROM pgtrickle.list_sources(i.name))),
            (16, 'states', (SELECT string_agg(c.relname, ', ' ORDER BY c.relname)
                FROM pg_class c WHERE c.relkind = 'r'
                AND c.relnamespace = (SELECT oid FROM pg_namespace WHERE nspname = 'pgtrickle_store')
                AND c.relname LIKE format('state\_%s\_%%', s.pgt_id))),
            (17, 'reasons', nullif(jsonb_array_length(s.reasons), 0)::text
                || ' (see pgtrickle.explain_refresh_mode)'),
            (18, 'append_only', s.append_only::text),
            (19, 'pooler_compatibility_mode', s.pooler_compatibility_mode::text),
            (20, 'defining_query', s.defining_query),
            (21, 'original_query', s.original_query)
        ) AS p (n, property, value)
        WHERE s.pgt_relid = (explain_st.name)::regclass
        ORDER BY p.n;
    END;
COMMENT ON FUNCTION pgtrickle.explain_st(text) IS
    'What there is to know of one stream table.';

CREATE VIEW pgtrickle.pg_stat_stream_tables AS
    SELECT r.* FROM pgtrickle.st_refresh_stats() r;
COMMENT ON VIEW pgtrickle.pg_stat_stream_tables IS
    'All refreshes of each stream table, added up.';

CREATE FUNCTION pgtrickle.health_check()
    RETURNS TABLE (check_name text, severity text, detail text)
    LANGUAGE sql VOLATILE
    BEGIN ATOMIC
        WITH info AS MATERIALIZED (
            SELECT * FROM pgtrickle.stream_tables_info
        ), buffers AS MATERIALIZED (
            SELECT stream_table, source_table, pending_rows FROM pgtrickle.change_buffer_sizes()
            WHERE pending_rows >= coalesce(current_setting('pg_trickle.buffer_alert_threshold', true), '1000000')::bigint
        ), slots AS MATERIALIZED (
            SELECT slot_name, retained_wal_bytes, wal_status,
                retained_wal_bytes >= 1048576
                    * coalesce(current_setting('pg_trickle.slot_lag_critical_threshold_mb', true), '1024')::bigint
                    OR wal_status IN ('unreserved', 'lost') AS critical
            FROM (SELECT DISTINCT slot_name, retained_wal_bytes, wal_status
                FROM pgtrickle.slot_health()) AS h
            WHERE retained_wal_bytes >= 1048576
                    * coalesce(current_setting('pg_trickle.slot_lag_warning_threshold_mb', true), '100')::bigint
                OR wal_status IN ('unreserved', 'lost')
        ), triggers AS MATERIALIZED (
            SELECT source_table, trigger_name, present FROM pgtrickle.trigger_inventory()
            WHERE NOT enabled
        ), held AS MATERIALIZED (
            -- Who holds the entry of a stream table refreshes it, or keeps others from it.
            SELECT i.name, l.pid, clock_timestamp() - began AS since
            FROM pg_locks l
            JOIN info i ON i.pgt_id::oid = l.objid
            CROSS JOIN LATERAL (
                SELECT coalesce(
                    (SELECT a.xact_start FROM pg_stat_activity a WHERE a.pid = l.pid),
                    (SELECT p.prepared FROM pg_locks x
                        JOIN pg_prepared_xacts p ON p.transaction = x.transactionid
                        WHERE l.pid IS NULL AND x.pid IS NULL AND x.locktype = 'transactionid'
                            AND x.virtualtransaction = l.virtualtransaction)) AS began
            ) AS b
            WHERE l.locktype = 'object' AND l.granted AND l.mode = 'ExclusiveLock'
                AND l.classid = 'pgtrickle.pgt_stream_tables'::regclass AND l.objsubid = 0
                AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())
                AND clock_timestamp() - began > greatest(
                    interval '10 seconds', i.schedule_seconds * interval '1 second',
                    -- Twice what any has taken.
                    (SELECT max(duration_ms) FROM pgtrickle.pgt_refresh_history h
                        WHERE h.pgt_id = i.pgt_id) * interval '2 milliseconds')
        ), missing AS MATERIALIZED (
            -- To scan a small table costs no more than an index does.
            SELECT stream_table, create_index FROM pgtrickle.missing_indexes()
            WHERE source_bytes >= 1048576
        )
        SELECT c.check_name, c.severity, c.detail FROM (
            SELECT 1, 'scheduler_running',
                CASE WHEN r.running OR NOT r.wanted THEN 'OK'
                    WHEN r.running IS NULL THEN 'WARN' ELSE 'ERROR' END,
                CASE WHEN r.running THEN 'the scheduler serves this database'
                    WHEN NOT r.wanted THEN 'there is nothing to refresh'
                    WHEN r.running IS NULL
                    THEN 'pg_trickle is not in shared_preload_libraries: refresh by hand'
                    WHEN NOT coalesce(current_setting('pg_trickle.enabled', true), 'on')::boolean
                    THEN 'no scheduler serves this database: pg_trickle.enabled is off'
                    ELSE 'no scheduler serves this database' END
            FROM (SELECT pgtrickle._scheduler_running(), EXISTS (SELECT FROM info
                WHERE status <> 'SUSPENDED' AND refresh_mode <> 'IMMEDIATE')) AS r (running, wanted)
            UNION ALL
            SELECT 2, 'error_tables', CASE WHEN count(*) > 0 THEN 'ERROR' ELSE 'OK' END,
                coalesce(string_agg(name, ', ' ORDER BY name) || ': suspended or in error', 'none')
            FROM info WHERE status IN ('SUSPENDED', 'ERROR')
            UNION ALL
            SELECT 3, 'stale_tables', CASE WHEN count(*) > 0 THEN 'WARN' ELSE 'OK' END,
                coalesce(string_agg(name, ', ' ORDER BY name) || ': older than twice the schedule',
                    'none')
            FROM info WHERE stale AND status NOT IN ('SUSPENDED', 'ERROR')
            UNION ALL
            SELECT 4, 'needs_reinit', CASE WHEN count(*) > 0 THEN 'WARN' ELSE 'OK' END,
                coalesce(string_agg(name || coalesce(' (' || reinit_reason || ')', ''), ', '
                    ORDER BY name), 'none')
            FROM info WHERE needs_reinit
            UNION ALL
            SELECT 5, 'consecutive_errors', CASE WHEN count(*) > 0 THEN 'WARN' ELSE 'OK' END,
                coalesce(string_agg(name || ': ' || coalesce(last_error, ''), ', ' ORDER BY name),
                    'none')
            FROM info WHERE consecutive_errors > 0
            UNION ALL
            SELECT 6, 'stuck_refreshes', CASE WHEN count(*) > 0 THEN 'WARN' ELSE 'OK' END,
                coalesce(string_agg(name || ': held for ' || date_trunc('second', since)
                    || coalesce(' by process ' || pid, ' by a prepared transaction'), ', '
                    ORDER BY name), 'none')
            FROM held
            UNION ALL
            SELECT 7, 'capture_triggers', CASE WHEN count(*) > 0 THEN 'ERROR' ELSE 'OK' END,
                coalesce(string_agg(trigger_name || ' on ' || source_table || ' is '
                    || CASE WHEN present THEN 'disabled' ELSE 'missing' END, ', '
                    ORDER BY source_table, trigger_name), 'none is missing or disabled')
            FROM triggers
            UNION ALL
            SELECT 8, 'buffer_growth', CASE WHEN count(*) > 0 THEN 'WARN' ELSE 'OK' END,
                coalesce(string_agg(source_table || ': ' || pending_rows || ' rows wait for '
                    || stream_table, ', ' ORDER BY source_table, stream_table), 'none')
            FROM buffers
            UNION ALL
            SELECT 9, 'slot_lag', CASE WHEN bool_or(critical) THEN 'ERROR'
                WHEN count(*) > 0 THEN 'WARN' ELSE 'OK' END,
                coalesce(string_agg(slot_name || ' keeps ' || pg_size_pretty(retained_wal_bytes)
                    || ' of WAL (' || wal_status || ')', ', ' ORDER BY slot_name),
                    CASE WHEN EXISTS (SELECT FROM pgtrickle.pgt_captures WHERE method = 'WAL')
                        THEN 'none' ELSE 'none: changes are captured by triggers' END)
            FROM slots
            UNION ALL
            SELECT 10, 'wal_capture', CASE WHEN count(*) > 0 THEN 'ERROR' ELSE 'OK' END,
                coalesce(string_agg(alert, ', ' ORDER BY alert), 'nothing is wrong')
            FROM (SELECT DISTINCT CASE f.fault WHEN 'is not needed any more'
                    THEN 'our replication slot is not needed any more, and keeps WAL'
                    ELSE 'our replication slot ' || f.fault END AS alert
                FROM pgtrickle._slot_fault() AS f (fault) WHERE f.fault IS NOT NULL
                UNION SELECT format('%s %s', member_relid::regclass, what)
                FROM pgtrickle._wal_unfit) AS w
            UNION ALL
            SELECT 11, 'missing_indexes', CASE WHEN count(*) > 0 THEN 'WARN' ELSE 'OK' END,
                coalesce(string_agg(create_index || ' for ' || stream_tables, ', '
                    ORDER BY create_index), 'none')
            FROM (SELECT create_index,
                string_agg(stream_table, ', ' ORDER BY stream_table) AS stream_tables
                FROM missing GROUP BY create_index) AS m
            UNION ALL
            SELECT 12, 'worker_pool', 'OK', format('%s of %s refreshers are at work',
                w.active_workers, w.max_workers)
            FROM pgtrickle.worker_pool_status() AS w
            UNION ALL
            SELECT 13, 'job_queue', CASE WHEN count(*) > 0 THEN 'WARN' ELSE 'OK' END,
                count(*) || ' stream tables are due for longer than their schedule'
            FROM info WHERE stale AND status = 'ACTIVE' AND refresh_mode <> 'IMMEDIATE'
        ) AS c (n, check_name, severity, detail)
        ORDER BY c.n;
    END;
COMMENT ON FUNCTION pgtrickle.health_check() IS
    'What needs attention: one row for each check.';

CREATE VIEW pgtrickle.quick_health AS
    SELECT h.total_stream_tables, h.error_tables, h.stale_tables, h.scheduler_running,
        CASE WHEN h.total_stream_tables = 0 THEN 'EMPTY'
            WHEN NOT h.scheduler_running AND h.scheduled > 0 THEN 'CRITICAL'
            WHEN h.error_tables > 0 THEN 'CRITICAL'
            WHEN h.stale_tables > 0 THEN 'WARNING'
            ELSE 'OK' END AS status
    FROM (
        SELECT count(*) AS total_stream_tables,
            count(*) FILTER (WHERE status IN ('SUSPENDED', 'ERROR')) AS error_tables,
            count(*) FILTER (WHERE stale) AS stale_tables,
            count(*) FILTER (WHERE status <> 'SUSPENDED' AND refresh_mode <> 'IMMEDIATE') AS scheduled,
            (SELECT coalesce(pgtrickle._scheduler_running(), false)) AS scheduler_running
        FROM pgtrickle.stream_tables_info
    ) h;
COMMENT ON VIEW pgtrickle.quick_health IS 'One row: is everything well?';

GRANT SELECT ON pgtrickle.stream_tables_info, pgtrickle.pg_stat_stream_tables,
    pgtrickle.quick_health, pgtrickle.pgt_cdc_status TO PUBLIC;
