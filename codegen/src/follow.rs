//! `Follow`: a stored collection that is made of a state of groups, row by row.
//!
//! ```text
//! view = Map(f)(Filter(p)(groups)),  f keeps the keys
//! MERGE what the groups of the change have become into the view, by the same keys:
//!   no group, or not p      DELETE
//!   f differs from the row  UPDATE
//!   no row                  INSERT
//! ```
//!
//! One group is one row of the view, or none: so nothing has to be consolidated, and the row that is
//! there says what it was. It is one statement with the merge of the groups, whose RETURNING it
//! reads: against a let of the Delta and its apply that is one instead of up to five.

use crate::aggregate_step::row_count;
use crate::apply::Target;
use crate::error::{CodegenError, Result};
use crate::expr::{Scalar, has_query};
use crate::identity::{KeyAccess, key_access, record_hash};
use crate::keys::all_equal;
use crate::lower::Lowering;
use crate::merge::{Followed, MergeInto};
use crate::sql::ident::Namer;
use crate::sql::types::TypeName;
use crate::sql::{FromItem, Item, Matched, Merge, Name, Sql};
use spec::compiled::Identity;
use spec::expr::BoolTest;
use spec::op::{Op, StoredId};
use spec::types::ColType;
use spec::{Expr, NodeId};

impl Lowering<'_> {
    /// The step of groups that the Delta of this stored collection is made of row by row, if that is
    /// merged and both have the same keys.
    pub(crate) fn followed(
        &self,
        node: NodeId,
        id: StoredId,
        target: &Target<'_>,
    ) -> Option<NodeId> {
        let (step, above) = self.above(node)?;
        let into = self.merges.get(&step).filter(|m| m.follows.is_none())?;
        let Op::AggregateStep(a) = self.circuit.op(step) else {
            return None;
        };
        let Identity::Key(key) = target.identity else {
            return None;
        };
        // Which column of the groups each column is.
        let mut columns: Vec<Option<usize>> = (0..into.target.columns.len()).map(Some).collect();
        for id in above {
            if let Op::Map(exprs) = self.circuit.op(id) {
                let from = |e: &Expr| {
                    e.as_column()
                        .and_then(|i| columns.get(i).copied().flatten())
                };
                columns = exprs.iter().map(from).collect();
            }
        }
        let key = key.iter().map(|k| columns.get(*k).copied().flatten());
        let mut key: Vec<usize> = key.collect::<Option<_>>()?;
        key.sort_unstable();
        let own = types_of(target, target_key(target));
        // What reads it reads what it was.
        let mut ids = self.circuit.ids();
        let is_read = ids.any(|read| {
            matches!(self.circuit.op(read), Op::State(s) if s.id == id) && self.uses(read) > 0
        });
        let fits = key.into_iter().eq(0..a.keys.len())
            && !is_read
            && key_access(&own, self.catalog) != KeyAccess::Scan;
        fits.then_some(step)
    }

    /// What a Delta is made of row by row, and the maps and filters that make it, the last one last.
    fn above(&self, node: NodeId) -> Option<(NodeId, Vec<NodeId>)> {
        let mut at = node;
        let mut above = vec![];
        loop {
            let input = self.circuit.inputs(at).first().copied();
            let has_queries = match self.circuit.op(at) {
                Op::Consolidate if at == node => false,
                Op::Map(exprs) => exprs.iter().any(has_query),
                Op::Filter(predicate) => has_query(predicate),
                _ => break,
            };
            if has_queries || at != node && !self.is_read_once(at) {
                return None;
            }
            if !matches!(self.circuit.op(at), Op::Consolidate) {
                above.push(at);
            }
            at = input?;
        }
        above.reverse();
        (!above.is_empty()).then_some((at, above))
    }

    /// The merge into what follows, which reads what the one into the groups returns.
    pub(crate) fn follow(
        &mut self,
        node: NodeId,
        into: &MergeInto<'_>,
        followed: &Followed<'_>,
        groups: &mut Merge,
        from: &str,
    ) -> Result<Merge> {
        let (st, d) = ("st", "d");
        let Op::AggregateStep(a) = self.circuit.op(followed.step) else {
            return Err(CodegenError::Plan("follows no step".into()));
        };
        let n = a.keys.len();
        // The key, of a group that is gone, too, and the new row of one that is there.
        let source = self.group_changes(a, followed.step)?;
        let mut namer = Namer::default();
        let state = &followed.target;
        let names: Vec<String> = state.columns.iter().map(|c| namer.unique(c)).collect();
        let keys = source.columns.iter().flatten().take(n);
        let keys = keys.map(|c| Sql::column(d, c));
        let rest = state.columns.iter().skip(n);
        let rest = rest.map(|c| Sql::column("new", c));
        let items = keys.chain(rest).zip(&names);
        groups.returning = items.map(|(e, name)| Item::new(e, name)).collect();
        let column = |(name, ty): (&String, ColType)| Some(Scalar::column(d, name, ty));
        let types = state.types.iter().copied();
        let mut cols: Vec<Option<Scalar>> = names.iter().zip(types).map(column).collect();

        let count = row_count(a)?;
        let count = Sql::column(d, &names[n + count]);
        let is_there = count.clone().is_not_null();
        let (_, above) = self.above(node).ok_or_else(lost)?;
        let mut filters = vec![];
        for id in above {
            let printer = self.printer(&cols);
            match self.circuit.op(id) {
                Op::Filter(predicate) => filters.extend(printer.conjuncts(predicate)?),
                Op::Map(exprs) => {
                    let exprs = exprs.iter().map(|e| printer.scalar(e).map(Some));
                    cols = exprs.collect::<Result<_>>()?;
                }
                _ => return Err(lost()),
            }
        }
        let (shown, hidden) = match Sql::all(filters) {
            None => (is_there, count.is_null()),
            // Asked of groups that are there only.
            Some(filter) => {
                let shown = Sql::Case {
                    whens: vec![(is_there, filter)],
                    otherwise: None,
                };
                let hidden = Sql::BoolTest(Box::new(shown.clone()), BoolTest::IsNotTrue);
                (shown, hidden)
            }
        };

        let target = &into.target;
        let key = target_key(target);
        let stored = target.columns(st);
        let new: Vec<Scalar> = cols.into_iter().collect::<Option<_>>().ok_or_else(lost)?;
        if new.len() != stored.len() {
            return Err(lost());
        }
        let pick = |cols: &[Scalar]| -> Vec<Scalar> {
            let picked = key.iter().filter_map(|k| cols.get(*k));
            picked.cloned().collect()
        };
        let (stored_key, own_key) = (pick(&stored), pick(&new));
        let mut on = vec![];
        if key_access(&types_of(target, key), self.catalog) == KeyAccess::RecordHash {
            on.push(Sql::op(
                "=",
                record_hash(&stored_key),
                record_hash(&own_key),
            ));
        }
        on.extend(all_equal(&stored_key, &own_key, self.catalog)?);
        let mut matched = vec![(vec![hidden], Matched::Delete)];
        let others: Vec<usize> = (0..new.len()).filter(|i| !key.contains(i)).collect();
        if !others.is_empty() {
            let was = others.iter().map(|i| stored[*i].sql.clone()).collect();
            // As it would be stored: rows are compared only if their columns have the same types.
            let becomes = others.iter().map(|i| {
                let new = new[*i].sql.clone();
                Ok(match new {
                    Sql::Column(..) => new,
                    _ => new.cast(TypeName::new(target.types[*i].ty, self.catalog)?),
                })
            });
            let differ = vec![Sql::Row(was), Sql::Row(becomes.collect::<Result<_>>()?)];
            let set = others.iter();
            let set = set.map(|i| (target.columns[*i].clone(), new[*i].sql.clone()));
            matched.push((
                vec![Sql::call("record_image_ne", differ)],
                Matched::Update(set.collect()),
            ));
        }
        let inserted = target.columns.iter().cloned();
        let inserted = inserted.zip(new.into_iter().map(|c| c.sql));
        Ok(Merge {
            table: target.table.clone(),
            alias: st.into(),
            using: FromItem::table(Name::bare(from), d),
            on,
            matched,
            insert: (vec![shown], inserted.collect()),
            returning: vec![],
        })
    }
}

fn lost() -> CodegenError {
    CodegenError::Plan("what follows groups is not made of them".into())
}

fn target_key<'a>(target: &Target<'a>) -> &'a [usize] {
    match target.identity {
        Identity::Key(key) => key,
        Identity::Image => &[],
    }
}

fn types_of(target: &Target<'_>, columns: &[usize]) -> Vec<ColType> {
    let types = columns.iter().filter_map(|i| target.types.get(*i));
    types.copied().collect()
}
