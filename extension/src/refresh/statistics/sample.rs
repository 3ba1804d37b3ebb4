//! A sample of the rows of a tuplestore, and a row of `pg_statistic` made of it.

use crate::pg::attributes;
use crate::refresh::relation::rows_of;
use pgrx::pg_sys;
use std::collections::HashMap;
use std::collections::hash_map::DefaultHasher;
use std::ffi::CStr;
use std::hash::{Hash, Hasher};

/// Of fewer rows the planner's guesses are good enough, and plans of few rows are kept for others.
const FEW: i64 = 100;

/// What is read of a relation: all rows, or this many stretches of this many rows.
const STRETCHES: i64 = 4;
const STRETCH: i64 = 2048;

/// As many values are counted one by one, ...
const COUNTED: usize = 256;
/// ... as many told of as the most common ones, ...
const COMMON: usize = 100;
/// ... and as many sorted, as the bounds of a histogram.
const SORTED: i64 = 400;
/// Bytes of a value beyond which it is not kept.
const WIDEST: usize = 1024;

/// Rows that are there to be looked at.
#[derive(Clone, Copy)]
pub struct Rows {
    pub store: *mut pg_sys::Tuplestorestate,
    pub desc: pg_sys::TupleDesc,
    /// Where what is found is kept.
    pub context: pg_sys::MemoryContext,
}

/// What was seen of a column.
#[derive(Default)]
struct Seen {
    read: i64,
    nulls: i64,
    /// By the images of the values: how often, and the value, of some of them.
    values: HashMap<u64, (i64, Option<pg_sys::Datum>)>,
    /// How many different values had been seen at the end of each stretch.
    distinct: Vec<i64>,
    /// Values in no order, taken evenly.
    some: Vec<(u64, pg_sys::Datum)>,
}

impl Rows {
    /// A row of `pg_statistic` for a column; none if nothing can be said.
    ///
    /// # Safety
    /// All parts must be alive, and the store not being written to.
    pub unsafe fn analysed(self, attnum: i16) -> Option<pg_sys::HeapTuple> {
        // SAFETY: by the caller's promise; the memory context of the caller comes back.
        unsafe {
            let rows = pg_sys::tuplestore_tuple_count(self.store);
            let place = usize::try_from(attnum).ok()?.checked_sub(1)?;
            let attribute = *attributes(self.desc).get(place)?;
            if rows < FEW {
                return None;
            }
            let before = pg_sys::MemoryContextSwitchTo(self.context);
            let seen = self.look(place, attribute, rows);
            let tuple = seen.tuple(attribute, rows);
            pg_sys::MemoryContextSwitchTo(before);
            Some(tuple)
        }
    }

    unsafe fn look(
        self,
        place: usize,
        attribute: &pg_sys::FormData_pg_attribute,
        rows: i64,
    ) -> Seen {
        let stretches = match rows <= STRETCHES * STRETCH {
            true => vec![(0, rows)],
            false => (0..STRETCHES)
                .map(|n| (n * rows / STRETCHES, STRETCH))
                .collect(),
        };
        let every = (stretches.iter().map(|s| s.1).sum::<i64>() / SORTED).max(1);
        let mut seen = Seen::default();
        // SAFETY: by the caller's promise; a value is copied before the next row comes.
        unsafe {
            rows_of(self.store, self.desc, &stretches, |stretch, slot| {
                let null = *(*slot).tts_isnull.add(place);
                let value = *(*slot).tts_values.add(place);
                seen.row((!null).then_some(value), attribute, every);
                seen.distinct.resize(stretch + 1, 0);
                seen.distinct[stretch] = seen.values.len() as i64;
            });
        }
        seen
    }
}

impl Seen {
    /// # Safety
    /// The value must be of the attribute's type.
    unsafe fn row(
        &mut self,
        value: Option<pg_sys::Datum>,
        attribute: &pg_sys::FormData_pg_attribute,
        every: i64,
    ) {
        self.read += 1;
        let Some(value) = value else {
            self.nulls += 1;
            return;
        };
        // SAFETY: by the caller's promise.
        let bytes = unsafe { bytes(value, attribute) };
        let copy = || match bytes {
            None => value,
            // SAFETY: as many bytes as are copied.
            Some(bytes) => unsafe {
                let copy = pg_sys::palloc(bytes.len()).cast::<u8>();
                copy.copy_from_nonoverlapping(bytes.as_ptr(), bytes.len());
                copy.into()
            },
        };
        let image = match bytes {
            None => value.value() as u64,
            Some(bytes) => {
                let mut hasher = DefaultHasher::new();
                bytes.hash(&mut hasher);
                hasher.finish()
            }
        };
        let narrow = bytes.is_none_or(|b| b.len() <= WIDEST);
        let is_counted = narrow && self.values.len() < COUNTED;
        let fresh = || (0, is_counted.then(copy));
        self.values.entry(image).or_insert_with(fresh).0 += 1;
        if narrow && self.read % every == 0 {
            self.some.push((image, copy()));
        }
    }

    /// How many different values all rows have: those seen, and what as many stretches as were not
    /// read would add.
    fn distinct(&self, rows: i64) -> f64 {
        let unread = (rows - self.read) as f64 / STRETCH as f64;
        let last = self.distinct.last().copied().unwrap_or(1) as f64;
        (last + added(&self.distinct, unread)).max(1.0)
    }

    /// The values that are clearly more common than others, the most common first; all of them, if
    /// they are few.
    fn common(&self) -> Vec<(u64, i64, pg_sys::Datum)> {
        let few = self.values.len() <= COMMON;
        let usual = (self.read - self.nulls) as f64 / self.values.len().max(1) as f64;
        let counted = self.values.iter();
        let counted = counted.filter_map(|(image, (n, value))| Some((*image, *n, (*value)?)));
        let is_common = |n: i64| few || n > 2 && n as f64 > 1.5 * usual;
        let mut common: Vec<_> = counted.filter(|(_, n, _)| is_common(*n)).collect();
        common.sort_by_key(|(image, n, _)| (-n, *image));
        common.truncate(COMMON);
        common
    }

    /// # Safety
    /// The values must be of the attribute's type.
    unsafe fn tuple(
        &self,
        attribute: &pg_sys::FormData_pg_attribute,
        rows: i64,
    ) -> pg_sys::HeapTuple {
        const WIDTH: usize = pg_sys::Natts_pg_statistic as usize;
        // SAFETY: as many values as the catalog has columns, of their types; the lock goes with the
        // look at the columns.
        unsafe {
            let lock = pg_sys::AccessShareLock as i32;
            let catalog = pg_sys::table_open(pg_sys::StatisticRelationId, lock);
            let desc = (*catalog).rd_att;
            let mut values = [pg_sys::Datum::from(0); WIDTH];
            let mut nulls = [true; WIDTH];
            // Those that are fixed in the catalog's struct are never NULL.
            for (i, column) in attributes(desc).iter().enumerate().take(WIDTH) {
                nulls[i] = column.attlen == -1;
            }
            let mut put = |attnum: u32, datum: pg_sys::Datum| {
                values[attnum as usize - 1] = datum;
                nulls[attnum as usize - 1] = false;
            };
            let null_fraction = self.nulls as f64 / self.read.max(1) as f64;
            put(pg_sys::Anum_pg_statistic_stanullfrac, float(null_fraction));
            put(pg_sys::Anum_pg_statistic_stawidth, 8.into());
            put(
                pg_sys::Anum_pg_statistic_stadistinct,
                float(self.distinct(rows)),
            );
            let kind = |kind: u32| pg_sys::Datum::from(kind as usize);
            if let Some(order) = Order::of(attribute) {
                let common = self.common();
                if !common.is_empty() {
                    let share = |n: i64| float(n as f64 / self.read as f64);
                    let shares = common.iter().map(|(_, n, _)| share(*n)).collect();
                    let shown = common.iter().map(|(_, _, value)| *value).collect();
                    put(
                        pg_sys::Anum_pg_statistic_stakind1,
                        kind(pg_sys::STATISTIC_KIND_MCV),
                    );
                    put(pg_sys::Anum_pg_statistic_staop1, order.equal.into());
                    put(pg_sys::Anum_pg_statistic_stacoll1, order.collation.into());
                    put(pg_sys::Anum_pg_statistic_stanumbers1, floats(shares));
                    put(
                        pg_sys::Anum_pg_statistic_stavalues1,
                        array(shown, attribute),
                    );
                }
                let others = self
                    .some
                    .iter()
                    .filter(|(image, _)| !common.iter().any(|(known, _, _)| known == image));
                let mut bounds: Vec<_> = others.map(|(_, value)| *value).collect();
                bounds.sort_by(|a, b| order.compare(*a, *b));
                bounds.dedup_by(|a, b| order.compare(*a, *b).is_eq());
                if bounds.len() > 1 {
                    put(
                        pg_sys::Anum_pg_statistic_stakind2,
                        kind(pg_sys::STATISTIC_KIND_HISTOGRAM),
                    );
                    put(pg_sys::Anum_pg_statistic_staop2, order.less.into());
                    put(pg_sys::Anum_pg_statistic_stacoll2, order.collation.into());
                    put(
                        pg_sys::Anum_pg_statistic_stavalues2,
                        array(bounds, attribute),
                    );
                }
            }
            let tuple = pg_sys::heap_form_tuple(desc, values.as_mut_ptr(), nulls.as_mut_ptr());
            pg_sys::table_close(catalog, lock);
            tuple
        }
    }
}

/// How many new values so many further stretches bring, where this many had been seen at the end of
/// each: always as many as the last one, if the values come in an order, or fewer and fewer by the
/// same factor, if they are drawn from a set that is being exhausted.
fn added(seen: &[i64], further: f64) -> f64 {
    let [first, .., before, last] = *seen else {
        return 0.0;
    };
    let news = (last - before) as f64;
    let factor = (news / first.max(1) as f64).powf(1.0 / (seen.len() - 1) as f64);
    match factor < 1.0 {
        true => news * factor * (1.0 - factor.powf(further)) / (1.0 - factor),
        false => news * further,
    }
}

/// How values of a type are told apart and sorted.
struct Order {
    equal: pg_sys::Oid,
    less: pg_sys::Oid,
    collation: pg_sys::Oid,
    function: *mut pg_sys::FmgrInfo,
}

impl Order {
    /// None for types without an order, and for rows and arrays, whose order may fail.
    unsafe fn of(attribute: &pg_sys::FormData_pg_attribute) -> Option<Order> {
        let wanted =
            pg_sys::TYPECACHE_EQ_OPR | pg_sys::TYPECACHE_LT_OPR | pg_sys::TYPECACHE_CMP_PROC_FINFO;
        // SAFETY: entries of the cache stay.
        unsafe {
            let entry = pg_sys::lookup_type_cache(attribute.atttypid, wanted as i32);
            let none = pg_sys::InvalidOid;
            let composed = (*entry).typtype as u8 == pg_sys::TYPTYPE_COMPOSITE
                || attribute.atttypid == pg_sys::RECORDOID
                || pg_sys::get_element_type(attribute.atttypid) != none;
            if composed
                || (*entry).eq_opr == none
                || (*entry).lt_opr == none
                || (*entry).cmp_proc_finfo.fn_oid == none
            {
                return None;
            }
            let mut collation = attribute.attcollation;
            if collation == none && pg_sys::type_is_collatable(attribute.atttypid) {
                collation = pg_sys::DEFAULT_COLLATION_OID;
            }
            Some(Order {
                equal: (*entry).eq_opr,
                less: (*entry).lt_opr,
                collation,
                function: &raw mut (*entry).cmp_proc_finfo,
            })
        }
    }

    /// # Safety
    /// Both must be values of the type, not NULL.
    unsafe fn compare(&self, a: pg_sys::Datum, b: pg_sys::Datum) -> std::cmp::Ordering {
        // SAFETY: by the caller's promise: a comparison function of the type.
        let order = unsafe { pg_sys::FunctionCall2Coll(self.function, self.collation, a, b) };
        (order.value() as i32).cmp(&0)
    }
}

fn float(number: f64) -> pg_sys::Datum {
    pg_sys::Datum::from((number as f32).to_bits() as usize)
}

/// # Safety
/// Allocates in the current memory context.
unsafe fn floats(mut numbers: Vec<pg_sys::Datum>) -> pg_sys::Datum {
    // SAFETY: float4 is four bytes, by value.
    unsafe {
        pg_sys::construct_array_builtin(
            numbers.as_mut_ptr(),
            numbers.len() as i32,
            pg_sys::FLOAT4OID,
        )
        .into()
    }
}

/// # Safety
/// The values must be of the attribute's type.
unsafe fn array(
    mut values: Vec<pg_sys::Datum>,
    attribute: &pg_sys::FormData_pg_attribute,
) -> pg_sys::Datum {
    // SAFETY: by the caller's promise.
    unsafe {
        pg_sys::construct_array(
            values.as_mut_ptr(),
            values.len() as i32,
            attribute.atttypid,
            i32::from(attribute.attlen),
            attribute.attbyval,
            attribute.attalign,
        )
        .into()
    }
}

/// What a value is made of, if it is not in the datum itself.
///
/// # Safety
/// The value must be of the attribute's type, and not NULL.
unsafe fn bytes<'v>(
    value: pg_sys::Datum,
    attribute: &pg_sys::FormData_pg_attribute,
) -> Option<&'v [u8]> {
    if attribute.attbyval {
        return None;
    }
    // SAFETY: by the caller's promise.
    unsafe {
        let start = value.cast_mut_ptr::<u8>();
        let length = match attribute.attlen {
            -1 => pgrx::varsize_any(start.cast()),
            -2 => CStr::from_ptr(start.cast()).to_bytes_with_nul().len(),
            fixed => fixed as usize,
        };
        Some(std::slice::from_raw_parts(start, length))
    }
}
