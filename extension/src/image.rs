//! The image of a row: its exact bytes, whatever its types call equal.
//!
//! Two rows have the same image iff `record_image_eq` holds: for each column both are NULL, or
//! neither is and the detoasted bytes are the same. Needs no operator of the types, so that json
//! and point have images too.

use pgrx::pg_sys;
use pgrx::prelude::*;

/// Calls `each` with every column of a composite value: its attribute and, unless NULL, its value.
///
/// # Safety
/// `record` must be a non-null composite datum.
unsafe fn columns(
    record: pg_sys::Datum,
    mut each: impl FnMut(&pg_sys::FormData_pg_attribute, Option<pg_sys::Datum>),
) {
    // SAFETY: the header of a composite datum says its type, which gives its descriptor.
    unsafe {
        let header: pg_sys::HeapTupleHeader =
            pg_sys::pg_detoast_datum(record.cast_mut_ptr()).cast();
        let ty = (*header).t_choice.t_datum.datum_typeid;
        let typmod = (*header).t_choice.t_datum.datum_typmod;
        let desc = pg_sys::lookup_rowtype_tupdesc_copy(ty, typmod);
        let natts = (*desc).natts as usize;
        let mut tuple = pg_sys::HeapTupleData {
            t_len: pgrx::varsize_any(header.cast()) as u32,
            t_data: header,
            ..Default::default()
        };
        let mut values = vec![pg_sys::Datum::from(0); natts];
        let mut nulls = vec![true; natts];
        pg_sys::heap_deform_tuple(&mut tuple, desc, values.as_mut_ptr(), nulls.as_mut_ptr());
        for i in 0..natts {
            let attribute = &*pg_sys::TupleDescAttr(desc, i as i32);
            if !attribute.attisdropped {
                each(attribute, (!nulls[i]).then_some(values[i]));
            }
        }
        pg_sys::FreeTupleDesc(desc);
    }
}

/// Calls `with` with the bytes of a value, detoasted and without header.
///
/// # Safety
/// The value must be of the attribute's type.
unsafe fn bytes<R>(
    attribute: &pg_sys::FormData_pg_attribute,
    value: pg_sys::Datum,
    with: impl FnOnce(&[u8]) -> R,
) -> R {
    // SAFETY: by the caller's promise.
    unsafe {
        match (attribute.attbyval, attribute.attlen) {
            (true, len) => with(&value.value().to_le_bytes()[..len.clamp(0, 8) as usize]),
            (false, -1) => {
                let packed = pg_sys::pg_detoast_datum_packed(value.cast_mut_ptr());
                let result = with(pgrx::varlena_to_byte_slice(packed));
                if !std::ptr::eq(packed, value.cast_mut_ptr()) {
                    pg_sys::pfree(packed.cast());
                }
                result
            }
            (false, -2) => with(std::ffi::CStr::from_ptr(value.cast_mut_ptr()).to_bytes()),
            (false, len) => with(std::slice::from_raw_parts(
                value.cast_mut_ptr::<u8>(),
                len.max(0) as usize,
            )),
        }
    }
}

/// FNV-1a over the columns, finished with a multiply-shift so that short rows spread.
pub struct Hash(u64);

impl Default for Hash {
    fn default() -> Self {
        Hash(0xcbf2_9ce4_8422_2325)
    }
}

impl Hash {
    /// # Safety
    /// The value must be of the attribute's type.
    pub unsafe fn column(
        &mut self,
        attribute: &pg_sys::FormData_pg_attribute,
        value: Option<pg_sys::Datum>,
    ) {
        match value {
            None => self.add(&[0]),
            // SAFETY: by the caller's promise.
            Some(value) => unsafe {
                bytes(attribute, value, |bytes| {
                    self.add(&[1]);
                    self.add(&(bytes.len() as u32).to_le_bytes());
                    self.add(bytes);
                });
            },
        }
    }

    fn add(&mut self, bytes: &[u8]) {
        for &byte in bytes {
            self.0 = (self.0 ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3);
        }
    }

    pub fn finish(self) -> u64 {
        let h = (self.0 ^ (self.0 >> 32)).wrapping_mul(0xd6e8_feb8_6659_fd93);
        h ^ (h >> 32)
    }
}

/// # Safety
/// Called by the server only; strict.
#[unsafe(no_mangle)]
#[pg_guard]
pub unsafe extern "C-unwind" fn pgt_image_hash(fcinfo: pg_sys::FunctionCallInfo) -> pg_sys::Datum {
    // SAFETY: one non-null argument of type record.
    unsafe {
        let record = (*(*fcinfo).args.as_ptr()).value;
        let mut hash = Hash::default();
        columns(record, |attribute, value| hash.column(attribute, value));
        pg_sys::Datum::from(hash.finish())
    }
}

/// # Safety
/// Called by the server only; strict.
#[unsafe(no_mangle)]
#[pg_guard]
pub unsafe extern "C-unwind" fn pgt_row_image(fcinfo: pg_sys::FunctionCallInfo) -> pg_sys::Datum {
    // SAFETY: one non-null argument of type record.
    unsafe {
        let record = (*(*fcinfo).args.as_ptr()).value;
        let mut image: Vec<u8> = Vec::with_capacity(64);
        columns(record, |attribute, value| match value {
            None => image.push(0),
            Some(value) => bytes(attribute, value, |bytes| {
                image.push(1);
                if attribute.attlen < 0 {
                    image.extend_from_slice(&(bytes.len() as u32).to_le_bytes());
                }
                image.extend_from_slice(bytes);
            }),
        });
        image.into_datum().unwrap_or(pg_sys::Datum::from(0))
    }
}

crate::c_function!(pg_finfo_pgt_image_hash);
crate::c_function!(pg_finfo_pgt_row_image);
