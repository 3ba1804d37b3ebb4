//! Compiling: SQL text and a catalog snapshot to what a stream table is kept by.

use crate::analyse::{Analysis, analyse, internal};
use crate::rewrite;
use spec::Circuit;
use spec::catalog::{Catalog, TypeKind};
use spec::clock::{CLOCK, Clock};
use spec::compiled::{Compiled, DeltaPlan, OutputColumn, StoragePlan};
use spec::reason::{Reason, ReasonCode, Severity};
use spec::types::Oid;
use std::collections::BTreeSet;

/// A query that PostgreSQL would run.
#[derive(Clone, Debug)]
pub enum Outcome {
    Incremental(Box<Compiled>),
    /// Only a full refresh can keep it up to date; the reasons say why, all at once.
    NotIncremental {
        /// None where they could not be inferred.
        columns: Option<Vec<OutputColumn>>,
        /// Of severity `NotIncremental` (at least one) and `Bounded`.
        reasons: Vec<Reason>,
    },
}

/// Compiles a query. The error holds every reason that was found, at least one of which refuses
/// the query in any refresh mode.
pub fn compile(sql: &str, catalog: &Catalog) -> Result<Outcome, Vec<Reason>> {
    compile_analysed(analyse(sql, catalog)?, catalog)
}

/// The second half of [`compile`], for those who look at the first, too.
pub fn compile_analysed(analysis: Analysis, catalog: &Catalog) -> Result<Outcome, Vec<Reason>> {
    let columns = analysis.columns().map(<[OutputColumn]>::to_vec);
    let (Some((circuit, root)), Some(columns)) = (&analysis.circuit, &columns) else {
        let mut reasons = analysis.reasons;
        reasons.sort_by_key(|r| r.span.map(|s| s.start));
        if !reasons
            .iter()
            .any(|r| r.code.severity() == Severity::NotIncremental)
        {
            return Err(vec![internal(
                "a query is neither incremental nor is there a reason why not".into(),
            )]);
        }
        return Ok(Outcome::NotIncremental { columns, reasons });
    };
    let catalog = &Clock::known(analysis.clock.as_ref(), catalog);
    let optimised = rewrite::optimise(circuit, *root, catalog)
        .map_err(|e| vec![internal(format!("no plan for the query: {e}"))])?;
    let unkept = unstorable(&optimised.circuit, &optimised.storage, catalog);
    if !unkept.is_empty() {
        let mut reasons = analysis.reasons;
        reasons.extend(unkept);
        reasons.sort_by_key(|r| r.span.map(|s| s.start));
        let columns = Some(columns.clone());
        return Ok(Outcome::NotIncremental { columns, reasons });
    }
    let mut reasons = analysis.reasons;
    reasons.extend(optimised.reasons);
    let mut dependencies = analysis.dependencies;
    dependencies.extend(optimised.dependencies);
    // Nobody alters the clock.
    dependencies.retain(|d| d.relation() != CLOCK);
    // What the circuit proves of its root may be more than binding knew.
    let mut columns = columns.clone();
    for (column, proved) in columns
        .iter_mut()
        .zip(optimised.circuit.schema(optimised.root))
    {
        column.ty.nullable &= proved.nullable;
    }
    Ok(Outcome::Incremental(Box::new(Compiled {
        circuit: optimised.circuit,
        root: optimised.root,
        columns,
        sources: optimised.sources,
        storage: optimised.storage,
        reasons,
        dependencies,
        bindings: analysis.bindings,
        clock: analysis.clock,
    })))
}

/// What would have to be kept has columns that no table can have. (Those of the stream table itself
/// were looked at before.)
fn unstorable(circuit: &Circuit, storage: &StoragePlan, catalog: &Catalog) -> Vec<Reason> {
    let pseudo = |ty: Oid| catalog.ty(ty).is_some_and(|t| t.kind == TypeKind::Pseudo);
    let unfit = storage.stored.iter().filter(|stored| {
        let columns = circuit.schema(stored.node);
        columns.iter().any(|c| pseudo(c.ty.oid))
    });
    let reasons = unfit.map(|stored| Reason {
        code: ReasonCode::AnonymousRow,
        message:
            "an intermediate result with rows without a type of their own would have to be kept"
                .into(),
        span: circuit.span(stored.node),
        hint: Some("Cast them to a composite type or to text, or use their fields.".into()),
    });
    reasons.collect()
}

/// The deltas of all stored collections when these sources change.
pub fn delta(
    compiled: &Compiled,
    catalog: &Catalog,
    changed: &BTreeSet<Oid>,
) -> Result<DeltaPlan, rewrite::NoPlan> {
    let catalog = &Clock::known(compiled.clock.as_ref(), catalog);
    rewrite::delta(compiled, catalog, changed)
}
