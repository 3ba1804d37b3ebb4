SELECT d.pgt_id, k.buffer_relid, up.pgt_id, d.source_relid
FROM pgtrickle.pgt_dependencies d
LEFT JOIN pgtrickle.pgt_captures k USING (source_relid)
LEFT JOIN pgtrickle.pgt_stream_tables up ON up.pgt_relid = d.source_relid
