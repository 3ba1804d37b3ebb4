-- For Prometheus: one metric a row, with the names and units of its conventions. Exporters that run
-- queries against PostgreSQL read it as it is.

CREATE VIEW pgtrickle.prometheus_metrics AS
    WITH info AS MATERIALIZED (
        SELECT i.*, jsonb_build_object('schema', i.pgt_schema, 'stream_table', i.pgt_name) AS labels
        FROM pgtrickle.stream_tables_info i
    ), newest AS MATERIALIZED (
        SELECT i.labels, h.end_time, h.duration_ms
        FROM info i
        CROSS JOIN LATERAL (
            SELECT end_time, duration_ms FROM pgtrickle.pgt_refresh_history
            WHERE pgt_id = i.pgt_id AND status = 'COMPLETED' ORDER BY refresh_id DESC LIMIT 1
        ) h
    ), totals AS MATERIALIZED (
        SELECT i.labels || jsonb_build_object('action', t.action, 'status', t.status) AS labels,
            t.refreshes, t.rows_inserted, t.rows_deleted, t.delta_rows, t.duration_ms
        FROM info i
        JOIN pgtrickle.pgt_refresh_totals t USING (pgt_id)
    )
    SELECT m.name, m.labels, m.value::double precision AS value, m.help, m.type FROM (
        SELECT 'pg_trickle_info' AS name, jsonb_build_object('version', pgtrickle.version()) AS labels,
            1 AS value, 'The version of pg_trickle, as a label.' AS help, 'gauge' AS type
        UNION ALL
        SELECT 'pg_trickle_scheduler_running', '{}',
            coalesce(pgtrickle._scheduler_running(), false)::int,
            '1 if a scheduler serves this database.', 'gauge'
        UNION ALL
        SELECT 'pg_trickle_scheduler_last_look_timestamp_seconds', '{}',
            extract(epoch FROM t.looked), 'When the scheduler last looked at every stream table.',
            'gauge'
        FROM (SELECT pgtrickle._looked_at()) AS t (looked) WHERE t.looked IS NOT NULL
        UNION ALL
        SELECT 'pg_trickle_stream_tables', jsonb_build_object('status', s.status), count(i.pgt_id),
            'Stream tables in each state.', 'gauge'
        FROM unnest(ARRAY['INITIALIZING', 'ACTIVE', 'SUSPENDED', 'ERROR']) AS s (status)
        LEFT JOIN info i ON i.status = s.status GROUP BY s.status
        UNION ALL
        SELECT 'pg_trickle_alerts', jsonb_build_object('event', e.event), count(a.event),
            'What listeners were told of and still holds.', 'gauge'
        FROM unnest(ARRAY['auto_suspended', 'suspended', 'reinitialize_needed', 'stale_data',
            'scheduler_falling_behind', 'buffer_growth_warning', 'slot_lag_warning']) AS e (event)
        LEFT JOIN pgtrickle.pgt_alerts a ON a.event = e.event GROUP BY e.event
        UNION ALL
        SELECT 'pg_trickle_active', labels, (status = 'ACTIVE')::int,
            '1 if the stream table is refreshed, 0 if it is suspended, in error or not filled yet.',
            'gauge' FROM info
        UNION ALL
        SELECT 'pg_trickle_stale', labels, stale::int,
            '1 if the content is older than twice the schedule.', 'gauge' FROM info
        UNION ALL
        SELECT 'pg_trickle_needs_reinit', labels, needs_reinit::int,
            '1 if the next refresh will rebuild the stream table.', 'gauge' FROM info
        UNION ALL
        SELECT 'pg_trickle_consecutive_errors', labels, consecutive_errors,
            'Failures in a row.', 'gauge' FROM info
        UNION ALL
        SELECT 'pg_trickle_schedule_seconds', labels, schedule_seconds,
            'How old the content may become before it is refreshed.', 'gauge'
        FROM info WHERE schedule_seconds IS NOT NULL
        UNION ALL
        SELECT 'pg_trickle_staleness_seconds', labels, extract(epoch FROM staleness),
            'How long ago the content was last known to be exact.', 'gauge'
        FROM info WHERE staleness IS NOT NULL
        UNION ALL
        SELECT 'pg_trickle_data_timestamp_seconds', labels, extract(epoch FROM data_timestamp),
            'When the content was last known to be exact.', 'gauge'
        FROM info WHERE data_timestamp IS NOT NULL
        UNION ALL
        SELECT 'pg_trickle_stream_table_size_bytes', labels, pg_total_relation_size(pgt_relid),
            'The stream table on disk, with its indexes.', 'gauge' FROM info
        UNION ALL
        SELECT 'pg_trickle_last_refresh_timestamp_seconds', labels, extract(epoch FROM end_time),
            'When the last refresh ended that was recorded and succeeded.', 'gauge' FROM newest
        UNION ALL
        SELECT 'pg_trickle_last_refresh_duration_seconds', labels, duration_ms / 1000,
            'How long that refresh took.', 'gauge' FROM newest
        UNION ALL
        SELECT 'pg_trickle_refreshes_total', labels, refreshes,
            'Refreshes, by what they did and how they ended.', 'counter' FROM totals
        UNION ALL
        SELECT 'pg_trickle_refresh_duration_seconds_total', labels, duration_ms / 1000,
            'Time spent in refreshes.', 'counter' FROM totals
        UNION ALL
        SELECT 'pg_trickle_refresh_rows_inserted_total', labels, rows_inserted,
            'Rows that refreshes have inserted into the stream table.', 'counter' FROM totals
        UNION ALL
        SELECT 'pg_trickle_refresh_rows_deleted_total', labels, rows_deleted,
            'Rows that refreshes have deleted from the stream table.', 'counter' FROM totals
        UNION ALL
        SELECT 'pg_trickle_refresh_delta_rows_total', labels, delta_rows,
            'Changed rows of the sources that refreshes have read.', 'counter' FROM totals
        UNION ALL
        SELECT 'pg_trickle_pending_rows', i.labels || jsonb_build_object('source', b.source_table),
            b.pending_rows, 'Changed rows of a source that wait for the stream table.', 'gauge'
        FROM pgtrickle.change_buffer_sizes() b
        JOIN info i ON i.name = b.stream_table
        WHERE b.pending_rows IS NOT NULL
        UNION ALL
        SELECT 'pg_trickle_buffer_size_bytes', jsonb_build_object('source', source_table),
            buffer_bytes, 'The change buffer of a source on disk.', 'gauge'
        FROM pgtrickle.pgt_cdc_status
        UNION ALL
        SELECT 'pg_trickle_capture_triggers_broken', '{}', count(*),
            'Triggers that capture changes, and are missing or disabled.', 'gauge'
        FROM pgtrickle.trigger_inventory() WHERE NOT enabled
        UNION ALL
        SELECT 'pg_trickle_missing_indexes', '{}', count(DISTINCT create_index),
            'Indexes on sources that delta programs would use, and that are not there.', 'gauge'
        FROM pgtrickle.missing_indexes()
        UNION ALL
        SELECT DISTINCT 'pg_trickle_slot_retained_wal_bytes', jsonb_build_object('slot_name', slot_name),
            retained_wal_bytes, 'WAL that a replication slot of this database keeps.', 'gauge'
        FROM pgtrickle.slot_health() WHERE retained_wal_bytes IS NOT NULL
    ) AS m;
COMMENT ON VIEW pgtrickle.prometheus_metrics IS
    'Metrics, one a row: name, labels, value, help, and whether it is a counter or a gauge.';
GRANT SELECT ON pgtrickle.prometheus_metrics TO PUBLIC;
