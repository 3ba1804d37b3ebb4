//! Change buffers: tables `pgtrickle_store.changes_<source oid>`.
//!
//! Columns `xid, seq, w`, then one column `c<attnum>` for each captured column of the source, with
//! its base type (a domain's checks held when the value was stored). No indexes: a buffer is read
//! whole. Columns are only ever added, so that rows of a narrower time stay readable.

use super::chunk::{self, Chunk, Fit};
use super::sequence;
use crate::pg::{self, OpenRelation, attributes, cstring, quote_identifier};
use crate::sql;
use pgrx::pg_sys;
use pgrx::prelude::*;

/// Positions of the fixed columns.
pub const XID: usize = 0;
pub const SEQ: usize = 1;
pub const W: usize = 2;
pub const FIXED: usize = 3;

pub const STORE: &str = "pgtrickle_store";

/// Weights that are no weights: what cannot be said in rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mark {
    /// The source was truncated: readers rebuild.
    Truncated,
    /// The content of the source was replaced otherwise: readers rebuild.
    Replaced,
    /// The same rows in new storage: nothing for a reader, but a snapshot from before it sees an
    /// empty table.
    Rewritten,
}

impl Mark {
    pub fn weight(self) -> i16 {
        match self {
            Mark::Truncated => 0,
            Mark::Replaced => -i16::MAX,
            Mark::Rewritten => i16::MIN,
        }
    }

    pub fn of(weight: i16) -> Option<Mark> {
        match weight {
            0 => Some(Mark::Truncated),
            weight if weight == -i16::MAX => Some(Mark::Replaced),
            i16::MIN => Some(Mark::Rewritten),
            _ => None,
        }
    }
}

/// No row has a weight beyond this, or the negative of it: those are marks.
pub const LARGEST: i64 = i16::MAX as i64 - 1;

#[derive(Debug, thiserror::Error)]
#[error("the change buffer has no column for column {0} of its source")]
pub struct MissingColumn(pub i16);

/// Where the buffer keeps a column of the source.
pub fn position(
    columns: &[&pg_sys::FormData_pg_attribute],
    attnum: i16,
) -> Result<usize, MissingColumn> {
    let wanted = column_name(attnum);
    columns
        .iter()
        .position(|a| !a.attisdropped && pg::name(&a.attname) == wanted)
        .ok_or(MissingColumn(attnum))
}

fn column_name(attnum: i16) -> String {
    format!("c{attnum}")
}

/// The attnum in the source of a buffer's column.
pub fn source_attnum(column: &str) -> Option<i16> {
    column.strip_prefix('c')?.parse().ok()
}

pub fn table_name(source: pg_sys::Oid) -> String {
    format!("changes_{}", source.to_u32())
}

pub fn schema() -> pg_sys::Oid {
    let name = cstring(STORE);
    // SAFETY: a look-up that returns invalid for what is missing.
    unsafe { pg_sys::get_namespace_oid(name.as_ptr(), true) }
}

/// The buffer of a source, if it has one.
pub fn find(source: pg_sys::Oid) -> Option<pg_sys::Oid> {
    let schema = schema();
    if schema == pg_sys::InvalidOid {
        return None;
    }
    let name = cstring(&table_name(source));
    // SAFETY: a look-up that returns invalid for what is missing.
    let oid = unsafe { pg_sys::get_relname_relid(name.as_ptr(), schema) };
    (oid != pg_sys::InvalidOid).then_some(oid)
}

/// The type under which a column's values are kept, as SQL, and whether it has a collation.
fn storage_type(attribute: &pg_sys::FormData_pg_attribute) -> (pg_sys::Oid, String) {
    // SAFETY: catalog look-ups of an existing type.
    unsafe {
        let mut typmod = attribute.atttypmod;
        let base = pg_sys::getBaseTypeAndTypmod(attribute.atttypid, &mut typmod);
        let text = pg_sys::format_type_extended(
            base,
            typmod,
            (pg_sys::FORMAT_TYPE_TYPEMOD_GIVEN | pg_sys::FORMAT_TYPE_FORCE_QUALIFY) as u16,
        );
        (base, pg::string(text).unwrap_or_default())
    }
}

/// Makes sure that the source has a buffer with these columns. The caller holds a lock on the
/// source that keeps writers out, and has the rights to create tables in the store.
pub fn ensure(source: &OpenRelation, attnums: &[i16]) -> pg_sys::Oid {
    // SAFETY: the source is open.
    let (oid, columns) = unsafe { ((*source.0).rd_id, attributes(source.tuple_desc())) };
    let name = format!("{STORE}.{}", table_name(oid));
    if find(oid).is_none() {
        sql::run(
            &format!(
                "CREATE TABLE {name} (xid pg_catalog.xid8 NOT NULL, seq pg_catalog.int8 NOT NULL, \
                 w pg_catalog.int2 NOT NULL) USING heap WITH (autovacuum_vacuum_scale_factor = 0, \
                 autovacuum_vacuum_threshold = 5000, autovacuum_vacuum_insert_threshold = -1)"
            ),
            &[],
        );
    }
    let buffer = find(oid).unwrap_or_else(|| error!("change buffer {name} was not created"));
    for &attnum in attnums {
        let Some(column) = columns
            .iter()
            .find(|a| a.attnum == attnum && !a.attisdropped)
        else {
            error!(
                "column {attnum} of relation {} does not exist",
                oid.to_u32()
            );
        };
        let (base, sql_type) = storage_type(column);
        let existing = {
            let opened = OpenRelation::open(buffer, pg_sys::AccessShareLock as i32);
            // SAFETY: open.
            let of_buffer = unsafe { attributes(opened.tuple_desc()) };
            position(&of_buffer, attnum)
                .ok()
                .map(|i| of_buffer[i].atttypid)
        };
        let quoted = quote_identifier(&column_name(attnum));
        if existing.is_some_and(|ty| ty != base) {
            // The column was given another type; every reader rebuilds.
            sql::run(&format!("ALTER TABLE {name} DROP COLUMN {quoted}"), &[]);
        }
        if existing != Some(base) {
            sql::run(
                &format!("ALTER TABLE {name} ADD COLUMN {quoted} {sql_type}"),
                &[],
            );
        }
    }
    buffer
}

/// The columns of the source, by attnum, that its buffer keeps under another type.
pub fn misfits(source: &OpenRelation) -> Vec<i16> {
    // SAFETY: the source is open.
    let (oid, columns) = unsafe { ((*source.0).rd_id, attributes(source.tuple_desc())) };
    let Some(buffer) = find(oid) else {
        return Vec::new();
    };
    let opened = OpenRelation::open(buffer, pg_sys::AccessShareLock as i32);
    // SAFETY: open.
    let of_buffer = unsafe { attributes(opened.tuple_desc()) };
    let kept = |column: &pg_sys::FormData_pg_attribute| {
        let index = position(&of_buffer, column.attnum).ok()?;
        Some(of_buffer[index])
    };
    columns
        .iter()
        .filter(|c| !c.attisdropped && kept(c).is_some_and(|k| !fits(c, k)))
        .map(|c| c.attnum)
        .collect()
}

/// Does the buffer's column keep values as the source has them?
pub fn fits(column: &pg_sys::FormData_pg_attribute, kept: &pg_sys::FormData_pg_attribute) -> bool {
    column.attlen == kept.attlen
        && column.attbyval == kept.attbyval
        && (column.atttypid == kept.atttypid || storage_type(column).0 == kept.atttypid)
}

/// The values of one row of a buffer.
pub struct Row {
    values: Vec<pg_sys::Datum>,
    nulls: Vec<bool>,
}

impl Row {
    pub const fn new() -> Self {
        Row {
            values: Vec::new(),
            nulls: Vec::new(),
        }
    }

    /// A row with weight `w` of so many columns; `fill` sets the captured ones it has values for,
    /// by their position in the buffer.
    pub fn set(
        &mut self,
        natts: usize,
        (xid, seq): (u64, i64),
        w: i16,
        fill: impl FnOnce(&mut [pg_sys::Datum], &mut [bool]),
    ) {
        self.values.resize(natts, pg_sys::Datum::from(0));
        self.nulls.clear();
        self.nulls.resize(natts, true);
        fill(&mut self.values, &mut self.nulls);
        self.values[XID] = pg_sys::Datum::from(xid);
        self.values[SEQ] = pg_sys::Datum::from(seq);
        self.values[W] = pg_sys::Datum::from(w);
        self.nulls[..FIXED].fill(false);
    }

    pub fn values(&self) -> &[pg_sys::Datum] {
        &self.values
    }

    pub fn nulls(&self) -> &[bool] {
        &self.nulls
    }
}

/// Appends rows to a buffer's heap, many at a time.
pub struct Writer {
    relation: OpenRelation,
    row: Row,
    chunk: Chunk,
}

/// Opens a buffer for what `work` writes to it.
pub fn append<R>(buffer: pg_sys::Oid, work: impl FnOnce(&mut Writer) -> R) -> R {
    let mut writer = Writer {
        relation: OpenRelation::open(buffer, pg_sys::RowExclusiveLock as i32),
        row: Row::new(),
        chunk: Chunk::default(),
    };
    let result = work(&mut writer);
    writer.flush();
    result
}

impl Writer {
    pub fn tuple_desc(&self) -> pg_sys::TupleDesc {
        self.relation.tuple_desc()
    }

    /// Writes one row with weight `w`; `fill` sets the captured columns it has values for, by
    /// their position in the buffer.
    ///
    /// # Safety
    /// The values set must be valid for the types of the columns.
    pub unsafe fn write(&mut self, w: i16, fill: impl FnOnce(&mut [pg_sys::Datum], &mut [bool])) {
        // SAFETY: within a transaction.
        let number = unsafe { pg_sys::ffi::pg_guard_ffi_boundary(|| sequence::next()) };
        // SAFETY: by the caller's promise.
        unsafe { self.write_numbered(number, w, fill) }
    }

    /// The same for a row that has its number already.
    ///
    /// # Safety
    /// As [`Self::write`].
    pub unsafe fn write_numbered(
        &mut self,
        number: (u64, i64),
        w: i16,
        fill: impl FnOnce(&mut [pg_sys::Datum], &mut [bool]),
    ) {
        let desc = self.tuple_desc();
        // SAFETY: open.
        let natts = unsafe { (*desc).natts } as usize;
        self.row.set(natts, number, w, fill);
        // SAFETY: the row is the descriptor's, by the caller's promise.
        let put = |row: &Row, chunk: &mut Chunk| unsafe {
            pg_sys::ffi::pg_guard_ffi_boundary(|| chunk.put(desc, row))
        };
        let mut fit = put(&self.row, &mut self.chunk);
        if fit == Fit::Full {
            self.flush();
            fit = put(&self.row, &mut self.chunk);
        }
        if fit != Fit::Kept {
            self.flush();
            // SAFETY: open; the row is the descriptor's.
            unsafe {
                pg_sys::ffi::pg_guard_ffi_boundary(|| chunk::write_one(self.relation.0, &self.row));
            }
        }
    }

    pub fn mark(&mut self, mark: Mark) {
        // SAFETY: sets no captured column.
        unsafe { self.write(mark.weight(), |_, _| ()) }
    }

    fn flush(&mut self) {
        // SAFETY: open and locked; the rows were formed for it.
        unsafe {
            pg_sys::ffi::pg_guard_ffi_boundary(|| self.chunk.write(self.relation.0));
        }
    }
}
