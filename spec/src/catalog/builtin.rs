//! The built-in layer: what every PostgreSQL 18 has, as generated data.
//!
//! `spec/data/builtin/*.tsv` is written by `spec/data/regenerate` from a real server, with the
//! same query that fills the overlay. Relations are left out (a query on a system catalog is
//! reported, not compiled); only their names are kept, to tell them from misspelt ones.

use super::layer::Layer;
use super::{Objects, tsv};
use std::sync::OnceLock;

const TYPES: &str = include_str!("../../data/builtin/types.tsv");
const FUNCTIONS: &str = include_str!("../../data/builtin/functions.tsv");
const OPERATORS: &str = include_str!("../../data/builtin/operators.tsv");
const CASTS: &str = include_str!("../../data/builtin/casts.tsv");
const COLLATIONS: &str = include_str!("../../data/builtin/collations.tsv");
const NAMESPACES: &str = include_str!("../../data/builtin/namespaces.tsv");
/// Names of the relations of `pg_catalog`, sorted bytewise, one a line.
const RELATIONS: &str = include_str!("../../data/builtin/relations.txt");

fn read() -> Result<Objects, tsv::TsvError> {
    Ok(Objects {
        namespaces: tsv::read(NAMESPACES)?,
        types: tsv::read(TYPES)?,
        functions: tsv::read(FUNCTIONS)?,
        operators: tsv::read(OPERATORS)?,
        casts: tsv::read(CASTS)?,
        collations: tsv::read(COLLATIONS)?,
        relations: Vec::new(),
        search_path: Vec::new(),
    })
}

/// The built-in layer, parsed at the first use.
pub(super) fn layer() -> &'static Layer {
    static LAYER: OnceLock<Layer> = OnceLock::new();
    LAYER.get_or_init(|| match read() {
        Ok(objects) => Layer::new(objects),
        // Compiled-in data, read by every test that binds anything.
        Err(error) => unreachable!("built-in catalog data: {error}"),
    })
}

/// Is this the name of a relation of `pg_catalog`?
pub(super) fn is_system_relation(name: &str) -> bool {
    static NAMES: OnceLock<Vec<&str>> = OnceLock::new();
    let names = NAMES.get_or_init(|| RELATIONS.lines().collect());
    names.binary_search(&name).is_ok()
}
