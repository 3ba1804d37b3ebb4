//! Putting capture triggers back that somebody has dropped or disabled where no event trigger saw
//! it.

use super::{capturing, immediate};
use crate::refresh::identity::as_system;
use crate::refresh::name_of;
use crate::sql::{self, arg};
use pgrx::pg_sys;
use pgrx::prelude::*;

/// Captured sources that lack a trigger, or have one that does not always fire.
fn broken() -> Vec<pg_sys::Oid> {
    sql::connect(|c| {
        c.run(
            "SELECT DISTINCT k.source_relid FROM pgtrickle.pgt_captures k JOIN pg_catalog.pg_class c \
             ON c.oid = ANY (k.members) AND c.relkind = 'r' WHERE k.method <> 'REFRESH' AND (SELECT \
             pg_catalog.count(*) FROM pg_catalog.pg_trigger t WHERE t.tgrelid = c.oid AND (t.tgname = \
             'pgt_capture_truncate' OR t.tgname = 'pgt_capture_row' AND k.method = 'TRIGGER') AND \
             t.tgenabled = 'A') < CASE k.method WHEN 'TRIGGER' THEN 2 ELSE 1 END ORDER BY 1",
            &[],
        )
        .iter()
        .filter_map(|row| row.get(1))
        .collect()
    })
}

/// Puts back what is missing. What was written in the meantime nobody has told of, so the readers are
/// rebuilt: at their next refresh, or at the end of this statement.
#[pg_extern(volatile, parallel_unsafe)]
fn rebuild_cdc_triggers() -> String {
    as_system(|| {
        let broken = broken();
        if broken.is_empty() {
            return "all capture triggers are in place".to_owned();
        }
        for &source in &broken {
            capturing::mend(source);
        }
        sql::run(
            "UPDATE pgtrickle.pgt_stream_tables s SET needs_reinit = true, reinit_reason = \
             'the capture of ' || d.source_relid::pg_catalog.regclass || ' was disabled' \
             FROM pgtrickle.pgt_dependencies d WHERE d.pgt_id = s.pgt_id AND d.captured AND \
             d.source_relid = ANY ($1) AND NOT s.needs_reinit",
            &[arg(broken.clone())],
        );
        immediate::after_ddl();
        crate::scheduler::announce();
        let names: Vec<String> = broken.into_iter().map(name_of).collect();
        format!(
            "capture triggers rebuilt: {}; what reads them will be rebuilt",
            names.join(", ")
        )
    })
}
