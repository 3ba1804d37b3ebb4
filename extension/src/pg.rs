//! What PostgreSQL's headers have and the generated bindings lack, and small safe-by-convention
//! helpers over what they have.

use crate::server;
use pgrx::pg_sys;
use pgrx::pg_sys::panic::CaughtError;
use pgrx::prelude::*;
use std::ffi::{CStr, CString, c_char};

/// Functions of the server that the bindings do not declare.
mod missing {
    use pgrx::pg_sys;
    unsafe extern "C-unwind" {
        pub fn CreateTuplestoreDestReceiver() -> *mut pg_sys::DestReceiver;
        pub fn SetTuplestoreDestReceiverParams(
            receiver: *mut pg_sys::DestReceiver,
            store: *mut pg_sys::Tuplestorestate,
            context: pg_sys::MemoryContext,
            detoast: bool,
            target: pg_sys::TupleDesc,
            mismatch: *const std::ffi::c_char,
        );
    }
}

/// Puts the next row of a scan into `slot` and deforms its first `columns` columns; false at the
/// end.
///
/// # Safety
/// `scan` must be a scan of a heap, whose rows have so many columns and fit the slot. Within a guarded
/// region: the server's errors pass over this frame.
pub unsafe fn next_row_raw(
    scan: pg_sys::TableScanDesc,
    slot: *mut pg_sys::TupleTableSlot,
    columns: i32,
) -> bool {
    let forward = pg_sys::ScanDirection::ForwardScanDirection;
    // SAFETY: by the caller's promise.
    unsafe {
        let found = server::heap_getnextslot(scan, forward, slot);
        if found && i32::from((*slot).tts_nvalid) < columns {
            server::slot_getsomeattrs_int(slot, columns);
        }
        found
    }
}

/// A receiver that appends the rows of a query to `store`, which lives in `context`.
///
/// # Safety
/// `store` must outlive the receiver.
pub unsafe fn tuplestore_receiver(
    store: *mut pg_sys::Tuplestorestate,
    context: pg_sys::MemoryContext,
) -> *mut pg_sys::DestReceiver {
    // SAFETY: plain calls, errors are turned into panics at the boundary.
    unsafe {
        pg_sys::ffi::pg_guard_ffi_boundary(|| {
            let receiver = missing::CreateTuplestoreDestReceiver();
            missing::SetTuplestoreDestReceiverParams(
                receiver,
                store,
                context,
                false,
                std::ptr::null_mut(),
                std::ptr::null(),
            );
            receiver
        })
    }
}

/// Have two values of one type the same image? Values that are toasted are fetched, unless both
/// are the very same toast pointer.
///
/// # Safety
/// Both must be non-null values of a type with this representation. Within a guarded region: the
/// server's errors pass over this frame.
pub unsafe fn image_eq_raw(a: pg_sys::Datum, b: pg_sys::Datum, by_value: bool, len: i16) -> bool {
    if by_value || a.value() == b.value() {
        // By-value datums are stored sign-extended by the deforming code, so that equal images
        // are equal words.
        return a.value() == b.value();
    }
    // SAFETY: by the caller's promise.
    unsafe {
        if len == -1 {
            let (x, y) = (a.cast_mut_ptr::<u8>(), b.cast_mut_ptr::<u8>());
            if is_on_disk(x) && is_on_disk(y) {
                // varattrib_1b_e: header, tag, then the varatt_external of 16 bytes.
                const POINTER: usize = 2 + std::mem::size_of::<pg_sys::varatt_external>();
                if std::slice::from_raw_parts(x, POINTER) == std::slice::from_raw_parts(y, POINTER)
                {
                    return true;
                }
            }
        }
        server::datum_image_eq(a, b, false, len.into())
    }
}

/// VARATT_IS_EXTERNAL: the first byte of a one-byte header without length.
///
/// # Safety
/// `value` must be a varlena.
pub unsafe fn is_external(value: *const u8) -> bool {
    // SAFETY: a varlena has at least one byte.
    let header = unsafe { *value };
    if cfg!(target_endian = "little") {
        header == 0x01
    } else {
        header == 0x80
    }
}

/// VARATT_IS_EXTERNAL_ONDISK, by its tag.
///
/// # Safety
/// `value` must be a varlena.
pub unsafe fn is_on_disk(value: *const u8) -> bool {
    // SAFETY: an external varlena has a tag byte.
    unsafe { is_external(value) && *value.add(1) == 18 }
}

/// The attributes of a tuple descriptor.
///
/// # Safety
/// `desc` must be valid for as long as the slice is used.
pub unsafe fn attributes<'a>(desc: pg_sys::TupleDesc) -> Vec<&'a pg_sys::FormData_pg_attribute> {
    // SAFETY: each index is within natts.
    unsafe {
        (0..(*desc).natts)
            .map(|i| &*pg_sys::TupleDescAttr(desc, i))
            .collect()
    }
}

pub fn name(data: &pg_sys::NameData) -> &str {
    // SAFETY: a name is NUL-terminated within its 64 bytes.
    unsafe { CStr::from_ptr(data.data.as_ptr()) }
        .to_str()
        .unwrap_or("")
}

/// A string for C. No SQL text or identifier can hold a NUL.
pub fn cstring(text: &str) -> CString {
    CString::new(text.replace('\0', "")).unwrap_or_default()
}

/// Copies a C string of the server.
///
/// # Safety
/// `text` must be null or a valid C string.
pub unsafe fn string(text: *const c_char) -> Option<String> {
    // SAFETY: by the caller's promise.
    (!text.is_null()).then(|| {
        unsafe { CStr::from_ptr(text) }
            .to_string_lossy()
            .into_owned()
    })
}

/// `"quoted"` if need be.
pub fn quote_identifier(text: &str) -> String {
    let text = cstring(text);
    // SAFETY: returns the argument or a palloc'd string.
    unsafe { string(pg_sys::quote_identifier(text.as_ptr())) }.unwrap_or_default()
}

/// The relation's name with its schema, quoted; none if it is gone.
pub fn qualified_name(relation: pg_sys::Oid) -> Option<String> {
    // SAFETY: catalog look-ups that return null for what does not exist.
    unsafe {
        let relname = string(pg_sys::get_rel_name(relation))?;
        let schema = string(pg_sys::get_namespace_name(pg_sys::get_rel_namespace(
            relation,
        )))?;
        Some(format!(
            "{}.{}",
            quote_identifier(&schema),
            quote_identifier(&relname)
        ))
    }
}

/// Closes a relation, keeping its lock until the transaction ends.
pub struct OpenRelation(pub pg_sys::Relation);

impl OpenRelation {
    pub fn open(oid: pg_sys::Oid, lock: i32) -> Self {
        // SAFETY: raises an error if there is no such table.
        OpenRelation(unsafe { pg_sys::table_open(oid, lock) })
    }

    /// The same, unless there is no such table (any more).
    pub fn if_there(oid: pg_sys::Oid, lock: i32) -> Option<Self> {
        // SAFETY: answers null if there is no such table.
        let relation = unsafe { pg_sys::try_table_open(oid, lock) };
        (!relation.is_null()).then_some(OpenRelation(relation))
    }

    pub fn tuple_desc(&self) -> pg_sys::TupleDesc {
        // SAFETY: an open relation has a descriptor.
        unsafe { (*self.0).rd_att }
    }
}

impl Drop for OpenRelation {
    fn drop(&mut self) {
        // An error's clean-up closes what is open.
        if !std::thread::panicking() {
            // SAFETY: opened above.
            unsafe { pg_sys::table_close(self.0, pg_sys::NoLock as i32) }
        }
    }
}

/// Runs `work` in a subtransaction, which an error rolls back.
pub fn attempt<R>(work: impl FnOnce() -> R) -> Result<R, Box<CaughtError>> {
    // SAFETY: the calls of the server's own procedural languages, in their order: the context and
    // resource owner of the caller come back at either end.
    unsafe {
        let (context, owner) = (pg_sys::CurrentMemoryContext, pg_sys::CurrentResourceOwner);
        pg_sys::BeginInternalSubTransaction(std::ptr::null());
        pg_sys::MemoryContextSwitchTo(context);
        PgTryBuilder::new(std::panic::AssertUnwindSafe(|| {
            let out = work();
            pg_sys::ReleaseCurrentSubTransaction();
            pg_sys::MemoryContextSwitchTo(context);
            pg_sys::CurrentResourceOwner = owner;
            Ok(out)
        }))
        .catch_others(|error| {
            pg_sys::RollbackAndReleaseCurrentSubTransaction();
            pg_sys::MemoryContextSwitchTo(context);
            pg_sys::CurrentResourceOwner = owner;
            Err(Box::new(error))
        })
        .execute()
    }
}
