//! IMMEDIATE stream tables that come from a dump, with their content and with the triggers on their
//! sources. What a trigger is to tell whom is not in a dump, nor who reads what. So the first
//! statement on a table with a trigger that knows of nobody has all of them compiled anew and rebuilt
//! when it ends, as it would after DDL; from then on they are kept.

use super::log;
use crate::capture::audience::latest;
use crate::capture::pending::own_subtransaction;
use crate::catalog::stream_table::own_table_if_any;
use crate::sql::arg;
use pgrx::pg_sys;
use std::cell::Cell;

thread_local! {
    /// The transaction that has asked, and its subtransaction: what that asks for goes with it.
    static ASKED: Cell<(u32, u32)> = const { Cell::new((0, 0)) };
}

/// A trigger has fired that knows of nobody.
pub fn look() {
    // SAFETY: the backend has an entry of its own, which only it writes.
    let transaction = unsafe { (*pg_sys::MyProc).vxid.lxid };
    let asking = (transaction, own_subtransaction());
    if ASKED.replace(asking) == asking {
        return;
    }
    if own_table_if_any("pgt_stream_tables").is_none() {
        return;
    }
    let mut restored: Vec<i64> = vec![];
    latest(|connection| {
        let rows = connection.read(
            "SELECT pgt_id FROM pgtrickle.pgt_stream_tables WHERE refresh_mode = $1 AND home <> \
             pgtrickle._home() AND is_populated AND status <> 'SUSPENDED' ORDER BY 1",
            &[arg("IMMEDIATE")],
        );
        restored.extend(rows.iter().filter_map(|row| row.get::<i64>(1)));
    });
    restored.into_iter().for_each(log::rebuild);
}
