-- The tables that the extension keeps its knowledge in. Schema pgtrickle is made by CREATE
-- EXTENSION; users read it. pgtrickle_store holds change buffers and states.

CREATE SCHEMA pgtrickle_store;
GRANT USAGE ON SCHEMA pgtrickle, pgtrickle_store TO PUBLIC;

CREATE TABLE pgtrickle.pgt_stream_tables (
    pgt_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    -- By its name in a dump.
    pgt_relid regclass NOT NULL UNIQUE,
    pgt_name name NOT NULL,
    pgt_schema name NOT NULL,
    defining_query text NOT NULL,
    original_query text NOT NULL,
    -- What the original query means, as the server keeps the query of a view, and what that was
    -- printed as. As long as it prints the same, the original query holds; else what it prints.
    analysed text,
    printed text,
    -- The server and database in which all OIDs and transactions of this row are valid. Elsewhere,
    -- it was restored from a dump.
    home text NOT NULL,
    schedule text NOT NULL,
    tier text NOT NULL DEFAULT 'hot' CHECK (tier IN ('hot', 'warm', 'cold', 'frozen')),
    -- Whether the parts of a diamond that ends here are refreshed together, and when.
    diamond_consistency text NOT NULL DEFAULT 'atomic'
        CHECK (diamond_consistency IN ('none', 'atomic')),
    diamond_schedule_policy text NOT NULL DEFAULT 'fastest'
        CHECK (diamond_schedule_policy IN ('fastest', 'slowest')),
    -- Its sources are promised to gain rows only. Checked whenever changes are read.
    append_only boolean NOT NULL DEFAULT false,
    -- How it asks for the changes of its sources to be captured. A source is captured in one way for
    -- all its readers; auto asks for none.
    cdc_mode text NOT NULL DEFAULT 'auto' CHECK (cdc_mode IN ('auto', 'trigger', 'wal')),
    -- Nothing is kept for it in the sessions that write, and nobody is notified of it.
    pooler_compatibility_mode boolean NOT NULL DEFAULT false,
    refresh_mode text NOT NULL
        CHECK (refresh_mode IN ('AUTO', 'DIFFERENTIAL', 'FULL', 'IMMEDIATE')),
    status text NOT NULL DEFAULT 'INITIALIZING'
        CHECK (status IN ('INITIALIZING', 'ACTIVE', 'SUSPENDED', 'ERROR')),
    is_populated boolean NOT NULL DEFAULT false,
    data_timestamp timestamptz,
    -- What the content is exact for: a snapshot, the transaction that refreshed, and how far that
    -- transaction had counted its own changes.
    frontier pg_snapshot,
    frontier_xid xid8,
    frontier_upto bigint,
    last_refresh_at timestamptz,
    consecutive_errors integer NOT NULL DEFAULT 0,
    last_error text,
    -- Why the next refresh must rebuild; its presence is needs_reinit.
    needs_reinit boolean NOT NULL DEFAULT false,
    reinit_reason text,
    -- The compiled query as data (OIDs, no names), or NULL where only FULL can run it.
    compiled jsonb,
    -- How the clock of a query that asks for the time has moved, as a query; else NULL.
    clock text,
    -- Keys, NOT NULLs and foreign keys that the compiled query relies on.
    dependencies jsonb NOT NULL DEFAULT '[]',
    -- Names of indexes on the table that are ours.
    own_indexes text[] NOT NULL DEFAULT '{}',
    -- Why it is not incremental, or not without bound.
    reasons jsonb NOT NULL DEFAULT '[]',
    -- Counts compilations; programs that a session keeps belong to one of them.
    generation bigint NOT NULL DEFAULT 1,
    -- The circle that it is in, of stream tables that read each other (or of one that reads itself):
    -- the least pgt_id of them.
    circle bigint,
    -- The session's settings at creation that can change what the query's text means.
    settings jsonb NOT NULL,
    created_at timestamptz NOT NULL DEFAULT pg_catalog.now(),
    UNIQUE (pgt_schema, pgt_name)
);
COMMENT ON TABLE pgtrickle.pgt_stream_tables IS
    'Stream tables: what they are and how far they are.';

CREATE TABLE pgtrickle.pgt_dependencies (
    pgt_id bigint NOT NULL REFERENCES pgtrickle.pgt_stream_tables ON DELETE CASCADE,
    source_relid oid NOT NULL,
    source_type text NOT NULL CHECK (source_type IN ('TABLE', 'STREAM_TABLE', 'OTHER')),
    -- attnums whose values matter, and their types when the query was compiled.
    columns_used smallint[] NOT NULL,
    column_types jsonb NOT NULL DEFAULT '[]',
    -- Its changes are captured for this reader.
    captured boolean NOT NULL,
    -- It is compared with a kept copy at each refresh.
    compared boolean NOT NULL,
    -- Transactions that change no other source can keep an IMMEDIATE stream table at the same time.
    together boolean NOT NULL,
    -- Of a reader in a circle: 1 if more rows of the source never make fewer of it, -1 if they never
    -- make more, 0 if neither.
    monotone smallint,
    PRIMARY KEY (pgt_id, source_relid)
);
CREATE INDEX pgt_dependencies_by_source ON pgtrickle.pgt_dependencies (source_relid);
COMMENT ON TABLE pgtrickle.pgt_dependencies IS 'Which sources each stream table reads.';

-- Which writers of the sources of an IMMEDIATE stream table another transaction's snapshot sees.
CREATE TABLE pgtrickle.pgt_turns (
    pgt_id bigint NOT NULL REFERENCES pgtrickle.pgt_stream_tables ON DELETE CASCADE,
    -- The place of a backend among those that run, and the transaction that made the row: there is
    -- another one for the same place where a prepared transaction holds the first.
    writer integer NOT NULL,
    since bigint NOT NULL,
    turn bigint NOT NULL
) WITH (fillfactor = 20);
CREATE INDEX pgt_turns_by_table ON pgtrickle.pgt_turns (pgt_id, writer);
COMMENT ON TABLE pgtrickle.pgt_turns IS
    'Counts the transactions that have changed the sources of each IMMEDIATE stream table.';

CREATE TABLE pgtrickle.pgt_refresh_history (
    refresh_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    pgt_id bigint NOT NULL,
    data_timestamp timestamptz,
    start_time timestamptz NOT NULL,
    end_time timestamptz,
    action text NOT NULL
        CHECK (action IN ('NO_DATA', 'FULL', 'DIFFERENTIAL', 'REINITIALIZE', 'SKIP')),
    status text NOT NULL CHECK (status IN ('RUNNING', 'COMPLETED', 'FAILED', 'SKIPPED')),
    rows_inserted bigint NOT NULL DEFAULT 0,
    rows_deleted bigint NOT NULL DEFAULT 0,
    -- Changed rows of the sources that it read.
    delta_rows bigint NOT NULL DEFAULT 0,
    duration_ms double precision,
    error_message text,
    -- Why this action, where it is not plain.
    reason text,
    initiated_by text NOT NULL CHECK (initiated_by IN ('SCHEDULER', 'MANUAL', 'INITIAL')),
    sqlstate text
);
CREATE INDEX pgt_refresh_history_by_table ON pgtrickle.pgt_refresh_history (pgt_id, refresh_id);
COMMENT ON TABLE pgtrickle.pgt_refresh_history IS 'Every refresh, and what it did.';

-- Written by the scheduler, when it learns of something.
CREATE TABLE pgtrickle.pgt_behind (
    pgt_id bigint PRIMARY KEY REFERENCES pgtrickle.pgt_stream_tables ON DELETE CASCADE,
    -- The content is exact as of this moment, unless it was refreshed since.
    as_of timestamptz NOT NULL
);
COMMENT ON TABLE pgtrickle.pgt_behind IS
    'Stream tables that changes wait for although it is not their time yet.';

CREATE TABLE pgtrickle.pgt_circles (
    circle bigint PRIMARY KEY REFERENCES pgtrickle.pgt_stream_tables ON DELETE CASCADE,
    -- Of the last refresh that had anything to do.
    last_iterations integer NOT NULL,
    last_converged_at timestamptz NOT NULL
);
COMMENT ON TABLE pgtrickle.pgt_circles IS
    'Circles of stream tables that read each other: how they last came to rest.';

CREATE TABLE pgtrickle.pgt_captures (
    source_relid oid PRIMARY KEY,
    buffer_relid oid NOT NULL UNIQUE,
    columns smallint[] NOT NULL,
    -- TRIGGER: by row triggers. WAL: decoded from the write-ahead log. REFRESH: a stream table, whose
    -- refreshes write their own delta.
    method text NOT NULL CHECK (method IN ('TRIGGER', 'WAL', 'REFRESH')),
    -- The source, its partitions and its inheritance children, in the order of their OIDs: what
    -- reading it reads.
    members oid[] NOT NULL
);
COMMENT ON TABLE pgtrickle.pgt_captures IS 'Sources whose changes are captured, and where to.';

CREATE TABLE pgtrickle.pgt_wal (
    -- Of this database: another name has come with a copy of another database.
    slot_name name PRIMARY KEY,
    -- What has committed before is in the buffers, and which transaction has seen to it.
    drained pg_lsn NOT NULL,
    drained_by xid8 NOT NULL
) WITH (fillfactor = 20);
COMMENT ON TABLE pgtrickle.pgt_wal IS 'How far the WAL has been read into the change buffers.';

CREATE TABLE pgtrickle.pgt_wal_members (
    source_relid oid NOT NULL REFERENCES pgtrickle.pgt_captures ON DELETE CASCADE,
    member_relid oid NOT NULL,
    -- What has committed before is not taken: somebody else has told of it, or nobody needs it.
    since pg_lsn NOT NULL,
    PRIMARY KEY (source_relid, member_relid)
);
COMMENT ON TABLE pgtrickle.pgt_wal_members IS
    'Tables whose changes are read from the WAL: what each captured source consists of.';

-- The WAL does not have all that is captured of these.
CREATE VIEW pgtrickle._wal_unfit AS
    SELECT k.source_relid, c.oid AS member_relid,
        CASE WHEN c.relkind NOT IN ('r', 'p') THEN 'is no table of this server'
            WHEN c.relpersistence <> 'p' THEN 'is not logged'
            ELSE 'needs REPLICA IDENTITY FULL' END AS what
    FROM pgtrickle.pgt_captures k
    JOIN pg_catalog.pg_class c ON c.oid = ANY (k.members)
    WHERE k.method = 'WAL' AND (c.relkind NOT IN ('r', 'p') OR c.relpersistence <> 'p'
        -- Old rows are logged whole, or with the columns of an index that all captured ones are in.
        OR c.relkind = 'r' AND c.relreplident <> 'f' AND EXISTS (
            SELECT FROM pg_catalog.pg_attribute s
            WHERE s.attrelid = k.source_relid AND s.attnum = ANY (k.columns) AND NOT s.attisdropped
                AND NOT EXISTS (
                    SELECT FROM pg_catalog.pg_index i
                    JOIN pg_catalog.pg_attribute a ON a.attrelid = i.indrelid
                        AND a.attnum = ANY ((i.indkey::pg_catalog.int2[])[0:i.indnkeyatts - 1])
                    WHERE i.indrelid = c.oid AND a.attname = s.attname AND i.indisvalid
                        AND i.indimmediate AND CASE c.relreplident WHEN 'd' THEN i.indisprimary
                            WHEN 'i' THEN i.indisreplident ELSE false END)));
COMMENT ON VIEW pgtrickle._wal_unfit IS
    'Tables that are captured from the WAL, which does not have all that is needed of them.';

GRANT SELECT ON pgtrickle.pgt_stream_tables, pgtrickle.pgt_dependencies,
    pgtrickle.pgt_refresh_history, pgtrickle.pgt_behind, pgtrickle.pgt_circles,
    pgtrickle.pgt_captures, pgtrickle.pgt_wal, pgtrickle.pgt_wal_members, pgtrickle._wal_unfit
    TO PUBLIC;

SELECT pg_catalog.pg_extension_config_dump('pgtrickle.pgt_stream_tables', '');
SELECT pg_catalog.pg_extension_config_dump('pgtrickle.pgt_stream_tables_pgt_id_seq', '');

-- Trigger functions, called by the server's trigger manager.
CREATE FUNCTION pgtrickle.capture_row() RETURNS trigger
    LANGUAGE c AS 'MODULE_PATHNAME', 'pgt_capture_row';
COMMENT ON FUNCTION pgtrickle.capture_row() IS
    'Trigger: writes changed rows of a source into its change buffer.';
CREATE FUNCTION pgtrickle.capture_truncate() RETURNS trigger
    LANGUAGE c AS 'MODULE_PATHNAME', 'pgt_capture_truncate';
COMMENT ON FUNCTION pgtrickle.capture_truncate() IS
    'Trigger: marks in the change buffer that its source was truncated.';
CREATE FUNCTION pgtrickle.refuse_writes() RETURNS trigger
    LANGUAGE c AS 'MODULE_PATHNAME', 'pgt_refuse_writes';
COMMENT ON FUNCTION pgtrickle.refuse_writes() IS
    'Trigger: stream tables and their states are written by refreshes only.';
REVOKE ALL ON FUNCTION pgtrickle.capture_row(), pgtrickle.capture_truncate(),
    pgtrickle.refuse_writes() FROM PUBLIC;

CREATE FUNCTION pgtrickle.image_hash(record) RETURNS bigint
    LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'pgt_image_hash';
COMMENT ON FUNCTION pgtrickle.image_hash(record) IS
    'A hash of the exact image of a row: rows that are *= have the same.';
CREATE FUNCTION pgtrickle.row_image(record) RETURNS bytea
    LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'pgt_row_image';
COMMENT ON FUNCTION pgtrickle.row_image(record) IS
    'The exact image of a row as bytes: rows have the same iff they are *=.';

CREATE FUNCTION pgtrickle.on_drop() RETURNS event_trigger
    LANGUAGE c AS 'MODULE_PATHNAME', 'pgt_on_drop';
COMMENT ON FUNCTION pgtrickle.on_drop() IS
    'Event trigger: forgets stream tables and captures whose tables were dropped.';
CREATE FUNCTION pgtrickle.on_ddl() RETURNS event_trigger
    LANGUAGE c AS 'MODULE_PATHNAME', 'pgt_on_ddl';
COMMENT ON FUNCTION pgtrickle.on_ddl() IS
    'Event trigger: tells stream tables what has become of the columns that they use.';
CREATE FUNCTION pgtrickle.on_rewrite() RETURNS event_trigger
    LANGUAGE c AS 'MODULE_PATHNAME', 'pgt_on_rewrite';
COMMENT ON FUNCTION pgtrickle.on_rewrite() IS
    'Event trigger: marks in the change buffer that its source got new storage.';
REVOKE ALL ON FUNCTION pgtrickle.on_drop(), pgtrickle.on_ddl(), pgtrickle.on_rewrite() FROM PUBLIC;

CREATE EVENT TRIGGER pgt_on_drop ON sql_drop EXECUTE FUNCTION pgtrickle.on_drop();
CREATE EVENT TRIGGER pgt_on_ddl ON ddl_command_end EXECUTE FUNCTION pgtrickle.on_ddl();
CREATE EVENT TRIGGER pgt_on_rewrite ON table_rewrite EXECUTE FUNCTION pgtrickle.on_rewrite();

CREATE FUNCTION pgtrickle.get_refresh_history(name text, max_rows integer DEFAULT 20)
    RETURNS TABLE (refresh_id bigint, data_timestamp timestamptz, start_time timestamptz,
        end_time timestamptz, action text, status text, rows_inserted bigint, rows_deleted bigint,
        duration_ms double precision, error_message text, delta_rows bigint, reason text,
        initiated_by text, sqlstate text)
    LANGUAGE sql STABLE PARALLEL SAFE
    BEGIN ATOMIC
        SELECT h.refresh_id, h.data_timestamp, h.start_time, h.end_time, h.action, h.status,
            h.rows_inserted, h.rows_deleted, h.duration_ms, h.error_message, h.delta_rows,
            h.reason, h.initiated_by, h.sqlstate
        FROM pgtrickle.pgt_refresh_history h
        JOIN pgtrickle.pgt_stream_tables s USING (pgt_id)
        WHERE s.pgt_relid = (get_refresh_history.name)::regclass
        ORDER BY h.refresh_id DESC
        LIMIT get_refresh_history.max_rows;
    END;
COMMENT ON FUNCTION pgtrickle.get_refresh_history(text, integer) IS
    'The newest refreshes of a stream table, newest first.';
