//! The defining query, printed back from the circuit: the same rows under any search path.

use crate::error::{CodegenError, Result};
use crate::lower::Lowering;
use crate::names::Names;
use crate::sql::{Query, print};
use spec::NodeId;
use spec::catalog::Catalog;
use spec::circuit::Circuit;
use spec::compiled::Compiled;

pub fn select(compiled: &Compiled, catalog: &Catalog) -> Result<String> {
    let names: Vec<String> = compiled.columns.iter().map(|c| c.name.clone()).collect();
    let query = query_of(&compiled.circuit, compiled.root, &names, catalog)?;
    Ok(print::query(&query, 0))
}

/// The content of a node over the base tables.
pub(crate) fn query_of(
    circuit: &Circuit,
    node: NodeId,
    columns: &[String],
    catalog: &Catalog,
) -> Result<Query> {
    let nothing = Names { stored: vec![] };
    let mut lowering = Lowering::new(catalog, circuit, &[node], &nothing, &[], &[]);
    let rel = lowering.lower(node)?;
    if !lowering.steps.is_empty() || !rel.is_plain() {
        return Err(CodegenError::Plan("a query with changes in it".into()));
    }
    let names: Vec<Option<String>> = columns.iter().cloned().map(Some).collect();
    Ok(rel.query(None, &names))
}
