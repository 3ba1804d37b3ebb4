//! The trigger functions, called by the server's trigger manager directly.

use super::audience::Audience;
use super::buffer::{self, Mark};
use super::{columns, pending};
use crate::immediate::{log, restored};
use pgrx::pg_sys;
use pgrx::prelude::*;

/// The trigger's data, if it fires as a trigger at all.
///
/// # Safety
/// `fcinfo` must be what the server passed.
unsafe fn trigger_data<'a>(fcinfo: pg_sys::FunctionCallInfo) -> &'a pg_sys::TriggerData {
    // SAFETY: by the caller's promise; the node's tag is checked.
    unsafe {
        let context = (*fcinfo).context;
        if context.is_null() || (*context).type_ != pg_sys::NodeTag::T_TriggerData {
            error!("this function can only be called as a trigger");
        }
        &*context.cast::<pg_sys::TriggerData>()
    }
}

/// Tells all readers of a source that its content was replaced: they rebuild.
pub fn replaced(source: pg_sys::Oid, buffer: pg_sys::Oid, audience: &Audience) {
    mark(source, buffer, audience, Mark::Replaced);
}

fn mark(source: pg_sys::Oid, buffer: pg_sys::Oid, audience: &Audience, mark: Mark) {
    if audience.deferred {
        buffer::append(buffer, |writer| writer.mark(mark));
    }
    log::replaced(source, audience, mark);
}

/// AFTER INSERT OR UPDATE OR DELETE … FOR EACH ROW.
///
/// # Safety
/// Called by the server only.
#[unsafe(no_mangle)]
#[pg_guard]
pub unsafe extern "C-unwind" fn pgt_capture_row(fcinfo: pg_sys::FunctionCallInfo) -> pg_sys::Datum {
    // SAFETY: for AFTER ROW triggers the server fills tg_trigslot, and tg_newslot for updates.
    unsafe {
        let data = trigger_data(fcinfo);
        let null = pg_sys::Datum::from(0);
        let nothing = std::ptr::null_mut();
        let targets = columns::targets(data.tg_relation);
        if targets.is_empty() {
            restored::look();
        }
        for target in &*targets {
            if target.audience.by_wal {
                continue;
            }
            if target.misfit {
                replaced(target.source, target.buffer, &target.audience);
                continue;
            }
            let (old, new) = match data.tg_event & pg_sys::TRIGGER_EVENT_OPMASK {
                pg_sys::TRIGGER_EVENT_INSERT => (nothing, data.tg_trigslot),
                pg_sys::TRIGGER_EVENT_DELETE => (data.tg_trigslot, nothing),
                pg_sys::TRIGGER_EVENT_UPDATE => (data.tg_trigslot, data.tg_newslot),
                _ => error!("capture_row fired for an unknown event"),
            };
            if target.audience.deferred {
                pending::add(target, old, new);
            }
            if !target.audience.immediate.is_empty() {
                log::add(target, old, new);
            }
        }
        null
    }
}

/// AFTER TRUNCATE … FOR EACH STATEMENT.
///
/// # Safety
/// Called by the server only.
#[unsafe(no_mangle)]
#[pg_guard]
pub unsafe extern "C-unwind" fn pgt_capture_truncate(
    fcinfo: pg_sys::FunctionCallInfo,
) -> pg_sys::Datum {
    // SAFETY: as above.
    unsafe {
        let data = trigger_data(fcinfo);
        let targets = columns::targets(data.tg_relation);
        if targets.is_empty() {
            restored::look();
        }
        for target in &*targets {
            mark(
                target.source,
                target.buffer,
                &target.audience,
                Mark::Truncated,
            );
        }
        pg_sys::Datum::from(0)
    }
}

crate::c_function!(pg_finfo_pgt_capture_row);
crate::c_function!(pg_finfo_pgt_capture_truncate);
