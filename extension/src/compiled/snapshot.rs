//! The catalog snapshot, from the live catalog.

use super::named;
use crate::refresh::settings::Settings;
use crate::sql::{self, arg};
use pgrx::pg_sys;
use spec::catalog::{Catalog, FIRST_UNPINNED, Objects, SNAPSHOT_SQL};

/// Everything that a query on these relations can use, with the search path as it is.
pub fn snapshot(relations: &[pg_sys::Oid]) -> Result<Catalog, serde_json::Error> {
    let text: Option<String> = sql::connect(|c| {
        let path: Vec<String> = c
            .own("SELECT pg_catalog.current_schemas(false)::pg_catalog.text[]")
            .first()
            .and_then(|row| row.get(1))
            .unwrap_or_default();
        let stream_tables: Vec<pg_sys::Oid> = c
            .own("SELECT pgt_relid FROM pgtrickle.pgt_stream_tables")
            .iter()
            .filter_map(|row| row.get(1))
            .collect();
        let mut settings = Settings::local(&[]);
        settings.set("search_path", "");
        // Nobody knows how deep a recursion over the catalog goes, so the planner thinks it dear.
        settings.set("jit", "off");
        let text = c
            .run(
                &format!("SELECT (\n{SNAPSHOT_SQL}\n)::pg_catalog.text"),
                &[
                    arg(relations.to_vec()),
                    arg(pg_sys::Oid::from(FIRST_UNPINNED)),
                    arg(pg_sys::Oid::from(u32::MAX)),
                    arg(stream_tables),
                    arg(path),
                ],
            )
            .first()
            .and_then(|row| row.get(1));
        settings.restore();
        text
    });
    let objects: Objects = serde_json::from_str(&text.unwrap_or_default())?;
    named::note(&objects);
    Ok(Catalog::new(objects))
}
