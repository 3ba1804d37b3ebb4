//! The snapshot of PostgreSQL's catalog that binding reads.
//!
//! A catalog has two layers: the built-in objects of PostgreSQL 18 (generated data, the same on
//! every server, see [`builtin`]) and an overlay of the objects that a query needs: user types,
//! functions, operators, and the relations. The extension fills the overlay from the live catalog
//! (with [`SNAPSHOT_SQL`]), `explain-delta` from a schema file or from JSON that the extension
//! exported. What the overlay says wins over the built-in layer where both know an OID.
//!
//! | file | concept |
//! |---|---|
//! | `data.rs` | the plain data of one layer, [`Objects`] |
//! | `layer.rs` | indexes over one layer |
//! | `lookup.rs` | by OID, by name through the search path, casts, derived types |
//! | `equality.rs` | which equality a type has, and whether equal values look the same |
//! | `building.rs` | growing an overlay object by object |
//! | `builtin.rs`, `tsv.rs` | the built-in layer, and the text that it is kept in |
//! | `snapshot.sql` | the query that fills a layer from a live server |

mod building;
mod builtin;
mod data;
mod equality;
#[cfg(test)]
mod fixture;
mod layer;
mod lookup;
pub mod tsv;

pub use data::*;

use layer::Layer;
use std::fmt;
use std::sync::Arc;

/// The query that returns one layer of a live PostgreSQL 18 as one `jsonb` in the shape of
/// [`Objects`]. Its parameters are described at its head.
pub const SNAPSHOT_SQL: &str = include_str!("snapshot.sql");

/// The first OID that is not the same on every server (`FirstUnpinnedObjectId`): below it are the
/// built-in objects, from it on those that `initdb` numbered, then the user's (from 16384).
pub const FIRST_UNPINNED: u32 = 12_000;

/// A function that every PostgreSQL 18 has.
pub fn builtin_function(oid: crate::types::Oid) -> Option<&'static Function> {
    (oid.0 < FIRST_UNPINNED).then(|| builtin::layer().function(oid))?
}

/// An operator that every PostgreSQL 18 has.
pub fn builtin_operator(oid: crate::types::Oid) -> Option<&'static Operator> {
    (oid.0 < FIRST_UNPINNED).then(|| builtin::layer().operator(oid))?
}

/// Both layers, indexed. Cheap to clone.
#[derive(Clone)]
pub struct Catalog {
    builtin: &'static Layer,
    overlay: Arc<Layer>,
    /// Namespaces in which an unqualified name is looked up, in order, `pg_catalog` included.
    path: Arc<[crate::types::Oid]>,
}

/// The overlay; the built-in layer is the same everywhere, and long.
impl fmt::Debug for Catalog {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Catalog")
            .field("objects", self.objects())
            .field("path", &self.path)
            .finish_non_exhaustive()
    }
}

impl Catalog {
    /// Only the built-in objects, with an empty search path (so `pg_catalog` alone).
    pub fn builtin() -> Catalog {
        Catalog::new(Objects::default())
    }

    /// The built-in objects under `overlay`.
    pub fn new(overlay: Objects) -> Catalog {
        let builtin = builtin::layer();
        let overlay = Layer::new(overlay);
        let path = lookup::search_path(builtin, &overlay, &overlay.objects().search_path);
        Catalog {
            builtin,
            overlay: Arc::new(overlay),
            path: path.into(),
        }
    }

    /// The same objects, looked up along another search path: for the definition of a view, which
    /// means what it means under [`Relation::definition_path`]. [`Catalog::objects`] stays as it is.
    pub fn with_search_path(&self, path: &[String]) -> Catalog {
        Catalog {
            path: lookup::search_path(self.builtin, &self.overlay, path).into(),
            ..self.clone()
        }
    }

    /// The overlay, as plain data: what the extension exports as JSON.
    pub fn objects(&self) -> &Objects {
        self.overlay.objects()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::types::Oid;
    use std::collections::HashSet;

    #[test]
    fn the_overlay_survives_json() {
        let catalog = fixture::catalog();
        let json = serde_json::to_string(catalog.objects()).unwrap();
        let back: Objects = serde_json::from_str(&json).unwrap();
        assert_eq!(&back, catalog.objects());
    }

    #[test]
    fn the_builtin_text_is_what_its_writer_writes() {
        let data = builtin::layer().objects();
        assert_eq!(tsv::read(&tsv::write(&data.types)), Ok(data.types.clone()));
        assert_eq!(
            tsv::read(&tsv::write(&data.functions)),
            Ok(data.functions.clone())
        );
        assert_eq!(
            tsv::read(&tsv::write(&data.operators)),
            Ok(data.operators.clone())
        );
        assert_eq!(tsv::read(&tsv::write(&data.casts)), Ok(data.casts.clone()));
    }

    /// Every OID that a built-in object mentions is one that the layer has.
    #[test]
    fn the_builtin_layer_is_closed() {
        let catalog = Catalog::builtin();
        let data = builtin::layer().objects();
        assert!(data.functions.len() > 3_000 && data.operators.len() > 700);
        let known = |oid: Oid| !oid.is_valid() || catalog.ty(oid).is_some();
        let function = |oid: Oid| catalog.function(oid).is_some();
        let operator = |oid: Oid| !oid.is_valid() || catalog.operator(oid).is_some();
        for t in &data.types {
            assert!(
                known(t.element) && known(t.array) && known(t.subtype),
                "{}",
                t.name
            );
            assert!(known(t.range) && known(t.base), "{}", t.name);
            assert!(!t.relation.is_valid(), "{}", t.name);
            let equality = t.equality.into_iter().flat_map(|e| [e.eq, e.lt, e.gt]);
            assert!(equality.into_iter().all(operator), "{}", t.name);
            assert!(!t.collation.is_valid() || catalog.collation(t.collation).is_some());
        }
        for f in &data.functions {
            let outs = f.out_args.iter().map(|a| a.1);
            let mut types = f
                .args
                .iter()
                .copied()
                .chain(outs)
                .chain([f.result, f.variadic]);
            assert!(types.all(known), "{}", f.name);
            assert!(
                f.arg_names.is_empty() || f.arg_names.len() == f.args.len(),
                "{}",
                f.name
            );
            assert_eq!(f.default_exprs.len(), usize::from(f.defaults), "{}", f.name);
            assert_eq!(
                f.aggregate.is_some(),
                f.kind == FunctionKind::Aggregate,
                "{}",
                f.name
            );
        }
        for o in &data.operators {
            assert!(
                known(o.left) && known(o.right) && known(o.result),
                "{}",
                o.oid
            );
            assert!(function(o.function), "{}", o.oid);
            assert!(operator(o.commutator) && operator(o.negator), "{}", o.oid);
        }
        for c in &data.casts {
            assert!(known(c.source) && known(c.target));
            assert!(!matches!(c.method, CastMethod::Function(f) if !function(f)));
        }
        let oids: HashSet<Oid> = data.functions.iter().map(|f| f.oid).collect();
        assert_eq!(oids.len(), data.functions.len());
        assert!(oids.iter().all(|o| o.0 < FIRST_UNPINNED));
    }

    #[test]
    fn facts_of_known_objects() {
        let catalog = Catalog::builtin();
        let sum = catalog.function(Oid(2108)).unwrap();
        assert_eq!(
            (sum.name.as_str(), sum.result),
            ("sum", crate::types::oids::INT8)
        );
        let max = catalog
            .function(Oid(2116))
            .unwrap()
            .aggregate
            .clone()
            .unwrap();
        assert_eq!(
            (max.kind, max.sort_operator),
            (AggregateKind::Normal, Oid(521))
        );
        let percentile = catalog.functions_named("percentile_cont").next().unwrap();
        let ordered = percentile.aggregate.as_ref().unwrap();
        assert_eq!(
            (ordered.kind, ordered.direct_args),
            (AggregateKind::OrderedSet, 1)
        );
        let interval = catalog.functions_named("make_interval").next().unwrap();
        assert_eq!(
            (interval.defaults, interval.arg_names[3].as_str()),
            (7, "days")
        );
        let now = catalog.functions_named("now").next().unwrap();
        assert_eq!(now.volatility, Volatility::Stable);
        let less = catalog.operator(Oid(97)).unwrap();
        assert_eq!(less.btree, [(Oid(1976), 1)]);
    }
}
