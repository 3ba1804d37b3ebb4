SELECT s.pgt_id,
    s.schedule,
    s.data_timestamp,
    p.as_of,
    CASE WHEN s.consecutive_errors > 0 THEN (
        SELECT h.start_time
        FROM pgtrickle.pgt_refresh_history h
        WHERE h.pgt_id = s.pgt_id AND h.status = 'FAILED'
        ORDER BY h.refresh_id DESC
        LIMIT 1
    ) END,
    s.consecutive_errors,
    s.is_populated AND NOT s.needs_reinit AND s.home = (SELECT pgtrickle._home()) AND s.compiled IS NOT NULL AND s.clock IS NULL AND s.refresh_mode <> 'FULL'
        AND NOT EXISTS (SELECT FROM pgtrickle.pgt_dependencies d WHERE d.pgt_id = s.pgt_id AND d.compared),
    s.frontier,
    s.frontier_xid,
    s.frontier_upto,
    -- A circle is refreshed as a whole or not at all.
    CASE WHEN s.circle IS NOT NULL AND EXISTS (
        SELECT FROM pgtrickle.pgt_stream_tables m WHERE m.circle = s.circle AND m.tier = 'frozen'
    ) THEN 'frozen' ELSE s.tier END,
    s.diamond_consistency = 'atomic',
    s.diamond_schedule_policy = 'slowest',
    CASE WHEN s.schedule LIKE '@%' OR s.schedule LIKE '% %' THEN (
        SELECT e.value ->> 1
        FROM pg_catalog.jsonb_array_elements(s.settings) e
        WHERE e.value ->> 0 = 'TimeZone'
    ) END,
    held.reason
FROM pgtrickle.pgt_stream_tables s
LEFT JOIN pgtrickle.pgt_behind p USING (pgt_id)
LEFT JOIN (
    SELECT h.pgt_id, pg_catalog.min(h.reason) AS reason
    FROM pgtrickle._held() h
    GROUP BY h.pgt_id
) held USING (pgt_id)
WHERE s.status <> 'SUSPENDED' AND s.refresh_mode <> 'IMMEDIATE'
    AND (s.circle IS NULL OR NOT EXISTS (
        SELECT FROM pgtrickle.pgt_stream_tables m
        WHERE m.circle = s.circle AND m.status = 'SUSPENDED'))
