//! `Merge`: the step of a folding aggregate and its apply in one statement.
//!
//! ```text
//! MERGE the change of each group into the state of the groups:
//!   old and change make no row left     DELETE, where a row can go
//!   old and change differ from old      UPDATE
//!   no old                              INSERT
//! RETURNING old, new                    −1 old, +1 new: the Delta of the aggregate
//! ```
//!
//! Against a let of the Delta and its apply this looks each group up once instead of three times.
//! It must be the only one to read the state: what read it later would see the new one. What is
//! stored beside the state and made of its rows one by one is merged in the same statement
//! (`follow.rs`).

use crate::aggregate_step::{Groups, Was, changes_of, row_count};
use crate::apply::Target;
use crate::error::{CodegenError, Result};
use crate::expr::Scalar;
use crate::identity::{KeyAccess, key_access, record_hash};
use crate::keys::all_equal;
use crate::lower::{Lowering, Relation};
use crate::names::WEIGHT;
use crate::sql::ident::Namer;
use crate::sql::{FromItem, Item, Matched, Merge, Name, Query, Select, Sql, print};
use spec::compiled::Identity;
use spec::op::{Op, StoredId};
use spec::program::{RelColumn, Step, StepKind};
use spec::types::{SqlType, oids};
use spec::{Expr, NodeId};

/// Where a Delta is merged into.
#[derive(Clone)]
pub struct MergeInto<'a> {
    pub id: StoredId,
    pub target: Target<'a>,
    /// Other steps read the Delta.
    pub read: bool,
    /// It is not the state of groups itself, but follows one.
    pub follows: Option<Followed<'a>>,
}

/// A state that a stored collection follows, and the step whose Delta is the state's.
#[derive(Clone)]
pub struct Followed<'a> {
    pub step: NodeId,
    pub target: Target<'a>,
}

impl Lowering<'_> {
    /// Can the Delta of this stored collection be merged into it? Only a step of its own groups,
    /// none of which must be recomputed, by keys that are told apart by `=` alone and found through
    /// an index. (That the keys are unique is not the index's doing: a change has each once.)
    pub(crate) fn merges(&self, node: NodeId, id: StoredId, target: &Target<'_>) -> bool {
        let (Op::AggregateStep(a), [old, delta]) =
            (self.circuit.op(node), self.circuit.inputs(node))
        else {
            return false;
        };
        let Op::State(state) = self.circuit.op(*old) else {
            return false;
        };
        let Identity::Key(key) = target.identity else {
            return false;
        };
        let n = a.keys.len();
        let own = &target.types[..n];
        let of_delta = self.circuit.schema(*delta);
        let strict = (a.keys.iter().zip(own)).all(|(k, c)| !(c.nullable && of_delta[*k].nullable));
        state.id == id
            && self.is_read_once(*old)
            && n > 0
            && key.len() == n
            && key.iter().all(|k| *k < n)
            && strict
            && own.iter().all(|c| self.catalog.image_equality(c.ty))
            && key_access(own, self.catalog) != KeyAccess::Scan
    }

    pub(crate) fn merge(
        &mut self,
        node: NodeId,
        into: &MergeInto<'_>,
        name: &str,
    ) -> Result<Relation> {
        let (first, last, changes) = match &into.follows {
            None => {
                let (merge, changes) = self.merge_groups(node, &into.target)?;
                (None, merge, changes)
            }
            Some(followed) => {
                let (mut groups, changes) = self.merge_groups(followed.step, &followed.target)?;
                let from = self.relations.unique("groups");
                let last = self.follow(node, into, followed, &mut groups, &from)?;
                (Some((from, groups)), last, changes)
            }
        };
        let merged = self.relations.unique("merged");
        let with = |last: Merge| {
            let all = first.iter().map(|(name, merge)| (name.as_str(), merge));
            let all: Vec<_> = all.chain([(merged.as_str(), &last)]).collect();
            print::with_merges(&all)
        };

        let target = &into.target;
        let Identity::Key(key) = target.identity else {
            return Err(CodegenError::Plan("a merge without a key".into()));
        };
        // A column of the key, which is NULL only where there is no such row.
        let own = key.first().copied().unwrap_or_default();
        let there = |side: &str| Sql::column(side, &target.columns[own]).is_not_null();
        let zero = || Sql::int8(0);
        let mut namer = Namer::reserving([WEIGHT]);
        let names: Vec<String> = target.columns.iter().map(|c| namer.unique(c)).collect();
        let olds: Vec<String> = names
            .iter()
            .map(|c| namer.unique(&format!("old_{c}")))
            .collect();
        let mut returning = vec![];
        for (side, names) in [("old", &olds), ("new", &names)] {
            let items = target.columns.iter().zip(names);
            let items = items.map(|(c, name)| Item::new(Sql::column(side, c), name));
            returning.extend(items);
        }
        let sign = FromItem::Values {
            rows: vec![vec![Sql::int8(-1)], vec![Sql::int8(1)]],
            alias: "sign".into(),
            columns: vec![WEIGHT.into()],
        };
        let w = Sql::column("sign", WEIGHT);
        let either = |i: usize| Sql::Case {
            whens: vec![(
                Sql::op("<", w.clone(), zero()),
                Sql::column(&merged, &olds[i]),
            )],
            otherwise: Some(Box::new(Sql::column(&merged, &names[i]))),
        };
        let shown = self.column_names(node);
        let shown: Vec<String> = shown.into_iter().flatten().collect();
        if shown.len() != names.len() {
            return Err(CodegenError::Plan("a merge lacks a column".into()));
        }
        let items = shown.iter().enumerate();
        let items = items.map(|(i, name)| Item::new(either(i), name));
        let weight = Item::new(w.clone(), WEIGHT);
        let rows = Select {
            items: std::iter::once(weight).chain(items).collect(),
            from: vec![FromItem::table(Name::bare(&merged), &merged), sign],
            filter: vec![either(own).is_not_null()],
            ..Select::default()
        };
        let counted = (!into.read).then(|| {
            let returning = [("old", "deleted"), ("new", "inserted")]
                .map(|(side, name)| Item::new(there(side), name))
                .into();
            let number = |name: &str| {
                let if_so = Some(Sql::column(&merged, name));
                Item::new(Sql::aggregate("count", vec![], if_so), name)
            };
            let query = Select {
                items: ["inserted", "deleted"].map(number).into(),
                from: vec![FromItem::table(Name::bare(&merged), &merged)],
                ..Select::default()
            };
            let counting = Merge {
                returning,
                ..last.clone()
            };
            with(counting) + "\n" + &printed(query)
        });
        let columns = shown.iter().zip(target.types);
        let columns = columns.map(|(name, c)| RelColumn {
            name: name.clone(),
            ty: c.ty.declared(),
        });
        let of_weight = RelColumn {
            name: WEIGHT.into(),
            ty: SqlType::new(oids::INT8),
        };
        let tables = first.iter().map(|(_, merge)| &merge.table);
        let tables = tables.chain([&target.table]).map(Name::to_string);
        let tables: Vec<String> = tables.collect();
        self.steps.push(Step {
            name: name.to_owned(),
            comment: format!(
                "{name}: the change of the groups, merged into {}",
                tables.join(" and ")
            ),
            kind: StepKind::Merge {
                target: into.id,
                with: with(Merge { returning, ..last }),
                rows: printed(rows),
                columns: std::iter::once(of_weight).chain(columns).collect(),
                counted,
            },
            skip_if_empty: vec![changes.name],
            settings: crate::lower::settings(),
        });
        Ok(Relation {
            name: name.to_owned(),
            columns: shown.into_iter().map(Some).collect(),
            weighted: true,
        })
    }

    /// The change of each group, `d`, merged into the state of the groups; returning nothing yet.
    fn merge_groups(&mut self, step: NodeId, target: &Target<'_>) -> Result<(Merge, Relation)> {
        let Op::AggregateStep(a) = self.circuit.op(step) else {
            return Err(CodegenError::Plan("a merge of no step".into()));
        };
        let changes = self.group_changes(a, step)?;
        let n = a.keys.len();
        let (st, d) = ("st", "d");

        let stored = target.columns(st);
        let (stored_keys, old) = stored.split_at(n);
        let types = self.group_types(a, step)?;
        let of_change = changes.columns.iter().flatten().zip(types);
        let of_change = of_change.map(|(c, ty)| Scalar::column(d, c, ty));
        let mut of_change: Vec<Scalar> = of_change.collect();
        let of_aggs = of_change.split_off(n);
        let keys = of_change;
        let mut groups = Groups {
            from: vec![],
            keys: keys.clone(),
            changes: changes_of(a, &mut of_aggs.into_iter().map(|c| c.sql), self.catalog)?,
            old: old.iter().map(|c| c.sql.clone()).collect(),
            was: Was::There,
            renewed: None,
        };
        let was = groups.old.clone();
        let after = self.after(a, &groups)?;
        let no_columns = vec![];
        let printer = self.printer(&no_columns);
        let nulls = a.aggs.iter().map(|g| printer.scalar(&Expr::null(g.ty)));
        groups.old = nulls.map(|n| Ok(n?.sql)).collect::<Result<_>>()?;
        groups.was = Was::Missing;
        let first = self.after(a, &groups)?;

        let mut on = vec![];
        if key_access(&target.types[..n], self.catalog) == KeyAccess::RecordHash {
            on.push(Sql::op("=", record_hash(stored_keys), record_hash(&keys)));
        }
        on.extend(all_equal(stored_keys, &keys, self.catalog)?);
        let count = row_count(a)?;
        let zero = || Sql::int8(0);
        let differ = vec![Sql::Row(was), Sql::Row(after.clone())];
        let named = |i: usize| target.columns[i].clone();
        let set = (n..).zip(&after).map(|(i, e)| (named(i), e.clone()));
        let inserted = keys.iter().map(|k| k.sql.clone()).chain(first.clone());
        let update = (
            vec![Sql::call("record_image_ne", differ)],
            Matched::Update(set.collect()),
        );
        let delete = (
            vec![Sql::op("<=", after[count].clone(), zero())],
            Matched::Delete,
        );
        let delta = self.input(step, 1)?;
        let merge = Merge {
            table: target.table.clone(),
            alias: st.into(),
            using: FromItem::table(Name::bare(&changes.name), d),
            on,
            matched: match self.growing[delta.index()] {
                true => vec![update],
                false => vec![delete, update],
            },
            insert: (
                vec![Sql::op(">", first[count].clone(), zero())],
                inserted.enumerate().map(|(i, e)| (named(i), e)).collect(),
            ),
            returning: vec![],
        };
        Ok((merge, changes))
    }
}

fn printed(query: Select) -> String {
    print::query(&Query::from(query), 0)
}
