//! GROUPING SETS: the groups of each set, with NULL for the keys that it does not have.
//!
//! ```text
//! γ(k; sets s₁ … sₙ; a) x = ⊎ᵢ Map(k ∈ sᵢ or NULL; a; grouping) γ(sᵢ; a) x
//! ```
//!
//! The sets share x, and so one pass over its change; each keeps groups of its own.

use super::aggregate::Grouped;
use super::{LowerError, Lowering};
use crate::bind::query::Grouping;
use spec::types::{SqlType, oids};
use spec::{Expr, NodeId, Op};

impl Lowering<'_> {
    /// A collection of the keys, the aggregates and the values of GROUPING().
    pub(super) fn grouping_sets(
        &mut self,
        input: NodeId,
        grouping: &Grouping,
    ) -> Result<Grouped, LowerError> {
        let mut parts = vec![];
        for set in &grouping.sets {
            let keys = set.iter().map(|k| grouping.keys[*k].clone());
            let one = Grouping {
                keys: keys.collect(),
                sets: vec![],
                groupings: vec![],
                ..grouping.clone()
            };
            let grouped = self.grouping(input, &one)?;
            let key = |(i, key): (usize, &Expr)| match set.iter().position(|k| *k == i) {
                Some(at) => grouped.above(&Expr::column(at, key.ty())),
                None => Expr::null(key.ty()),
            };
            let keys = grouping.keys.iter().enumerate().map(key);
            let aggregates = grouping.aggregates.iter().enumerate();
            let aggregates =
                aggregates.map(|(i, a)| grouped.above(&Expr::column(set.len() + i, a.ty)));
            let masks = grouping.groupings.iter().map(|args| {
                let missing = |mask: i32, k: &usize| mask << 1 | i32::from(!set.contains(k));
                let mask = args.iter().fold(0, missing);
                Expr::literal(&mask.to_string(), SqlType::new(oids::INT4))
            });
            let columns = keys.chain(aggregates).chain(masks).collect();
            parts.push(self.add(Op::Map(columns), vec![grouped.node], grouping.span)?);
        }
        let node = self.add(Op::Plus, parts, grouping.span)?;
        Ok(Grouped::plain(node, self.circuit.schema(node)))
    }
}
