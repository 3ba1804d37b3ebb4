-- Gates, watermarks and groups: what holds refreshes up, and what is refreshed together.

CREATE TABLE pgtrickle.pgt_source_gates (
    -- By its name in a dump.
    source_relid regclass PRIMARY KEY,
    gated boolean NOT NULL,
    gated_at timestamptz,
    ungated_at timestamptz,
    gated_by text
);
COMMENT ON TABLE pgtrickle.pgt_source_gates IS
    'Sources that are, or were, being loaded: what reads them is not refreshed by the scheduler.';

CREATE TABLE pgtrickle.pgt_watermarks (
    source_relid regclass PRIMARY KEY,
    watermark timestamptz NOT NULL,
    updated_at timestamptz NOT NULL DEFAULT pg_catalog.now(),
    advanced_by text NOT NULL
);
COMMENT ON TABLE pgtrickle.pgt_watermarks IS
    'Up to which moment each source is complete, as those who load it say.';

CREATE TABLE pgtrickle.pgt_watermark_groups (
    group_id integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    group_name text NOT NULL UNIQUE,
    sources regclass[] NOT NULL,
    tolerance_secs double precision NOT NULL CHECK (tolerance_secs >= 0),
    created_at timestamptz NOT NULL DEFAULT pg_catalog.now()
);
COMMENT ON TABLE pgtrickle.pgt_watermark_groups IS
    'Sources that are read together only while their watermarks are close to each other.';

CREATE TABLE pgtrickle.pgt_refresh_groups (
    group_id integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    group_name text NOT NULL UNIQUE,
    isolation text NOT NULL CHECK (isolation IN ('read_committed', 'repeatable_read')),
    created_at timestamptz NOT NULL DEFAULT pg_catalog.now()
);
COMMENT ON TABLE pgtrickle.pgt_refresh_groups IS
    'Stream tables that are refreshed together, in one transaction and under one snapshot.';

CREATE TABLE pgtrickle.pgt_refresh_group_members (
    group_id integer NOT NULL REFERENCES pgtrickle.pgt_refresh_groups ON DELETE CASCADE,
    pgt_id bigint NOT NULL REFERENCES pgtrickle.pgt_stream_tables ON DELETE CASCADE,
    PRIMARY KEY (group_id, pgt_id)
);
COMMENT ON TABLE pgtrickle.pgt_refresh_group_members IS 'The members of refresh groups.';

GRANT SELECT ON pgtrickle.pgt_source_gates, pgtrickle.pgt_watermarks,
    pgtrickle.pgt_watermark_groups, pgtrickle.pgt_refresh_groups,
    pgtrickle.pgt_refresh_group_members TO PUBLIC;

SELECT pg_catalog.pg_extension_config_dump('pgtrickle.pgt_source_gates', '');
SELECT pg_catalog.pg_extension_config_dump('pgtrickle.pgt_watermarks', '');
SELECT pg_catalog.pg_extension_config_dump('pgtrickle.pgt_watermark_groups', '');
SELECT pg_catalog.pg_extension_config_dump('pgtrickle.pgt_watermark_groups_group_id_seq', '');
SELECT pg_catalog.pg_extension_config_dump('pgtrickle.pgt_refresh_groups', '');
SELECT pg_catalog.pg_extension_config_dump('pgtrickle.pgt_refresh_groups_group_id_seq', '');
SELECT pg_catalog.pg_extension_config_dump('pgtrickle.pgt_refresh_group_members', '');

-- The sources of watermark groups that each stream table reads, directly or through others.
CREATE FUNCTION pgtrickle._in_watermark_groups()
    RETURNS TABLE (pgt_id bigint, group_id integer, source_relid oid)
    LANGUAGE sql STABLE PARALLEL SAFE
    BEGIN ATOMIC
        WITH RECURSIVE reached (pgt_id, source_relid) AS (
            SELECT d.pgt_id, d.source_relid
            FROM pgtrickle.pgt_dependencies d
            WHERE EXISTS (SELECT FROM pgtrickle.pgt_watermark_groups)
            UNION
            SELECT r.pgt_id, d.source_relid
            FROM reached r
            JOIN pgtrickle.pgt_stream_tables s ON s.pgt_relid::oid = r.source_relid
            JOIN pgtrickle.pgt_dependencies d ON d.pgt_id = s.pgt_id
        )
        SELECT r.pgt_id, g.group_id, r.source_relid
        FROM pgtrickle.pgt_watermark_groups g, reached r
        WHERE r.source_relid::regclass = ANY (g.sources);
    END;
COMMENT ON FUNCTION pgtrickle._in_watermark_groups() IS
    'The sources of watermark groups that each stream table reads, directly or not.';

CREATE FUNCTION pgtrickle._held() RETURNS TABLE (pgt_id bigint, reason text)
    LANGUAGE sql STABLE PARALLEL SAFE
    BEGIN ATOMIC
        SELECT d.pgt_id, format('%s is gated', g.source_relid)
        FROM pgtrickle.pgt_source_gates g
        JOIN pgtrickle.pgt_dependencies d ON d.source_relid = g.source_relid::oid
        WHERE g.gated
        UNION ALL
        SELECT i.pgt_id,
            CASE WHEN count(w.watermark) < count(*)
                THEN format('watermark group %s: %s has no watermark yet', g.group_name,
                    min(i.source_relid::regclass::text) FILTER (WHERE w.watermark IS NULL))
                ELSE format('watermark group %s: the watermarks are more than %s s apart',
                    g.group_name, g.tolerance_secs) END
        FROM pgtrickle._in_watermark_groups() i
        JOIN pgtrickle.pgt_watermark_groups g USING (group_id)
        LEFT JOIN pgtrickle.pgt_watermarks w ON w.source_relid::oid = i.source_relid
        GROUP BY i.pgt_id, g.group_id, g.group_name, g.tolerance_secs
        HAVING count(*) > 1 AND (count(w.watermark) < count(*)
            OR extract(epoch FROM max(w.watermark) - min(w.watermark)) > g.tolerance_secs);
    END;
COMMENT ON FUNCTION pgtrickle._held() IS
    'The stream tables that the scheduler must not refresh now, and why.';

CREATE FUNCTION pgtrickle.source_gates()
    RETURNS TABLE (source_table text, source_schema text, gated boolean, gated_at timestamptz,
        ungated_at timestamptz, gated_by text)
    LANGUAGE sql STABLE PARALLEL SAFE
    BEGIN ATOMIC
        SELECT c.relname::text, n.nspname::text, g.gated, g.gated_at, g.ungated_at, g.gated_by
        FROM pgtrickle.pgt_source_gates g
        JOIN pg_catalog.pg_class c ON c.oid = g.source_relid
        JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
        ORDER BY 2, 1;
    END;
COMMENT ON FUNCTION pgtrickle.source_gates() IS 'Sources that are, or were, gated.';

CREATE FUNCTION pgtrickle.bootstrap_gate_status()
    RETURNS TABLE (source_table text, source_schema text, gated boolean, gated_at timestamptz,
        ungated_at timestamptz, gate_duration interval, affected_stream_tables text)
    LANGUAGE sql STABLE PARALLEL SAFE
    BEGIN ATOMIC
        SELECT c.relname::text, n.nspname::text, g.gated, g.gated_at, g.ungated_at,
            CASE WHEN g.gated THEN now() ELSE g.ungated_at END - g.gated_at,
            (SELECT string_agg(format('%I.%I', s.pgt_schema, s.pgt_name), ', '
                ORDER BY s.pgt_schema, s.pgt_name)
            FROM pgtrickle.pgt_dependencies d
            JOIN pgtrickle.pgt_stream_tables s USING (pgt_id)
            WHERE d.source_relid = g.source_relid::oid)
        FROM pgtrickle.pgt_source_gates g
        JOIN pg_catalog.pg_class c ON c.oid = g.source_relid
        JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
        ORDER BY 2, 1;
    END;
COMMENT ON FUNCTION pgtrickle.bootstrap_gate_status() IS
    'Gates of sources, how long they are or were closed, and which stream tables wait at them.';

CREATE FUNCTION pgtrickle.watermarks()
    RETURNS TABLE (source_table text, source_schema text, watermark timestamptz,
        updated_at timestamptz, advanced_by text)
    LANGUAGE sql STABLE PARALLEL SAFE
    BEGIN ATOMIC
        SELECT c.relname::text, n.nspname::text, w.watermark, w.updated_at, w.advanced_by
        FROM pgtrickle.pgt_watermarks w
        JOIN pg_catalog.pg_class c ON c.oid = w.source_relid
        JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
        ORDER BY 2, 1;
    END;
COMMENT ON FUNCTION pgtrickle.watermarks() IS
    'Up to which moment each source is complete, as those who load it say.';

CREATE FUNCTION pgtrickle.watermark_groups()
    RETURNS TABLE (group_id integer, group_name text, sources text[],
        tolerance_secs double precision, created_at timestamptz)
    LANGUAGE sql STABLE PARALLEL SAFE
    BEGIN ATOMIC
        SELECT g.group_id, g.group_name, g.sources::text[], g.tolerance_secs, g.created_at
        FROM pgtrickle.pgt_watermark_groups g
        ORDER BY 2;
    END;
COMMENT ON FUNCTION pgtrickle.watermark_groups() IS
    'Sources that are read together only while their watermarks are close to each other.';

CREATE FUNCTION pgtrickle.watermark_status()
    RETURNS TABLE (group_name text, min_watermark timestamptz, max_watermark timestamptz,
        lag_secs double precision, aligned boolean, sources_with_watermark integer,
        sources_total integer)
    LANGUAGE sql STABLE PARALLEL SAFE
    BEGIN ATOMIC
        SELECT g.group_name, min(w.watermark), max(w.watermark),
            extract(epoch FROM max(w.watermark) - min(w.watermark))::double precision,
            count(w.watermark) = count(*)
                AND extract(epoch FROM max(w.watermark) - min(w.watermark)) <= g.tolerance_secs,
            count(w.watermark)::integer, count(*)::integer
        FROM pgtrickle.pgt_watermark_groups g
        CROSS JOIN unnest(g.sources) AS source
        LEFT JOIN pgtrickle.pgt_watermarks w ON w.source_relid = source
        GROUP BY g.group_id, g.group_name, g.tolerance_secs
        ORDER BY 1;
    END;
COMMENT ON FUNCTION pgtrickle.watermark_status() IS
    'Whether the watermarks of each group are close enough to each other.';

CREATE FUNCTION pgtrickle.refresh_groups()
    RETURNS TABLE (group_id integer, group_name text, isolation text, members text[],
        created_at timestamptz)
    LANGUAGE sql STABLE PARALLEL SAFE
    BEGIN ATOMIC
        SELECT g.group_id, g.group_name, g.isolation,
            ARRAY(SELECT format('%I.%I', s.pgt_schema, s.pgt_name)
                FROM pgtrickle.pgt_refresh_group_members m
                JOIN pgtrickle.pgt_stream_tables s USING (pgt_id)
                WHERE m.group_id = g.group_id
                ORDER BY s.pgt_schema, s.pgt_name),
            g.created_at
        FROM pgtrickle.pgt_refresh_groups g
        ORDER BY 2;
    END;
COMMENT ON FUNCTION pgtrickle.refresh_groups() IS
    'Stream tables that are refreshed together, in one transaction and under one snapshot.';

CREATE PROCEDURE pgtrickle.run_due() LANGUAGE c AS 'MODULE_PATHNAME', 'pgt_run_due';
COMMENT ON PROCEDURE pgtrickle.run_due() IS
    'Refreshes what is due, as the scheduler does: for servers without background workers.';
