SELECT CASE
        WHEN s.consecutive_errors > 0
            AND s.consecutive_errors >= current_setting('pg_trickle.max_consecutive_errors')::int
        THEN 'auto_suspended' ELSE 'suspended' END,
    s.pgt_id,
    NULL::text,
    jsonb_build_object(
        'stream_table', format('%I.%I', s.pgt_schema, s.pgt_name),
        'consecutive_errors', s.consecutive_errors,
        'error_message', s.last_error)
FROM pgtrickle.pgt_stream_tables s
WHERE s.status = 'SUSPENDED'
UNION ALL
SELECT 'reinitialize_needed',
    s.pgt_id,
    NULL,
    jsonb_build_object(
        'stream_table', format('%I.%I', s.pgt_schema, s.pgt_name),
        'reason', CASE WHEN s.home <> (SELECT pgtrickle._home()) THEN 'it was restored, or pg_trickle upgraded'
            ELSE s.reinit_reason END)
FROM pgtrickle.pgt_stream_tables s
WHERE s.needs_reinit OR s.home <> (SELECT pgtrickle._home())
