-- What is kept for those who look: totals, alerts, and what would help.

CREATE INDEX pgt_refresh_history_by_time ON pgtrickle.pgt_refresh_history (start_time);

CREATE TABLE pgtrickle.pgt_refresh_totals (
    pgt_id bigint NOT NULL REFERENCES pgtrickle.pgt_stream_tables ON DELETE CASCADE,
    action text NOT NULL,
    status text NOT NULL,
    refreshes bigint NOT NULL,
    rows_inserted bigint NOT NULL,
    rows_deleted bigint NOT NULL,
    delta_rows bigint NOT NULL,
    duration_ms double precision NOT NULL,
    PRIMARY KEY (pgt_id, action, status)
) WITH (fillfactor = 50);
COMMENT ON TABLE pgtrickle.pgt_refresh_totals IS
    'All refreshes of each stream table, added up: also those that are no longer in the history.';

CREATE TABLE pgtrickle.pgt_alerts (
    event text NOT NULL,
    -- What it is about: a stream table; else, or in addition, something that has a name.
    pgt_id bigint REFERENCES pgtrickle.pgt_stream_tables ON DELETE CASCADE,
    subject text,
    since timestamptz NOT NULL DEFAULT pg_catalog.now(),
    details jsonb NOT NULL,
    UNIQUE NULLS NOT DISTINCT (event, pgt_id, subject)
);
CREATE INDEX pgt_alerts_by_table ON pgtrickle.pgt_alerts (pgt_id);
COMMENT ON TABLE pgtrickle.pgt_alerts IS
    'What listeners were told of and still holds: written by the scheduler.';

CREATE TABLE pgtrickle.pgt_wanted_indexes (
    pgt_id bigint NOT NULL REFERENCES pgtrickle.pgt_stream_tables ON DELETE CASCADE,
    source_relid oid NOT NULL,
    columns smallint[] NOT NULL,
    -- An index serves that begins with so many of these, in any order, and has the others behind
    -- them; without it, one whose first column is any of these.
    prefix smallint,
    UNIQUE NULLS NOT DISTINCT (pgt_id, source_relid, columns, prefix)
);
COMMENT ON TABLE pgtrickle.pgt_wanted_indexes IS
    'By which columns of its sources the delta program of each stream table reads.';

GRANT SELECT ON pgtrickle.pgt_refresh_totals, pgtrickle.pgt_alerts, pgtrickle.pgt_wanted_indexes
    TO PUBLIC;
