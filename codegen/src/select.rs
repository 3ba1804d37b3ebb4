//! The defining query, printed back from the circuit: the same rows under any search path.

use crate::error::{CodegenError, Result};
use crate::lower::{Lowering, Relation};
use crate::names::Names;
use crate::sql::{Query, print};
use spec::catalog::Catalog;
use spec::circuit::Circuit;
use spec::compiled::{Compiled, Stored};
use spec::op::StoredId;
use spec::{NodeId, Oid, Op};
use std::collections::{BTreeMap, HashMap};

pub fn select(compiled: &Compiled, catalog: &Catalog, names: &Names) -> Result<String> {
    select_over(compiled, catalog, names, &BTreeMap::new())
}

/// The same over other rows: where it reads one of these sources, it reads what has this name, and
/// the columns of the source, instead.
pub fn select_over(
    compiled: &Compiled,
    catalog: &Catalog,
    names: &Names,
    instead: &BTreeMap<Oid, String>,
) -> Result<String> {
    let catalog = &names.catalog(compiled, catalog);
    let columns: Vec<String> = compiled.columns.iter().map(|c| c.name.clone()).collect();
    let circuit = &compiled.circuit;
    let mut named = HashMap::new();
    for id in circuit.ids() {
        if let Op::Source(source) = circuit.op(id)
            && let Some(name) = instead.get(&source.relation)
        {
            let relation = catalog.relation(source.relation);
            let column = |attnum: &i16| Some(relation?.column(*attnum)?.name.clone());
            let columns = source.attnums.iter().map(column).collect();
            let name = name.clone();
            named.insert(id, Named { name, columns });
        }
    }
    select_with(circuit, compiled.root, &columns, catalog, named)
}

/// A relation that is read in the place of a node.
#[derive(Clone, Debug)]
pub struct Named {
    pub name: String,
    /// None for columns that it does not have, which are not read.
    pub columns: Vec<Option<String>>,
}

/// The content of a node of a circuit without epochs, some of whose nodes are to be read where they
/// are.
pub fn select_with(
    circuit: &Circuit,
    root: NodeId,
    columns: &[String],
    catalog: &Catalog,
    named: HashMap<NodeId, Named>,
) -> Result<String> {
    let nothing = Names {
        stored: vec![],
        clock: String::new(),
        columns: None,
    };
    let mut lowering = Lowering::new(catalog, circuit, &[root], &nothing, &[], &[]);
    let relations = named.into_iter().map(|(id, Named { name, columns })| {
        let relation = Relation {
            name,
            columns,
            weighted: false,
        };
        (id, relation)
    });
    lowering.lets.extend(relations);
    let query = plain(lowering, root, columns)?;
    Ok(print::query(&query, 0))
}

/// The collections that are stored, those first that others are made of: the stream table last.
pub(crate) fn inner_first(compiled: &Compiled) -> Vec<&Stored> {
    let mut all: Vec<&Stored> = compiled.storage.stored.iter().collect();
    // A node comes after its inputs.
    all.sort_by_key(|s| (s.node, s.id.0 == 0));
    all
}

/// The content of what is stored, made of the others: of those with a let, of its rows, else
/// of what the table holds. Two queries for one aggregate could choose different images of its equal keys, and what
/// one of them holds could not be retracted from the other.
pub(crate) fn content(
    compiled: &Compiled,
    catalog: &Catalog,
    names: &Names,
    stored: &[Vec<String>],
    which: &Stored,
    lets: &HashMap<StoredId, Relation>,
) -> Result<Query> {
    let mut lowering = Lowering::new(
        catalog,
        &compiled.circuit,
        &[which.node],
        names,
        stored,
        &[],
    );
    let others = compiled.storage.stored.iter();
    for other in others.filter(|s| s.node != which.node) {
        match lets.get(&other.id) {
            Some(relation) => drop(lowering.lets.insert(other.node, relation.clone())),
            None => drop(lowering.held.insert(other.node, other.id)),
        }
    }
    let columns = stored.get(which.id.0 as usize);
    let columns = columns.ok_or_else(|| CodegenError::Plan("no such stored".into()))?;
    plain(lowering, which.node, columns)
}

fn plain(mut lowering: Lowering<'_>, node: NodeId, columns: &[String]) -> Result<Query> {
    let rel = lowering.lower(node)?;
    let rel = lowering.copied(rel, node)?;
    if !lowering.steps.is_empty() || !rel.is_plain() {
        return Err(CodegenError::Plan("a query with changes in it".into()));
    }
    let names: Vec<Option<String>> = columns.iter().cloned().map(Some).collect();
    Ok(rel.query(None, &names))
}
