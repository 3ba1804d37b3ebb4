//! The trigger functions, called by the server's trigger manager directly.

use super::buffer::{Mark, Writer};
use super::columns::{self, Target};
use crate::pg::image_eq;
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

/// All columns of a row.
///
/// # Safety
/// `slot` must hold a row.
unsafe fn deform(slot: *mut pg_sys::TupleTableSlot) -> *mut pg_sys::TupleTableSlot {
    // SAFETY: by the caller's promise.
    unsafe {
        let natts = (*(*slot).tts_tupleDescriptor).natts;
        if i32::from((*slot).tts_nvalid) < natts {
            pg_sys::slot_getsomeattrs_int(slot, natts);
        }
        slot
    }
}

/// Do both rows have the same image in all captured columns?
///
/// # Safety
/// Both slots must hold deformed rows of the target's source.
unsafe fn unchanged(
    target: &Target,
    old: *mut pg_sys::TupleTableSlot,
    new: *mut pg_sys::TupleTableSlot,
) -> bool {
    target.columns.iter().all(|column| {
        // SAFETY: by the caller's promise.
        unsafe {
            let (a, b) = (
                *(*old).tts_isnull.add(column.from),
                *(*new).tts_isnull.add(column.from),
            );
            a == b
                && (a
                    || image_eq(
                        *(*old).tts_values.add(column.from),
                        *(*new).tts_values.add(column.from),
                        column.by_value,
                        column.len,
                    ))
        }
    })
}

/// # Safety
/// `slot` must hold a deformed row of the target's source.
unsafe fn write(writer: &mut Writer, target: &Target, w: i16, slot: *mut pg_sys::TupleTableSlot) {
    // SAFETY: the buffer's columns have the types of the source's: `misfit` is false.
    unsafe {
        writer.write(w, |values, nulls| {
            for column in &target.columns {
                values[column.to] = *(*slot).tts_values.add(column.from);
                nulls[column.to] = *(*slot).tts_isnull.add(column.from);
            }
        });
    }
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
        let Some(target) = columns::target(data.tg_relation) else {
            return null;
        };
        let event = data.tg_event & pg_sys::TRIGGER_EVENT_OPMASK;
        if target.misfit {
            Writer::open(target.buffer).mark(Mark::Replaced);
            return null;
        }
        let row = deform(data.tg_trigslot);
        match event {
            pg_sys::TRIGGER_EVENT_INSERT => {
                write(&mut Writer::open(target.buffer), &target, 1, row);
            }
            pg_sys::TRIGGER_EVENT_DELETE => {
                write(&mut Writer::open(target.buffer), &target, -1, row);
            }
            pg_sys::TRIGGER_EVENT_UPDATE => {
                let new = deform(data.tg_newslot);
                if !unchanged(&target, row, new) {
                    let mut writer = Writer::open(target.buffer);
                    write(&mut writer, &target, -1, row);
                    write(&mut writer, &target, 1, new);
                }
            }
            _ => error!("capture_row fired for an unknown event"),
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
        if let Some(target) = columns::target(data.tg_relation) {
            Writer::open(target.buffer).mark(Mark::Replaced);
        }
        pg_sys::Datum::from(0)
    }
}

crate::c_function!(pg_finfo_pgt_capture_row);
crate::c_function!(pg_finfo_pgt_capture_truncate);
