WITH stale AS MATERIALIZED (
    SELECT i.pgt_id, i.name, i.status, i.consecutive_errors,
        round(extract(epoch FROM i.staleness), 1) AS seconds, i.schedule_seconds
    FROM pgtrickle.stream_tables_info i
    WHERE i.stale AND i.is_populated
)
SELECT 'stale_data', s.pgt_id, NULL::text, jsonb_build_object(
    'stream_table', s.name,
    'staleness_seconds', s.seconds,
    'schedule_seconds', s.schedule_seconds)
FROM stale s
UNION ALL
-- It is neither suspended nor do its refreshes fail, or wait for a lock: there was no time for it.
SELECT 'scheduler_falling_behind', NULL, NULL, jsonb_build_object(
    'stream_tables', count(*),
    'staleness_seconds', max(s.seconds))
FROM stale s
WHERE s.status = 'ACTIVE' AND s.consecutive_errors = 0 AND 'COMPLETED' = (
    SELECT h.status FROM pgtrickle.pgt_refresh_history h
    WHERE h.pgt_id = s.pgt_id
    ORDER BY h.refresh_id DESC
    LIMIT 1)
HAVING count(*) > 0
UNION ALL
SELECT DISTINCT 'slot_lag_warning', NULL::bigint, h.slot_name::text, jsonb_build_object(
    'slot_name', h.slot_name,
    'retained_wal_bytes', h.retained_wal_bytes)
FROM pgtrickle.slot_health() h
WHERE h.retained_wal_bytes >= 1048576 * current_setting('pg_trickle.slot_lag_warning_threshold_mb')::bigint
