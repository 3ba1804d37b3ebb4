//! Compiling: SQL text and a catalog snapshot to what a stream table is kept by.

use crate::analyse::{Analysis, analyse, internal};
use crate::rewrite;
use spec::catalog::Catalog;
use spec::clock::{CLOCK, Clock};
use spec::compiled::{Compiled, DeltaPlan, OutputColumn};
use spec::reason::{Reason, Severity};
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

/// The deltas of all stored collections when these sources change.
pub fn delta(
    compiled: &Compiled,
    catalog: &Catalog,
    changed: &BTreeSet<Oid>,
) -> Result<DeltaPlan, rewrite::NoPlan> {
    let catalog = &Clock::known(compiled.clock.as_ref(), catalog);
    rewrite::delta(compiled, catalog, changed)
}
