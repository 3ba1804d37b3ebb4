//! Running SQL through SPI with control over the snapshot, which is what exactness hangs on.
//!
//! *Current*: each statement under a new snapshot (in REPEATABLE READ the transaction's), with
//! what this transaction has done so far. *Under*: exactly a given snapshot.
//!
//! A statement with parameters, and one whose text is a constant ([`Connection::own`]), is kept for
//! the session, so its text must be the program's own. What is made of names or values goes without
//! parameters, and is not kept.

use crate::pg::cstring;
use pgrx::prelude::*;
use pgrx::{FromDatum, IntoDatum, pg_sys};
use std::cell::RefCell;
use std::collections::HashMap;
use std::marker::PhantomData;
use std::rc::Rc;

/// A connection to SPI; rows that it returned live as long as it does.
pub struct Connection {
    _not_send: PhantomData<*mut ()>,
}

/// Runs `work` with a connection of its own.
pub fn connect<R>(work: impl FnOnce(&Connection) -> R) -> R {
    // SAFETY: finished below; after an error the transaction's clean-up does it.
    unsafe {
        pg_sys::SPI_connect();
        let result = work(&Connection {
            _not_send: PhantomData,
        });
        pg_sys::SPI_finish();
        result
    }
}

/// A typed argument.
pub struct Arg {
    oid: pg_sys::Oid,
    datum: Option<pg_sys::Datum>,
}

pub fn arg<T: IntoDatum>(value: T) -> Arg {
    Arg {
        oid: T::type_oid(),
        datum: value.into_datum(),
    }
}

impl Arg {
    pub fn raw(oid: pg_sys::Oid, datum: Option<pg_sys::Datum>) -> Self {
        Arg { oid, datum }
    }
}

/// The rows of a statement, valid while the connection is.
pub struct Rows<'c> {
    table: *mut pg_sys::SPITupleTable,
    pub processed: u64,
    _connection: PhantomData<&'c Connection>,
}

impl<'c> Rows<'c> {
    fn taken() -> Self {
        // SAFETY: set by the statement that has just run.
        unsafe {
            Rows {
                table: pg_sys::SPI_tuptable,
                processed: pg_sys::SPI_processed,
                _connection: PhantomData,
            }
        }
    }

    pub fn len(&self) -> usize {
        if self.table.is_null() {
            0
        } else {
            self.processed as usize
        }
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    pub fn iter(&self) -> impl Iterator<Item = Row<'_, 'c>> {
        (0..self.len()).map(move |index| Row { rows: self, index })
    }

    pub fn first(&self) -> Option<Row<'_, 'c>> {
        self.iter().next()
    }

    pub fn for_each_tuple(&self, mut each: impl FnMut(pg_sys::HeapTuple)) {
        for index in 0..self.len() {
            // SAFETY: index < number of rows.
            each(unsafe { *(*self.table).vals.add(index) });
        }
    }
}

#[derive(Clone, Copy)]
pub struct Row<'r, 'c> {
    rows: &'r Rows<'c>,
    index: usize,
}

impl Row<'_, '_> {
    /// The raw value of a column, from 1.
    pub fn datum(&self, column: i32) -> Option<pg_sys::Datum> {
        // SAFETY: index < number of rows; SPI checks the column.
        unsafe {
            let table = self.rows.table;
            let tuple = *(*table).vals.add(self.index);
            let mut is_null = false;
            let datum = pg_sys::SPI_getbinval(tuple, (*table).tupdesc, column, &mut is_null);
            (!is_null).then_some(datum)
        }
    }

    /// A column, from 1; none if NULL. The type must be that of the column.
    pub fn get<T: FromDatum>(&self, column: i32) -> Option<T> {
        // SAFETY: the statement's author knows its column types.
        self.datum(column)
            .and_then(|d| unsafe { T::from_datum(d, false) })
    }
}

fn check(code: i32, sql: &str) {
    if code < 0 {
        // SAFETY: returns a static string.
        let why = unsafe { crate::pg::string(pg_sys::SPI_result_code_string(code)) };
        error!("SPI: {} in {sql}", why.unwrap_or_default());
    }
}

thread_local! {
    /// Statements with parameters, whose text is the program's own: parsed and planned once in a
    /// session. The server plans them again when what they name changes.
    static KEPT: RefCell<HashMap<String, Vec<Kept>>> = RefCell::new(HashMap::new());
}

struct Kept {
    types: Vec<pg_sys::Oid>,
    plan: pg_sys::SPIPlanPtr,
}

/// The plan of a statement with parameters of these types; valid as long as the session. All such
/// statements look up a few rows of catalogs by key, whatever the values: to plan for each of these, as
/// the server does the first five times, would take longer than to run it.
fn kept(sql: &str, types: &mut [pg_sys::Oid]) -> pg_sys::SPIPlanPtr {
    let known = KEPT.with_borrow(|kept| {
        let of_text = kept.get(sql)?.iter().find(|k| k.types == types)?;
        Some(of_text.plan)
    });
    if let Some(plan) = known {
        return plan;
    }
    let text = cstring(sql);
    // SAFETY: as many types as are said; the plan is moved to where it outlives the connection.
    let plan = unsafe {
        let plan = pg_sys::SPI_prepare_cursor(
            text.as_ptr(),
            types.len() as i32,
            types.as_mut_ptr(),
            pg_sys::CURSOR_OPT_GENERIC_PLAN as i32,
        );
        if plan.is_null() {
            let code = pg_sys::SPI_result;
            check(code.min(-1), sql);
        }
        check(pg_sys::SPI_keepplan(plan), sql);
        plan
    };
    KEPT.with_borrow_mut(|kept| {
        kept.entry(sql.to_owned()).or_default().push(Kept {
            types: types.to_vec(),
            plan,
        });
    });
    plan
}

impl Connection {
    /// Runs one statement under a current snapshot.
    pub fn run(&self, sql: &str, args: &[Arg]) -> Rows<'_> {
        self.execute(sql, args, false)
    }

    /// Runs one statement without parameters, planned once in a session, under a current snapshot.
    pub fn own(&self, sql: &'static str) -> Rows<'_> {
        self.execute_kept(sql, &[], false)
    }

    /// Runs a query that does not write under the active snapshot as it is.
    pub fn read(&self, sql: &str, args: &[Arg]) -> Rows<'_> {
        self.execute(sql, args, true)
    }

    fn execute(&self, sql: &str, args: &[Arg], read_only: bool) -> Rows<'_> {
        if !args.is_empty() {
            return self.execute_kept(sql, args, read_only);
        }
        let text = cstring(sql);
        // SAFETY: no parameters.
        let code = unsafe { pg_sys::SPI_execute(text.as_ptr(), read_only, 0) };
        check(code, sql);
        Rows::taken()
    }

    fn execute_kept(&self, sql: &str, args: &[Arg], read_only: bool) -> Rows<'_> {
        let mut types: Vec<_> = args.iter().map(|a| a.oid).collect();
        let mut values: Vec<_> = args
            .iter()
            .map(|a| a.datum.unwrap_or(pg_sys::Datum::from(0)))
            .collect();
        let nulls: Vec<_> = args
            .iter()
            .map(|a| if a.datum.is_some() { b' ' } else { b'n' } as std::ffi::c_char)
            .collect();
        let plan = kept(sql, &mut types);
        // SAFETY: the arrays have `args.len()` elements each.
        let code = unsafe {
            pg_sys::SPI_execute_plan(plan, values.as_mut_ptr(), nulls.as_ptr(), read_only, 0)
        };
        check(code, sql);
        Rows::taken()
    }

    /// Parses and analyses a statement, which may name registered relations.
    pub fn prepare(&self, sql: &str) -> Plan<'_> {
        let text = cstring(sql);
        // SAFETY: no parameters.
        let plan = unsafe { pg_sys::SPI_prepare(text.as_ptr(), 0, std::ptr::null_mut()) };
        if plan.is_null() {
            // SAFETY: as above.
            let code = unsafe { pg_sys::SPI_result };
            check(code.min(-1), sql);
        }
        Plan {
            plan,
            sql: sql.to_string(),
            is_kept: false,
            _connection: PhantomData,
        }
    }

    /// The same, once in a session for each key: see [`Plans`]. The registered relations that the
    /// statement names must have the same columns whenever the key is the same.
    pub fn prepare_once(&self, key: PlanKey) -> Plan<'_> {
        let known = PLANS.with_borrow(|plans| plans.get(&key).copied());
        let plan = known.unwrap_or_else(|| {
            let mut plan = self.prepare(&key.sql);
            // SAFETY: made by SPI_prepare; from here on it outlives the connection.
            check(unsafe { pg_sys::SPI_keepplan(plan.plan) }, &key.sql);
            plan.is_kept = true;
            keep(key.clone(), plan.plan);
            plan.plan
        });
        Plan {
            plan,
            sql: key.sql,
            is_kept: true,
            _connection: PhantomData,
        }
    }

    /// Makes an ephemeral relation known to the statements that follow.
    ///
    /// # Safety
    /// `relation` and what it points to must outlive the connection.
    pub unsafe fn register(&self, relation: *mut pg_sys::EphemeralNamedRelationData) {
        // SAFETY: by the caller's promise.
        let code = unsafe { pg_sys::SPI_register_relation(relation) };
        check(code, "registering a relation");
    }
}

/// Whose names and columns a plan means, and for how large tables it was made.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Kin {
    /// A stream table, and a compilation of it.
    pub table: (i64, i64),
    /// The changed sources that its program is for.
    pub changed: Vec<u32>,
    /// The tables that it reads and writes, by order of magnitude.
    pub sizes: Vec<u32>,
}

/// What a plan is for.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct PlanKey {
    pub sql: String,
    pub of: Rc<Kin>,
    /// How many rows the registered relations have, by order of magnitude: the planner is told when
    /// a statement is parsed, and never again.
    pub magnitudes: Vec<u8>,
}

/// Plans that are kept for the session. The server plans them again when what they name changes.
type Plans = HashMap<PlanKey, pg_sys::SPIPlanPtr>;

/// Beyond this many, a session begins anew.
const MANY: usize = 2_000;

thread_local! {
    static PLANS: RefCell<Plans> = RefCell::new(HashMap::new());
}

/// Frees the plans that are kept for a stream table.
pub fn forget_plans(pgt_id: i64) {
    let plans: Vec<_> = PLANS.with_borrow_mut(|plans| {
        let own = plans.extract_if(|key, _| key.of.table.0 == pgt_id);
        own.map(|(_, plan)| plan).collect()
    });
    free(plans);
}

fn keep(key: PlanKey, plan: pg_sys::SPIPlanPtr) {
    let old = PLANS.with_borrow_mut(|plans| {
        let old = match plans.len() >= MANY {
            true => std::mem::take(plans),
            false => Plans::new(),
        };
        plans.insert(key, plan);
        old
    });
    free(old.into_values());
}

fn free(plans: impl IntoIterator<Item = pg_sys::SPIPlanPtr>) {
    for plan in plans {
        // SAFETY: kept here; one that is running is freed when it has ended.
        unsafe { pg_sys::SPI_freeplan(plan) };
    }
}

pub struct Plan<'c> {
    plan: pg_sys::SPIPlanPtr,
    sql: String,
    /// It belongs to the session.
    is_kept: bool,
    _connection: PhantomData<&'c Connection>,
}

impl Plan<'_> {
    /// Has it been planned already, and nothing that it names changed since?
    pub fn is_planned(&self) -> bool {
        // SAFETY: a plan that SPI made has a list of sources.
        unsafe {
            let sources = pg_sys::SPI_plan_get_plan_sources(self.plan);
            only(sources).is_some_and(|source| {
                let source = source.cast::<pg_sys::CachedPlanSource>();
                let plan = (*source).gplan;
                (*source).is_valid && !plan.is_null() && (*plan).is_valid
            })
        }
    }

    /// The columns of the result; none if it returns no rows.
    pub fn columns(&self) -> Option<pg_sys::TupleDesc> {
        // SAFETY: a plan that SPI made has a list of sources.
        unsafe {
            let sources = pg_sys::SPI_plan_get_plan_sources(self.plan);
            let source = only(sources)?.cast::<pg_sys::CachedPlanSource>();
            let desc = (*source).resultDesc;
            (!desc.is_null()).then_some(desc)
        }
    }

    /// The condition of `SELECT … FROM relation WHERE condition`, for a registered relation; none if
    /// the statement has come to be of another form. It lives as long as the plan.
    pub fn condition(&self) -> Option<*mut pg_sys::Node> {
        // SAFETY: a plan that SPI made has a list of sources, and each of them its queries.
        unsafe {
            let sources = pg_sys::SPI_plan_get_plan_sources(self.plan);
            let source = only(sources)?.cast::<pg_sys::CachedPlanSource>();
            let query = only((*source).query_list)?.cast::<pg_sys::Query>();
            let read = only((*query).rtable)?.cast::<pg_sys::RangeTblEntry>();
            let condition = (*(*query).jointree).quals;
            let plain = (*read).rtekind == pg_sys::RTEKind::RTE_NAMEDTUPLESTORE
                && !(*query).hasSubLinks
                && !condition.is_null();
            plain.then_some(condition)
        }
    }

    /// Runs it under the active snapshot as it is, the rows going to `receiver`.
    ///
    /// # Safety
    /// `receiver` must be valid.
    pub unsafe fn read_into(&self, receiver: *mut pg_sys::DestReceiver) -> u64 {
        let options = pg_sys::SPIExecuteOptions {
            params: std::ptr::null_mut(),
            read_only: true,
            allow_nonatomic: false,
            must_return_tuples: true,
            tcount: 0,
            dest: receiver,
            owner: std::ptr::null_mut(),
        };
        // SAFETY: the plan is SPI's, the options are valid during the call.
        let code = unsafe { pg_sys::SPI_execute_plan_extended(self.plan, &options) };
        check(code, &self.sql);
        // SAFETY: set by the call.
        unsafe { pg_sys::SPI_processed }
    }

    /// Runs it under a copy of `snapshot` that sees what this transaction has done so far.
    ///
    /// # Safety
    /// `snapshot` must be valid.
    pub unsafe fn write_under(&self, snapshot: pg_sys::Snapshot) -> u64 {
        // SAFETY: by the caller's promise.
        unsafe { self.write_returning(snapshot).processed }
    }

    /// The same; with the rows that it returns.
    ///
    /// # Safety
    /// `snapshot` must be valid.
    pub unsafe fn write_returning(&self, snapshot: pg_sys::Snapshot) -> Rows<'_> {
        // SAFETY: no parameters; by the caller's promise.
        let code = unsafe {
            pg_sys::SPI_execute_snapshot(
                self.plan,
                std::ptr::null_mut(),
                std::ptr::null(),
                snapshot,
                std::ptr::null_mut(),
                false,
                true,
                0,
            )
        };
        check(code, &self.sql);
        Rows::taken()
    }
}

impl Drop for Plan<'_> {
    fn drop(&mut self) {
        if !std::thread::panicking() && !self.plan.is_null() && !self.is_kept {
            // SAFETY: made by SPI_prepare and not kept.
            unsafe { pg_sys::SPI_freeplan(self.plan) };
        }
    }
}

/// The element of a list of one.
///
/// # Safety
/// The list must be null or valid, of pointers.
unsafe fn only(list: *mut pg_sys::List) -> Option<*mut std::ffi::c_void> {
    // SAFETY: by the caller's promise.
    unsafe { (!list.is_null() && (*list).length == 1).then(|| (*(*list).elements).ptr_value) }
}

/// A savings of typing: one value of the first row.
pub fn one<T: FromDatum>(sql: &str, args: &[Arg]) -> Option<T> {
    connect(|c| c.run(sql, args).first().and_then(|r| r.get(1)))
}

/// Runs statements for their effect.
pub fn run(sql: &str, args: &[Arg]) -> u64 {
    connect(|c| c.run(sql, args).processed)
}

/// Runs a statement without parameters for its effect: see [`Connection::own`].
pub fn own(sql: &'static str) -> u64 {
    connect(|c| c.own(sql).processed)
}
