//! GROUPING SETS, ROLLUP and CUBE: which keys each of the groupings has that GROUP BY stands for.
//!
//! ```text
//! ROLLUP (a, b)                  (a, b), (a), ()
//! CUBE (a, b)                    (a, b), (a), (b), ()
//! GROUPING SETS ((a, b), (c))    (a, b), (c)
//! GROUP BY x, y                  every set of x with every set of y
//! ```

use super::Binder;
use super::context::BindError;
use super::select::{Level, Target};
use crate::typing::error;
use pg_query::NodeEnum;
use pg_query::protobuf::{CoercionForm, GroupingSetKind, Node, SelectStmt};
use spec::{Expr, ReasonCode, Span};

/// PostgreSQL's own bounds.
const MAX_SETS: usize = 4096;
const MAX_CUBE: usize = 12;

/// Places of keys.
type Sets = Vec<Vec<usize>>;

impl Binder<'_> {
    /// The keys of GROUP BY, each once, and those of each grouping set; no sets where all keys are
    /// the only one.
    pub(super) fn group_by(
        &mut self,
        select: &SelectStmt,
        targets: &mut [Target],
        level: &mut Level<'_>,
    ) -> Result<(Vec<Expr>, Sets), BindError> {
        let mut keys = vec![];
        let mut sets: Sets = vec![vec![]];
        for node in &select.group_clause {
            let more = self.group_sets(node, targets, level, &mut keys)?;
            if sets.len() * more.len() > MAX_SETS {
                return Err(too_many(self.expr_span(node)));
            }
            sets = sets
                .iter()
                .flat_map(|set| more.iter().map(move |m| union(set, m)))
                .collect();
        }
        if select.group_distinct {
            let mut seen: Vec<Vec<usize>> = vec![];
            sets.retain(|set| {
                let mut sorted = set.clone();
                sorted.sort_unstable();
                let new = !seen.contains(&sorted);
                seen.push(sorted);
                new
            });
        }
        if sets.len() == 1 {
            sets.clear();
        }
        Ok((keys, sets))
    }

    /// The sets that one item of GROUP BY stands for.
    fn group_sets(
        &mut self,
        node: &Node,
        targets: &mut [Target],
        level: &mut Level<'_>,
        keys: &mut Vec<Expr>,
    ) -> Result<Sets, BindError> {
        let Some(NodeEnum::GroupingSet(set)) = node.node.as_ref() else {
            return Ok(vec![self.group_element(node, targets, level, keys)?]);
        };
        let span = self.unit.span(set.location);
        if set.kind() == GroupingSetKind::GroupingSetSets {
            let mut sets = vec![];
            for item in &set.content {
                sets.extend(self.group_sets(item, targets, level, keys)?);
                if sets.len() > MAX_SETS {
                    return Err(too_many(span));
                }
            }
            return Ok(sets);
        }
        let mut elements = vec![];
        for item in &set.content {
            elements.push(self.group_element(item, targets, level, keys)?);
        }
        let join = |some: &mut dyn Iterator<Item = &Vec<usize>>| {
            some.fold(vec![], |all, element| union(&all, element))
        };
        Ok(match set.kind() {
            GroupingSetKind::GroupingSetRollup => (0..=elements.len())
                .rev()
                .map(|n| join(&mut elements[..n].iter()))
                .collect(),
            GroupingSetKind::GroupingSetCube => {
                if elements.len() > MAX_CUBE {
                    let message = format!("CUBE is limited to {MAX_CUBE} elements");
                    return Err(error(ReasonCode::Type, message, span));
                }
                (0..1usize << elements.len())
                    .rev()
                    .map(|chosen| {
                        let some = elements.iter().enumerate();
                        let some = some.filter(|(i, _)| chosen >> i & 1 == 1);
                        join(&mut some.map(|(_, element)| element))
                    })
                    .collect()
            }
            // `()`
            _ => vec![join(&mut elements.iter())],
        })
    }

    /// An expression, or a list of them that come and go together.
    fn group_element(
        &mut self,
        node: &Node,
        targets: &mut [Target],
        level: &mut Level<'_>,
        keys: &mut Vec<Expr>,
    ) -> Result<Vec<usize>, BindError> {
        match node.node.as_ref() {
            // (a, b): a list, not a row.
            Some(NodeEnum::RowExpr(row))
                if row.row_format() == CoercionForm::CoerceImplicitCast =>
            {
                let mut all = vec![];
                for item in &row.args {
                    all = union(&all, &self.group_element(item, targets, level, keys)?);
                }
                Ok(all)
            }
            _ => Ok(vec![self.group_key(node, targets, level, keys)?]),
        }
    }
}

fn union(a: &[usize], b: &[usize]) -> Vec<usize> {
    let new = b.iter().filter(|k| !a.contains(k));
    a.iter().chain(new).copied().collect()
}

fn too_many(span: Option<Span>) -> BindError {
    let message = format!("too many grouping sets present (maximum {MAX_SETS})");
    error(ReasonCode::Type, message, span)
}
