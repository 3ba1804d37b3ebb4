-- The built-in layer of the catalog, as JSON, for `regenerate`: the query of the extension's
-- snapshot, from OID 0 to the first that is not the same on every server.
\set snapshot `cat "$SNAPSHOT_SQL"`
SET search_path = '';
:snapshot \bind '{}' 0 12000 '{}' '{}' \g
