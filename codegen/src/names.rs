//! How things are called in SQL: stored collections, and the columns of every node.

use crate::error::{CodegenError, Result};
use crate::sql::Name;
use crate::sql::ident::{Namer, fit};
use spec::Expr;
use spec::catalog::Catalog;
use spec::circuit::Circuit;
use spec::compiled::Compiled;
use spec::expr::ExprKind;
use spec::op::{FlatMap, Op, StoredId};
use spec::program::QualifiedName;
use spec::types::Oid;
use spec::window::WindowStep;

/// The weight's column in every named relation.
pub const WEIGHT: &str = "w";

/// The schema of states and buffers.
pub const STORE: &str = "pgtrickle_store";

/// Where the stored collections are; element i is that of id i.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Names {
    pub stored: Vec<QualifiedName>,
    /// The table of the clock, in [`STORE`], if there is one.
    pub clock: String,
    /// The columns of each, once they exist: they keep their names when what they came from is
    /// renamed.
    pub columns: Option<Vec<Vec<String>>>,
}

impl Names {
    /// The stream table, `state_<pgt_id>_<k>` for its states, `clock_<pgt_id>` for its clock.
    pub fn new(stream_table: QualifiedName, pgt_id: i64, compiled: &Compiled) -> Names {
        let states = compiled.storage.stored.iter().skip(1);
        let states = states.map(|s| QualifiedName {
            schema: STORE.into(),
            name: format!("state_{pgt_id}_{}", s.id.0),
        });
        Names {
            stored: std::iter::once(stream_table).chain(states).collect(),
            clock: format!("clock_{pgt_id}"),
            columns: None,
        }
    }

    pub fn table(&self, id: StoredId) -> Result<Name> {
        let name = self.stored.get(id.0 as usize);
        let name = name.ok_or_else(|| CodegenError::Plan(format!("no stored {}", id.0)))?;
        Ok(Name::new(&name.schema, &name.name))
    }

    /// The name of the let that holds its change.
    pub fn delta(&self, id: StoredId) -> Result<String> {
        Ok(delta_of(&self.table(id)?.name))
    }
}

/// `delta_orders`
pub fn delta_of(name: &str) -> String {
    fit(&format!("delta_{name}"), "")
}

pub fn relation_name(oid: Oid, catalog: &Catalog) -> Result<Name> {
    let what = "relation";
    let missing = CodegenError::Missing { what, oid };
    let relation = catalog.relation(oid).ok_or(missing)?;
    Name::within(relation.namespace, &relation.name, catalog)
}

/// The columns of each stored collection.
pub fn stored_columns(
    compiled: &Compiled,
    catalog: &Catalog,
    names: &Names,
) -> Result<Vec<Vec<String>>> {
    if let Some(columns) = &names.columns {
        return Ok(columns.clone());
    }
    let hints = column_hints(&compiled.circuit, catalog, &[]);
    let columns = compiled.storage.stored.iter().map(|s| {
        if s.id.0 == 0 {
            return compiled.columns.iter().map(|c| c.name.clone()).collect();
        }
        let mut namer = Namer::default();
        let hints = hints.get(s.node.index()).into_iter().flatten();
        hints.map(|h| namer.unique(h)).collect()
    });
    Ok(columns.collect())
}

/// What a person would call the columns of each node; not unique.
pub fn column_hints(
    circuit: &Circuit,
    catalog: &Catalog,
    stored: &[Vec<String>],
) -> Vec<Vec<String>> {
    let mut hints: Vec<Vec<String>> = Vec::with_capacity(circuit.len());
    for id in circuit.ids() {
        let input = |i: usize| -> &[String] {
            let input = circuit.inputs(id).get(i).and_then(|n| hints.get(n.index()));
            input.map_or(&[], Vec::as_slice)
        };
        let mut own: Vec<String> = match circuit.op(id) {
            Op::Source(s) => {
                let relation = catalog.relation(s.relation);
                let column = |a: &i16| relation.and_then(|r| r.column(*a));
                let name = |a| column(a).map_or("column".into(), |c| c.name.clone());
                s.attnums.iter().map(name).collect()
            }
            Op::State(s) => stored.get(s.id.0 as usize).cloned().unwrap_or_default(),
            Op::Map(exprs) => exprs.iter().map(|e| hint(e, input(0), catalog)).collect(),
            Op::Join(_) | Op::Left(_) => {
                let inputs = circuit.inputs(id).len();
                (0..inputs).flat_map(|i| input(i).to_vec()).collect()
            }
            Op::FlatMap(f) => {
                let mut own = input(0).to_vec();
                own.extend(made_hints(f, input(0), catalog));
                own
            }
            Op::Aggregate(a) => {
                let name = |k: &usize| input(0).get(*k).cloned();
                let keys = a.keys.iter().map(|k| name(k).unwrap_or_default());
                let function = |f| catalog.function(f).map(|f| f.name.clone());
                let aggs = a.aggs.iter().map(|a| {
                    let function = function(a.function).unwrap_or_default();
                    match a.args.first().and_then(Expr::as_column) {
                        Some(c) => match name(&c) {
                            Some(arg) => fit(&format!("{function}_{arg}"), ""),
                            None => function,
                        },
                        None => function,
                    }
                });
                keys.chain(aggs).collect()
            }
            Op::Window(w) | Op::WindowStep(WindowStep { window: w, .. }) => {
                let function = |f| catalog.function(f).map(|f| f.name.clone());
                let calls = w
                    .calls
                    .iter()
                    .map(|c| function(c.function).unwrap_or_default());
                input(0).iter().cloned().chain(calls).collect()
            }
            Op::Touched(cols) => {
                let name = |c: &usize| input(0).get(*c).cloned().unwrap_or_default();
                cols.iter().map(name).collect()
            }
            _ => input(0).to_vec(),
        };
        let arity = circuit.schema(id).len();
        own.resize(arity, String::new());
        for name in own.iter_mut().filter(|n| n.is_empty()) {
            *name = "column".into();
        }
        hints.push(own);
    }
    hints
}

/// The columns that functions make.
pub(crate) fn made_hints(f: &FlatMap, input: &[String], catalog: &Catalog) -> Vec<String> {
    let mut out = vec![];
    for function in &f.functions {
        let called = hint(&function.call, input, catalog);
        let parameters = match function.call.kind() {
            ExprKind::Call { function, .. } => catalog.function(*function),
            _ => None,
        };
        let parameters = parameters.map_or(&[][..], |f| f.out_args.as_slice());
        for i in 0..function.columns.len() {
            let defined = function.definitions.get(i).map(|d| d.to_string());
            let parameter = || parameters.get(i).map(|(name, _)| name.clone());
            out.push(defined.or_else(parameter).unwrap_or_else(|| called.clone()));
        }
    }
    out.extend(f.ordinality.then(|| "ordinality".to_owned()));
    out
}

fn hint(e: &Expr, input: &[String], catalog: &Catalog) -> String {
    match e.kind() {
        ExprKind::Column(i) => input.get(*i).cloned().unwrap_or_default(),
        ExprKind::Cast { arg, .. } | ExprKind::Collate(arg) => hint(arg, input, catalog),
        ExprKind::Call { function, .. } => {
            let function = catalog.function(*function);
            function.map_or(String::new(), |f| f.name.clone())
        }
        ExprKind::Field { name, .. } => name.to_string(),
        ExprKind::Case { .. } => "case".into(),
        ExprKind::Coalesce(_) => "coalesce".into(),
        _ => String::new(),
    }
}
