//! The databases of this server, read by a process that is connected to none of them.

use pgrx::prelude::*;

/// Databases that allow connections and are not templates.
pub fn connectable() -> Vec<pg_sys::Oid> {
    let mut out = vec![];
    // SAFETY: a catalog scan in a transaction, as PostgreSQL's own launchers do it: only shared
    // catalogs can be read without a database, and not through the planner.
    unsafe {
        pg_sys::StartTransactionCommand();
        let relation = pg_sys::table_open(
            pg_sys::DatabaseRelationId,
            pg_sys::AccessShareLock as pg_sys::LOCKMODE,
        );
        let scan = pg_sys::table_beginscan_catalog(relation, 0, std::ptr::null_mut());
        loop {
            let tuple = pg_sys::heap_getnext(scan, pg_sys::ScanDirection::ForwardScanDirection);
            if tuple.is_null() {
                break;
            }
            let header = (*tuple).t_data;
            let row = header
                .cast::<u8>()
                .add((*header).t_hoff as usize)
                .cast::<pg_sys::FormData_pg_database>();
            if (*row).datallowconn && !(*row).datistemplate {
                out.push((*row).oid);
            }
        }
        pg_sys::table_endscan(scan);
        pg_sys::table_close(relation, pg_sys::AccessShareLock as pg_sys::LOCKMODE);
        pg_sys::CommitTransactionCommand();
    }
    out
}
