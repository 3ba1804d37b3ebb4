//! What PostgreSQL itself says of a query: its columns and the relations that it reads.

use super::LifecycleError;
use crate::pg::{self, cstring, quote_identifier};
use pgrx::pg_sys;
use std::collections::BTreeSet;

pub struct Column {
    pub name: String,
    pub ty: pg_sys::Oid,
    pub typmod: i32,
    pub collation: pg_sys::Oid,
}

impl Column {
    /// Name, type and collation as CREATE TABLE takes them.
    pub fn definition(&self) -> String {
        // SAFETY: catalog look-ups of an existing type.
        let ty = unsafe {
            pg::string(pg_sys::format_type_extended(
                self.ty,
                self.typmod,
                (pg_sys::FORMAT_TYPE_TYPEMOD_GIVEN | pg_sys::FORMAT_TYPE_FORCE_QUALIFY) as u16,
            ))
            .unwrap_or_default()
        };
        let mut text = format!("{} {ty}", quote_identifier(&self.name));
        // SAFETY: as above.
        unsafe {
            if self.collation != pg_sys::InvalidOid
                && self.collation != pg_sys::get_typcollation(self.ty)
            {
                let name = pg::string(pg_sys::get_collation_name(self.collation));
                let schema = pg::string(pg_sys::get_namespace_name(collation_namespace(
                    self.collation,
                )));
                text.push_str(&format!(
                    " COLLATE {}.{}",
                    quote_identifier(&schema.unwrap_or_default()),
                    quote_identifier(&name.unwrap_or_default())
                ));
            }
        }
        text
    }
}

fn collation_namespace(collation: pg_sys::Oid) -> pg_sys::Oid {
    crate::sql::one(
        "SELECT collnamespace FROM pg_catalog.pg_collation WHERE oid = $1",
        &[crate::sql::arg(collation)],
    )
    .unwrap_or(pg_sys::InvalidOid)
}

pub struct Analysed {
    /// Why no table can have these columns.
    unfit: Option<String>,
    pub columns: Vec<Column>,
    /// Relations that it reads, also through views, in OID order, each once.
    pub relations: Vec<pg_sys::Oid>,
    /// The functions, operators and aggregates that were chosen, also in views.
    pub functions: BTreeSet<u32>,
    pub operators: BTreeSet<u32>,
    pub aggregates: BTreeSet<u32>,
}

/// The numbers after each `key` in the text of a node tree, also in a list `(o 1 2)`.
fn numbers(tree: &str, key: &str) -> BTreeSet<u32> {
    tree.split(key)
        .skip(1)
        .flat_map(|rest| {
            let list = rest
                .strip_prefix("(o ")
                .and_then(|list| list.split(')').next());
            let words = list.unwrap_or_else(|| rest.split([' ', '}', ')']).next().unwrap_or(""));
            words
                .split_whitespace()
                .filter_map(|w| w.parse().ok())
                .collect::<Vec<u32>>()
        })
        .collect()
}

/// Parses and analyses the query with the current search path; PostgreSQL raises its own errors.
/// The relations stay locked (AccessShare) until the transaction ends.
pub fn analyse(query: &str) -> Result<Analysed, LifecycleError> {
    let analysed = analyse_any(query)?;
    match analysed.unfit {
        Some(unfit) => Err(LifecycleError::Query(unfit)),
        None => Ok(analysed),
    }
}

/// The same of a query whose columns no table need have.
pub fn analyse_any(query: &str) -> Result<Analysed, LifecycleError> {
    let text = cstring(query);
    // SAFETY: the server's own parser and analyser, on lists that it made.
    unsafe {
        let parsed = pg_sys::pg_parse_query(text.as_ptr());
        if parsed.is_null() || (*parsed).length != 1 {
            return Err(LifecycleError::Query(
                "the query must be a single SELECT".into(),
            ));
        }
        let raw = (*(*parsed).elements).ptr_value as *mut pg_sys::RawStmt;
        if (*(*raw).stmt).type_ != pg_sys::NodeTag::T_SelectStmt {
            return Err(LifecycleError::Query("the query must be a SELECT".into()));
        }
        // A snapshot, as constants may be folded by looking things up.
        pg_sys::PushActiveSnapshot(pg_sys::GetTransactionSnapshot());
        let rewritten = pg_sys::pg_analyze_and_rewrite_fixedparams(
            raw,
            text.as_ptr(),
            std::ptr::null(),
            0,
            std::ptr::null_mut(),
        );
        pg_sys::PopActiveSnapshot();
        if rewritten.is_null() || (*rewritten).length != 1 {
            return Err(LifecycleError::Query(
                "the query must be a single SELECT".into(),
            ));
        }
        let analysed = (*(*rewritten).elements).ptr_value as *mut pg_sys::Query;
        if (*analysed).commandType != pg_sys::CmdType::CMD_SELECT
            || (*analysed).hasModifyingCTE
            || !(*analysed).rowMarks.is_null()
            || !(*analysed).utilityStmt.is_null()
        {
            return Err(LifecycleError::Query(
                "the query must only read: no FOR UPDATE, INTO or data-modifying WITH".into(),
            ));
        }
        let mut columns: Vec<Column> = Vec::new();
        let mut unfit = None;
        let targets = (*analysed).targetList;
        let count = if targets.is_null() {
            0
        } else {
            (*targets).length
        };
        for i in 0..count {
            let entry =
                (*(*targets).elements.add(i as usize)).ptr_value as *mut pg_sys::TargetEntry;
            if (*entry).resjunk {
                continue;
            }
            let expr = (*entry).expr.cast::<pg_sys::Node>();
            let name = pg::string((*entry).resname).unwrap_or_default();
            if columns.iter().any(|c| c.name == name) {
                unfit.get_or_insert(format!(
                    "column name \"{name}\" is there more than once; give each an alias"
                ));
            }
            let ty = pg_sys::exprType(expr);
            if pg_sys::get_typtype(ty) as u8 == b'p' {
                let ty = pg::string(pg_sys::format_type_be(ty)).unwrap_or_default();
                unfit.get_or_insert(format!(
                    "column \"{name}\" has pseudo-type {ty}; leave it out, or cast it to text"
                ));
            }
            columns.push(Column {
                name,
                ty,
                typmod: pg_sys::exprTypmod(expr),
                collation: pg_sys::exprCollation(expr),
            });
        }
        if columns.is_empty() {
            unfit.get_or_insert("the query has no columns".into());
        }
        let (mut relations, mut items, mut row_security) =
            (std::ptr::null_mut(), std::ptr::null_mut(), false);
        pg_sys::extract_query_dependencies(
            rewritten.cast(),
            &mut relations,
            &mut items,
            &mut row_security,
        );
        let count = if relations.is_null() {
            0
        } else {
            (*relations).length
        };
        let mut oids: Vec<u32> = (0..count)
            .map(|i| (*(*relations).elements.add(i as usize)).oid_value.to_u32())
            .collect();
        oids.sort_unstable();
        oids.dedup();
        let tree = pg::string(pg_sys::nodeToString(analysed.cast())).unwrap_or_default();
        let mut functions = numbers(&tree, ":funcid ");
        functions.extend(numbers(&tree, ":winfnoid "));
        let mut operators = numbers(&tree, ":opno ");
        operators.extend(numbers(&tree, ":opnos "));
        Ok(Analysed {
            unfit,
            functions,
            operators,
            aggregates: numbers(&tree, ":aggfnoid "),
            columns,
            relations: oids.into_iter().map(pg_sys::Oid::from).collect(),
        })
    }
}
