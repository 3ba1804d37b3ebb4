//! `AggregateStep`: the Delta of a folding aggregate, from its old rows and the Delta of its
//! input.
//!
//! Two lets. The first sums the change up per group:
//!
//! ```text
//! n = Σ w,  s = Σ w·x,  least x with w > 0,  least x with w < 0
//! ```
//!
//! The second looks each of these groups up in the state and emits −1 the old and +1 the new row.
//! Where groups may have to be recomputed (`stale.rs`), which are told by their old rows too, a let
//! of its own looks them up, once for both.
//!
//! Between the two the planner learns how many groups there are, which decides between looking up
//! and scanning. Groups with a NULL in their key are looked up apart, so that all others can be
//! joined by `=`.

use crate::aggregate::zero;
use crate::consolidate::consolidated;
use crate::error::{CodegenError, Result};
use crate::expr::{Scalar, Strength, agree};
use crate::identity::record_hash;
use crate::keys::{all_equal, all_same, loose, null_test, present};
use crate::lower::{Lowering, Relation};
use crate::names::WEIGHT;
use crate::rel::{Branch, Rel, Weight};
use crate::sql::ident::Namer;
use crate::sql::{FromItem, Item, Name, Query, Select, Sql};
use spec::NodeId;
use spec::catalog::Catalog;
use spec::fold::{COUNT_ROWS, COUNT_VALUES, Fold, SUM_NUMERIC, fold};
use spec::op::{AggCall, Aggregate, Op};
use spec::program::{Meeting, Over};
use spec::types::ColType;

/// The change of one group, and what the group was.
pub(crate) struct Groups {
    /// FROM: the changed groups, left-joined to their old (and renewed) rows.
    pub from: Vec<FromItem>,
    pub keys: Vec<Scalar>,
    /// For each aggregate.
    pub changes: Vec<Change>,
    /// The old aggregates; NULL where there was no group.
    pub old: Vec<Sql>,
    pub was: Was,
    pub renewed: Option<Vec<Sql>>,
}

/// Was there such a group before?
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Was {
    There,
    Missing,
    Unknown,
}

/// What the first let knows about one aggregate.
#[derive(Clone, Debug)]
pub(crate) enum Change {
    Count(Sql),
    Sum(Sql),
    /// The best inserted and the best retracted value.
    Extremum(Sql, Sql),
}

impl Lowering<'_> {
    pub(crate) fn aggregate_step(&mut self, a: &Aggregate, id: NodeId) -> Result<Rel> {
        let renewed = self.circuit.inputs(id).get(2).copied();
        let groups = self.changed_groups(a, id, renewed)?;
        let after = self.after(a, &groups)?;
        let after_alias = self.alias("after");
        let items = after.into_iter().enumerate();
        let names = self.step_names(id)?;
        let items: Vec<Item> = items
            .map(|(i, new)| Item::new(new, &names[a.keys.len() + i]))
            .collect();
        let new: Vec<Sql> = items
            .iter()
            .map(|i| Sql::column(&after_alias, &i.name))
            .collect();
        let mut from = groups.from;
        from.push(FromItem::lateral(
            Query::from(Select {
                items,
                ..Select::default()
            }),
            &after_alias,
        ));
        let sign = self.alias("sign");
        from.push(FromItem::Values {
            rows: vec![vec![Sql::int8(-1)], vec![Sql::int8(1)]],
            alias: sign.clone(),
            columns: vec![WEIGHT.into()],
        });
        let w = Sql::column(&sign, WEIGHT);
        let either = |old: Sql, new: Sql| Sql::Case {
            whens: vec![(Sql::op("<", w.clone(), Sql::int8(0)), old)],
            otherwise: Some(Box::new(new)),
        };
        let schema = self.circuit.schema(id).to_vec();
        let mut cols: Vec<Option<Scalar>> = groups.keys.iter().cloned().map(Some).collect();
        for ((old, new), ty) in groups.old.iter().zip(&new).zip(&schema[a.keys.len()..]) {
            cols.push(Some(Scalar {
                sql: either(old.clone(), new.clone()),
                ty: ty.ty,
                nullable: ty.nullable,
                strength: match ty.ty.collation.is_valid() {
                    true => Strength::Implicit,
                    false => Strength::None,
                },
            }));
        }
        let mut filter = vec![];
        if !a.keys.is_empty() {
            let count = row_count(a)?;
            let there = Sql::op(">", new[count].clone(), Sql::int8(0));
            filter.push(either(groups.old[count].clone().is_not_null(), there));
        }
        let rows = vec![Sql::Row(groups.old), Sql::Row(new)];
        filter.push(Sql::call("record_image_ne", rows));
        let mut branch = Branch::new(from, cols, Weight::column(&sign, WEIGHT));
        branch.filter = filter;
        Ok(Rel::one(branch))
    }

    /// Names for the keys and the aggregates: those of the old side, which has both.
    fn step_names(&self, id: NodeId) -> Result<Vec<String>> {
        let mut namer = Namer::reserving([WEIGHT]);
        let old = self.input(id, 0)?;
        let hints = self.hints[old.index()].iter();
        Ok(hints.map(|h| namer.unique(h)).collect())
    }

    /// The let of changes per group; both the step and its staleness read it.
    pub(crate) fn group_changes(&mut self, a: &Aggregate, id: NodeId) -> Result<Relation> {
        let delta = self.input(id, 1)?;
        let memo = (delta, a.clone());
        if let Some(relation) = self.groups.get(&memo) {
            return Ok(relation.clone());
        }
        let mut names = self.step_names(id)?;
        let aggs = names.split_off(a.keys.len());
        for (name, agg) in aggs.iter().zip(&a.aggs) {
            match fold(agg, self.catalog) {
                Some(Fold::Extremum { .. }) => {
                    names.push(format!("{name}_added"));
                    names.push(format!("{name}_removed"));
                }
                _ => names.push(name.clone()),
            }
        }
        // Without another look at groups that lose something every row counts, and must be there: what
        // is added in one place and taken back in another is not.
        let is_step = matches!(self.circuit.op(id), Op::AggregateStep(_));
        let nets = is_step && self.circuit.inputs(id).len() == 2 && !self.growing[delta.index()];
        let nets = nets && a.aggs.iter().any(|agg| turns_stale(agg, self.catalog));
        let comment = "the change of each group";
        let a = a.clone();
        // Without keys there is one group, of nothing too.
        let source = (!a.keys.is_empty()).then_some(delta);
        let relation = self.extra_let("changed_groups", &names, source, comment, |lowering| {
            lowering.sum_up(&a, delta, nets)
        })?;
        if let Op::State(state) = self.circuit.op(self.input(id, 0)?) {
            self.meetings.push(Meeting {
                before: self.steps.len(),
                target: state.id,
                relation: relation.name.clone(),
                over: Over::Group(a.keys.len()),
            });
        }
        self.groups.insert(memo, relation.clone());
        Ok(relation)
    }

    fn sum_up(&mut self, a: &Aggregate, delta: NodeId, nets: bool) -> Result<Rel> {
        let mut branch = self.lower_flat(delta)?;
        if nets && !self.is_consolidated(delta) {
            branch = self.flat(Rel::one(consolidated(branch, self.catalog)), delta)?;
        }
        let keys = present(&branch.cols, &a.keys)?;
        let mut cols: Vec<Option<Scalar>> = keys.iter().cloned().map(Some).collect();
        for agg in &a.aggs {
            match fold(agg, self.catalog) {
                Some(Fold::Extremum { .. }) => {
                    for added in [true, false] {
                        let one = self.extremum(agg, &branch, added)?;
                        cols.push(Some(one));
                    }
                }
                Some(_) => cols.push(Some(self.total(
                    agg,
                    &branch.cols,
                    &branch.weight,
                    !a.keys.is_empty(),
                )?)),
                None => {
                    let message = "a step of an aggregate that does not fold";
                    return Err(CodegenError::Plan(message.into()));
                }
            }
        }
        branch.group_by = Some(keys.into_iter().map(|k| k.sql).collect());
        branch.cols = cols;
        branch.weight = Weight::one();
        Ok(Rel::one(branch))
    }

    /// `min(x) FILTER (WHERE w > 0)`
    fn extremum(&self, agg: &AggCall, branch: &Branch, added: bool) -> Result<Scalar> {
        let mut scalar = self.printer(&branch.cols).aggregate(agg)?;
        let op = if added { ">" } else { "<" };
        let sign = Sql::op(op, branch.weight.sql(), Sql::int8(0));
        fn restrict(sql: &mut Sql, sign: Sql) {
            match sql {
                Sql::Aggregate(call) => {
                    call.filter = Sql::all(call.filter.take().into_iter().chain([sign]).collect());
                }
                Sql::Collate(arg, _) => restrict(arg, sign),
                _ => {}
            }
        }
        restrict(&mut scalar.sql, sign);
        scalar.nullable = true;
        Ok(scalar)
    }

    /// The changed groups beside their old rows.
    pub(crate) fn changed_groups(
        &mut self,
        a: &Aggregate,
        id: NodeId,
        renewed: Option<NodeId>,
    ) -> Result<Groups> {
        let renewed = match renewed {
            Some(node) => Some((self.lower_let(node)?, node)),
            None => None,
        };
        let types = self.group_types(a, id)?;
        if renewed.is_none() && !matches!(self.circuit.op(id), Op::Stale(_)) {
            let changed = self.group_changes(a, id)?;
            let rows = self.beside_old(a, id, &changed, &types)?;
            return self.groups_of(a, id, rows, false);
        }
        let found = self.found_groups(a, id, &types)?;
        let old = self.input(id, 0)?;
        let olds = self.circuit.schema(old)[a.keys.len()..].iter();
        let olds = olds.map(|c| ColType {
            nullable: true,
            ..*c
        });
        let types: Vec<ColType> = types.into_iter().chain(olds).collect();
        let rows = match &renewed {
            None => {
                let alias = self.alias(&found.name);
                vec![ArmRows {
                    cols: columns_with(&alias, &found, &types),
                    from: vec![FromItem::table(Name::bare(&found.name), &alias)],
                    filter: vec![],
                }]
            }
            Some(renewed) => self.groups_beside(a, &found, &types, &Side::Renewed(renewed))?,
        };
        self.groups_of(a, id, rows, renewed.is_some())
    }

    /// The let of changed groups beside their old rows.
    fn found_groups(&mut self, a: &Aggregate, id: NodeId, types: &[ColType]) -> Result<Relation> {
        let (old, delta) = (self.input(id, 0)?, self.input(id, 1)?);
        let memo = (old, delta, a.clone());
        if let Some(relation) = self.found.get(&memo) {
            return Ok(relation.clone());
        }
        let changed = self.group_changes(a, id)?;
        let names = self.arm_names(a, id, false)?;
        let source = (!a.keys.is_empty()).then_some(delta);
        let comment = "the changed groups beside their old rows";
        let relation = self.extra_let("found_groups", &names, source, comment, |lowering| {
            let rows = lowering.beside_old(a, id, &changed, types)?;
            let branches = rows.into_iter().map(|part| {
                let cols = part.cols.into_iter().map(Some).collect();
                let mut branch = Branch::new(part.from, cols, Weight::one());
                branch.filter = part.filter;
                branch
            });
            Ok(Rel {
                branches: branches.collect(),
            })
        })?;
        self.found.insert(memo, relation.clone());
        Ok(relation)
    }

    fn beside_old(
        &mut self,
        a: &Aggregate,
        id: NodeId,
        changed: &Relation,
        types: &[ColType],
    ) -> Result<Vec<ArmRows>> {
        let old = self.input(id, 0)?;
        self.groups_beside(a, changed, types, &Side::Old(old))
    }

    /// The rows of a let of groups beside those of a side of it, one list of conditions per arm.
    fn groups_beside(
        &mut self,
        a: &Aggregate,
        groups: &Relation,
        types: &[ColType],
        side: &Side<'_>,
    ) -> Result<Vec<ArmRows>> {
        let keys: Vec<usize> = (0..a.keys.len()).collect();
        let (node, hashed) = match side {
            Side::Old(old) => (*old, self.is_record_hashed(*old, &keys)),
            Side::Renewed((_, node)) => (*node, false),
        };
        let theirs = self.circuit.schema(node);
        let nullable = keys
            .iter()
            .any(|k| types[*k].nullable && theirs[*k].nullable);
        let arms = match nullable {
            _ if hashed => vec![Arm::Hashed],
            true => vec![Arm::NoNulls, Arm::SomeNull],
            false => vec![Arm::All],
        };
        let mut parts = vec![];
        for arm in arms {
            parts.push(self.groups_arm(a, groups, types, side, arm)?);
        }
        Ok(parts)
    }

    /// The rows of all arms as the one source of a step.
    fn groups_of(
        &mut self,
        a: &Aggregate,
        id: NodeId,
        mut parts: Vec<ArmRows>,
        renewed: bool,
    ) -> Result<Groups> {
        if parts.len() == 1
            && let Some(one) = parts.pop()
        {
            return one.split(a, self.catalog, renewed);
        }
        let names = self.arm_names(a, id, renewed)?;
        let queries = parts.iter().map(|part| {
            let items = part.cols.iter().zip(&names);
            let items = items
                .map(|(c, name)| Item::new(c.sql.clone(), name))
                .collect();
            Query::from(Select {
                items,
                from: part.from.clone(),
                filter: part.filter.clone(),
                ..Select::default()
            })
        });
        let query = Query::union_all(queries.collect());
        let alias = self.alias("groups");
        let first = parts
            .first()
            .ok_or_else(|| CodegenError::Plan("no arm".into()))?;
        let cols = first.cols.iter().zip(&names).map(|(c, name)| {
            let col = ColType {
                ty: c.ty,
                nullable: c.nullable,
            };
            Scalar::column(&alias, name, col)
        });
        let all = ArmRows {
            cols: cols.collect(),
            from: vec![FromItem::query(query, &alias)],
            filter: vec![],
        };
        all.split(a, self.catalog, renewed)
    }

    /// Names of the columns of an arm: keys, changes, old, renewed.
    fn arm_names(&self, a: &Aggregate, id: NodeId, renewed: bool) -> Result<Vec<String>> {
        let names = self.step_names(id)?;
        let (keys, aggs) = names.split_at(a.keys.len());
        let mut namer = Namer::default();
        let mut out: Vec<String> = keys.iter().map(|k| namer.unique(k)).collect();
        for (name, agg) in aggs.iter().zip(&a.aggs) {
            out.push(namer.unique(&format!("change_{name}")));
            if let Some(Fold::Extremum { .. }) = fold(agg, self.catalog) {
                out.push(namer.unique(&format!("removed_{name}")));
            }
        }
        for prefix in ["old", "renewed"].iter().take(1 + usize::from(renewed)) {
            out.extend(aggs.iter().map(|n| namer.unique(&format!("{prefix}_{n}"))));
        }
        Ok(out)
    }

    /// Types of the keys in the delta, then of the changes.
    pub(crate) fn group_types(&self, a: &Aggregate, id: NodeId) -> Result<Vec<ColType>> {
        let delta = self.input(id, 1)?;
        let schema = self.circuit.schema(delta);
        let mut types = vec![];
        for key in &a.keys {
            let missing = || CodegenError::Plan(format!("no key column {key}"));
            types.push(*schema.get(*key).ok_or_else(missing)?);
        }
        for agg in &a.aggs {
            let nullable = ColType {
                ty: agg.ty,
                nullable: true,
            };
            types.push(nullable);
            if let Some(Fold::Extremum { .. }) = fold(agg, self.catalog) {
                types.push(nullable);
            }
        }
        Ok(types)
    }

    fn groups_arm(
        &mut self,
        a: &Aggregate,
        groups: &Relation,
        types: &[ColType],
        side: &Side<'_>,
        arm: Arm,
    ) -> Result<ArmRows> {
        let alias = self.alias(&groups.name);
        let mut cols = columns_with(&alias, groups, types);
        let keys = cols[..a.keys.len()].to_vec();
        let side = match side {
            Side::Old(old) => self.joinable(*old)?,
            Side::Renewed((relation, node)) => self.read(relation, *node),
        };
        let all: Vec<usize> = (0..a.keys.len() + a.aggs.len()).collect();
        let own = present(&side.cols, &all)?;
        let (own_keys, aggs) = own.split_at(a.keys.len());
        let on = match arm {
            Arm::NoNulls => all_equal(own_keys, &keys, self.catalog)?,
            Arm::All | Arm::SomeNull => all_same(own_keys, &keys, self.catalog)?,
            Arm::Hashed => {
                let hashes = Sql::op("=", record_hash(own_keys), record_hash(&keys));
                let mut on = vec![hashes];
                on.extend(all_same(own_keys, &keys, self.catalog)?);
                on
            }
        };
        let loose = loose(&keys, own_keys);
        let nulls = |negated: bool| -> Result<Vec<Sql>> {
            let tests = loose.iter().map(|k| null_test(k, negated, self.catalog));
            tests.collect()
        };
        let filter = match arm {
            Arm::All | Arm::Hashed => vec![],
            Arm::NoNulls => nulls(true)?,
            Arm::SomeNull => Sql::any(nulls(false)?).into_iter().collect(),
        };
        let [right] = <[FromItem; 1]>::try_from(side.from)
            .map_err(|_| CodegenError::Plan("a side of several tables".into()))?;
        let groups = FromItem::table(Name::bare(&groups.name), &alias);
        cols.extend(aggs.iter().cloned().map(|c| Scalar {
            nullable: true,
            ..c
        }));
        Ok(ArmRows {
            cols,
            from: vec![groups.left_join(right, on)],
            filter,
        })
    }

    /// A collection of weight 1 as one FROM item.
    fn joinable(&mut self, id: NodeId) -> Result<Branch> {
        let rel = self.lower(id)?;
        let plain = rel.is_plain();
        let mut branch = self.flat(rel, id)?;
        if !plain {
            branch = consolidated(branch, self.catalog);
        }
        if branch.from.len() == 1 && branch.filter.is_empty() && branch.is_flat() {
            return Ok(branch);
        }
        let columns = self.column_names(id);
        self.enclose(Rel::one(branch), id, &columns)
    }

    /// The new value of each aggregate: recomputed, where the group was, else folded. Counts
    /// always fold.
    pub(crate) fn after(&self, a: &Aggregate, groups: &Groups) -> Result<Vec<Sql>> {
        let recomputed = |i: usize, folded: Sql| -> Result<Sql> {
            let Some(renewed) = &groups.renewed else {
                return Ok(folded);
            };
            Ok(Sql::Case {
                whens: vec![(was_recomputed(a, renewed)?, renewed[i].clone())],
                otherwise: Some(Box::new(folded)),
            })
        };
        let mut out = vec![];
        for (i, change) in groups.changes.iter().enumerate() {
            let folded = self.folded(a, groups, i)?;
            out.push(match change {
                Change::Count(_) => folded,
                Change::Sum(_) | Change::Extremum(..) => recomputed(i, folded)?,
            });
        }
        Ok(out)
    }

    /// The new value from the old one and the change.
    pub(crate) fn folded(&self, a: &Aggregate, groups: &Groups, i: usize) -> Result<Sql> {
        let agg = &a.aggs[i];
        let old = groups.old[i].clone();
        match &groups.changes[i] {
            Change::Count(change) => {
                let old = match groups.was {
                    Was::There => old,
                    Was::Missing => return Ok(change.clone()),
                    Was::Unknown => Sql::Coalesce(vec![old, Sql::int8(0)]),
                };
                Ok(Sql::op("+", old, change.clone()))
            }
            Change::Sum(change) => {
                let none = zero(agg.ty.oid, self.catalog)?;
                let side = |s: Sql| Sql::Coalesce(vec![s, none.clone()]);
                let change = side(change.clone());
                let sum = match groups.was {
                    Was::There if !agg.nullable => Sql::op("+", old, change),
                    Was::There | Was::Unknown => Sql::op("+", side(old), change),
                    Was::Missing => change,
                };
                let Some(count) = a.count_beside(agg).filter(|_| agg.nullable) else {
                    return Ok(sum);
                };
                let count = self.folded(a, groups, count)?;
                Ok(Sql::Case {
                    whens: vec![(Sql::op("<>", count, Sql::int8(0)), sum)],
                    otherwise: None,
                })
            }
            Change::Extremum(added, _) => self.better(agg, old, added.clone()),
        }
    }

    /// The better of two values of an extremum, either of which may be NULL.
    pub(crate) fn better(&self, agg: &AggCall, old: Sql, added: Sql) -> Result<Sql> {
        let Some(Fold::Extremum { greatest }) = fold(agg, self.catalog) else {
            return Err(CodegenError::Plan("not an extremum".into()));
        };
        let side = |sql: Sql| Scalar {
            sql,
            ty: agg.ty,
            nullable: true,
            strength: match agg.ty.collation.is_valid() {
                true => Strength::Implicit,
                false => Strength::None,
            },
        };
        let sides = agree(vec![side(old), side(added)], agg.collation, self.catalog)?;
        Ok(Sql::MinMax {
            greatest,
            args: sides.into_iter().map(|s| s.sql).collect(),
        })
    }
}

/// Can it not be told from the old value and the change, if the group loses something?
fn turns_stale(agg: &AggCall, catalog: &Catalog) -> bool {
    matches!(fold(agg, catalog), Some(Fold::Extremum { .. })) || agg.function == SUM_NUMERIC
}

/// What stands beside groups.
enum Side<'s> {
    Old(NodeId),
    Renewed(&'s (Relation, NodeId)),
}

/// The columns of a let of groups.
fn columns_with(alias: &str, relation: &Relation, types: &[ColType]) -> Vec<Scalar> {
    let names = relation.columns.iter().flatten().zip(types);
    names
        .map(|(name, ty)| Scalar::column(alias, name, *ty))
        .collect()
}

/// Which groups an arm of the look-up takes.
#[derive(Clone, Copy)]
enum Arm {
    /// All: no key can be NULL on both sides.
    All,
    /// All, by the hash of the key that the state is indexed on.
    Hashed,
    NoNulls,
    SomeNull,
}

struct ArmRows {
    cols: Vec<Scalar>,
    from: Vec<FromItem>,
    filter: Vec<Sql>,
}

impl ArmRows {
    fn split(self, a: &Aggregate, catalog: &Catalog, renewed: bool) -> Result<Groups> {
        let mut rest = self.cols.into_iter();
        let keys: Vec<Scalar> = rest.by_ref().take(a.keys.len()).collect();
        let mut rest = rest.map(|c| c.sql);
        let changes = changes_of(a, &mut rest, catalog)?;
        let mut next = || rest.next().ok_or_else(no_column);
        let mut side = || a.aggs.iter().map(|_| next()).collect::<Result<Vec<Sql>>>();
        let old = side()?;
        let renewed = renewed.then(&mut side).transpose()?;
        Ok(Groups {
            from: self.from,
            keys,
            changes,
            old,
            was: Was::Unknown,
            renewed,
        })
    }
}

fn no_column() -> CodegenError {
    CodegenError::Plan("a step lacks a column".into())
}

/// The changes of the aggregates, from the columns of the let of changes per group.
pub(crate) fn changes_of(
    a: &Aggregate,
    columns: &mut impl Iterator<Item = Sql>,
    catalog: &Catalog,
) -> Result<Vec<Change>> {
    let mut next = || columns.next().ok_or_else(no_column);
    let change = |agg| {
        Ok(match fold(agg, catalog) {
            Some(Fold::Extremum { .. }) => Change::Extremum(next()?, next()?),
            Some(Fold::Sum) => Change::Sum(next()?),
            _ => Change::Count(next()?),
        })
    };
    a.aggs.iter().map(change).collect()
}

/// Has the group been recomputed? Some count of its row says so, which is never NULL.
fn was_recomputed(a: &Aggregate, renewed: &[Sql]) -> Result<Sql> {
    // Any count tells: a group that was recomputed has one, be it 0.
    let counts = [COUNT_ROWS, COUNT_VALUES];
    let count = a.aggs.iter().position(|g| counts.contains(&g.function));
    let missing = || CodegenError::Plan("a step without any count".into());
    let count = renewed.get(count.ok_or_else(missing)?);
    Ok(count.ok_or_else(missing)?.clone().is_not_null())
}

/// Where `count(*)` is.
pub(crate) fn row_count(a: &Aggregate) -> Result<usize> {
    let missing = || CodegenError::Plan("a grouped step without count(*)".into());
    a.row_count().ok_or_else(missing)
}
