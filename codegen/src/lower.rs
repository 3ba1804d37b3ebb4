//! From the circuit of deltas to steps: what becomes a let, and what is merged.
//!
//! A node becomes a let of its own if several nodes read it and it is *small*: it depends on a
//! Delta, so that its size is that of the change. What is not small (New or Old of a table) is
//! printed where it is read, so that the planner can use the indexes below. Each operator's own
//! part is in the file of its name, as a method of [`Lowering`].

use crate::consolidate::consolidated;
use crate::demand::{demand, read_by_rows};
use crate::error::{CodegenError, Result};
use crate::expr::{Columns, Printer, Scalar};
use crate::growing::growing;
use crate::identity::{KeyAccess, key_access};
use crate::merge::MergeInto;
use crate::names::{Names, WEIGHT, column_hints};
use crate::rel::{Branch, Rel, Weight};
use crate::seek::OuterKey;
use crate::sql::ident::{Namer, fit};
use crate::sql::print;
use crate::sql::{FromItem, Name, Query};
use spec::catalog::Catalog;
use spec::circuit::Circuit;
use spec::compiled::{Identity, SourceUse};
use spec::op::{Aggregate, Op, State, StoredId};
use spec::program::{Meeting, RelColumn, Step, StepKind};
use spec::types::{ColType, Oid, SqlType, oids};
use spec::{Expr, NodeId};
use std::collections::{BTreeSet, HashMap, HashSet};

/// A named relation of the program: a batch or a let.
#[derive(Clone, Debug)]
pub struct Relation {
    pub name: String,
    /// Column names; none for columns that it does not have.
    pub columns: Vec<Option<String>>,
    /// Has a column `w`.
    pub weighted: bool,
}

pub struct Lowering<'a> {
    pub catalog: &'a Catalog,
    pub circuit: &'a Circuit,
    pub names: &'a Names,
    /// Column names of the stored collections.
    pub stored: &'a [Vec<String>],
    /// How their rows are told apart; empty where nothing stored is read.
    pub identities: Vec<&'a Identity>,
    pub hints: Vec<Vec<String>>,
    pub demand: Vec<BTreeSet<usize>>,
    /// What is probed is found before it is joined with anything (see `look_up.rs`). Not within
    /// EXISTS, where the row that is looked at may lead to what it matches.
    pub looks_up_first: bool,
    /// Of which each row is read, not their sum.
    pub by_rows: Vec<bool>,
    uses: Vec<usize>,
    small: Vec<bool>,
    changing: Vec<bool>,
    /// No row of it goes.
    pub growing: Vec<bool>,
    /// Nodes that are the Delta of a stored collection, and the name of the let.
    deltas: HashMap<NodeId, String>,
    /// Those of them that are merged into where they are stored.
    pub merges: HashMap<NodeId, MergeInto<'a>>,
    /// Lets of changes per group, by the delta and the aggregate over it.
    pub groups: HashMap<(NodeId, Aggregate), Relation>,
    /// Lets of these beside their old rows, by the old side, too.
    pub found: HashMap<(NodeId, NodeId, Aggregate), Relation>,
    /// Lets of what is left of a reserve, by its old rows and the delta of what it is kept of.
    pub reserves: HashMap<(NodeId, NodeId), Relation>,
    /// Where transactions that run the program at the same time meet in a group.
    pub meetings: Vec<Meeting>,
    /// Sources that have changed, and their batches.
    pub batches: HashMap<Oid, Relation>,
    /// Nodes with a let.
    pub lets: HashMap<NodeId, Relation>,
    /// Probes that are being printed for one key, which stands outside (see `seek.rs`).
    pub outer: HashMap<NodeId, Vec<OuterKey>>,
    /// Nodes whose content is read from where it is stored.
    pub held: HashMap<NodeId, StoredId>,
    pub relations: Namer,
    aliases: Vec<Namer>,
    pub steps: Vec<Step>,
}

impl<'a> Lowering<'a> {
    pub fn new(
        catalog: &'a Catalog,
        circuit: &'a Circuit,
        roots: &[NodeId],
        names: &'a Names,
        stored: &'a [Vec<String>],
        captured: &[SourceUse],
    ) -> Lowering<'a> {
        let mut uses = vec![0; circuit.len()];
        for root in roots {
            uses[root.index()] += 1;
        }
        // A step and its staleness read one let of changes per group, which reads the delta once. So
        // do the step of a reserve and whether it is short.
        let mut summed = HashSet::new();
        let mut left = HashSet::new();
        for id in circuit.reachable(roots) {
            for (i, input) in circuit.inputs(id).iter().enumerate() {
                let again = match circuit.op(id) {
                    Op::AggregateStep(a) | Op::Stale(a) if i == 1 => !summed.insert((*input, a)),
                    Op::ReserveStep(r) | Op::Short(r) if i == 1 => !left.insert((*input, r)),
                    _ => false,
                };
                uses[input.index()] += usize::from(!again);
            }
        }
        Lowering {
            catalog,
            circuit,
            names,
            stored,
            identities: vec![],
            hints: column_hints(circuit, catalog, stored),
            demand: demand(circuit, roots, captured),
            by_rows: read_by_rows(circuit, roots),
            looks_up_first: true,
            uses,
            small: small(circuit),
            changing: changing(circuit),
            growing: growing(circuit, captured),
            deltas: HashMap::new(),
            merges: HashMap::new(),
            groups: HashMap::new(),
            found: HashMap::new(),
            reserves: HashMap::new(),
            meetings: vec![],
            batches: HashMap::new(),
            lets: HashMap::new(),
            outer: HashMap::new(),
            held: HashMap::new(),
            relations: Namer::default(),
            aliases: vec![Namer::default()],
            steps: vec![],
        }
    }

    pub fn printer<'b>(&'b self, input: &'b Columns) -> Printer<'b> {
        Printer {
            catalog: self.catalog,
            input,
        }
    }

    pub fn conjuncts<'e>(
        &self,
        exprs: impl IntoIterator<Item = &'e Expr>,
        input: &Columns,
    ) -> Result<Vec<crate::sql::Sql>> {
        let printer = self.printer(input);
        let nested: Vec<_> = exprs
            .into_iter()
            .map(|e| printer.conjuncts(e))
            .collect::<Result<_>>()?;
        Ok(nested.concat())
    }

    /// An alias that is unique in the statement being built.
    pub fn alias(&mut self, wish: &str) -> String {
        match self.aliases.last_mut() {
            Some(namer) => namer.unique(wish),
            None => wish.to_owned(),
        }
    }

    pub fn input(&self, id: NodeId, i: usize) -> Result<NodeId> {
        let input = self.circuit.inputs(id).get(i).copied();
        input.ok_or_else(|| CodegenError::Plan(format!("node {} lacks an input", id.0)))
    }

    /// The collection of a node, to be read from its let if it has or should have one.
    pub fn lower(&mut self, id: NodeId) -> Result<Rel> {
        if let Some(stored) = self.held.get(&id) {
            let types = self.circuit.schema(id).to_vec();
            return self.state(&State { id: *stored, types });
        }
        if !self.has_let(id) {
            return self.build(id);
        }
        if !self.lets.contains_key(&id) {
            let name = self.let_name(id);
            self.make_let(id, &name)?;
        }
        let relation = self.lets.get(&id).cloned();
        let relation = relation.ok_or_else(|| CodegenError::Plan("a let is missing".into()))?;
        Ok(Rel::one(self.read(&relation, id)))
    }

    /// The same as flat branches.
    pub fn lower_branches(&mut self, id: NodeId) -> Result<Rel> {
        let rel = self.lower(id)?;
        self.flat_branches(rel, id)
    }

    /// All its branches if they are flat, else one that is.
    pub fn flat_branches(&mut self, rel: Rel, id: NodeId) -> Result<Rel> {
        match rel.branches.iter().all(Branch::is_flat) {
            true => Ok(rel),
            false => Ok(Rel::one(self.flat(rel, id)?)),
        }
    }

    /// The same as the FROM of one flat branch.
    pub fn lower_flat(&mut self, id: NodeId) -> Result<Branch> {
        let rel = self.lower(id)?;
        self.flat(rel, id)
    }

    /// A let for this node, wherever it is read.
    pub fn lower_let(&mut self, id: NodeId) -> Result<Relation> {
        if !self.lets.contains_key(&id) {
            let name = self.let_name(id);
            self.make_let(id, &name)?;
        }
        let relation = self.lets.get(&id).cloned();
        relation.ok_or_else(|| CodegenError::Plan("a let is missing".into()))
    }

    /// Is it made of keys that a change touches?
    fn is_of_touched(&self, id: NodeId) -> bool {
        let mut inputs = self.circuit.inputs(id).iter();
        inputs.any(|i| matches!(self.circuit.op(*i), Op::Touched(_)) || self.is_sum_of_touched(*i))
    }

    fn is_sum_of_touched(&self, id: NodeId) -> bool {
        let touched = |i: &NodeId| matches!(self.circuit.op(*i), Op::Touched(_));
        matches!(self.circuit.op(id), Op::Plus) && self.circuit.inputs(id).iter().all(touched)
    }

    /// Is it of the size of the change?
    pub fn is_small(&self, id: NodeId) -> bool {
        self.small[id.index()]
    }

    /// Is it made of a change? What is not may stand in queries, too, which have no lets.
    pub fn is_changing(&self, id: NodeId) -> bool {
        self.changing[id.index()]
    }

    fn is_shared(&self, id: NodeId) -> bool {
        if self.deltas.contains_key(&id) {
            return true;
        }
        // It is planned in a way of its own.
        match self.circuit.op(id) {
            Op::Closure(c) if c.change => return true,
            Op::Suffix(_) if self.in_order(id).is_some() => return true,
            _ => {}
        }
        self.uses[id.index()] > 1 && self.is_small(id) && self.is_changing(id) && !self.is_cheap(id)
    }

    /// Is it read from a let?
    pub fn has_let(&self, id: NodeId) -> bool {
        self.lets.contains_key(&id) || self.is_shared(id) && !self.is_settled(id)
    }

    /// How many read it.
    pub fn uses(&self, id: NodeId) -> usize {
        self.uses[id.index()]
    }

    /// Does only one node read it?
    pub fn is_read_once(&self, id: NodeId) -> bool {
        self.uses[id.index()] == 1
    }

    /// Is it only a name for what is consolidated by its form?
    fn is_settled(&self, id: NodeId) -> bool {
        let input = self.circuit.inputs(id).first();
        matches!(self.circuit.op(id), Op::Consolidate)
            && !self.deltas.contains_key(&id)
            && input.is_some_and(|i| self.lets.contains_key(i) && self.is_consolidated(*i))
    }

    /// Costs nothing to print again.
    fn is_cheap(&self, id: NodeId) -> bool {
        match self.circuit.op(id) {
            Op::Delta | Op::Constant(_) => true,
            Op::Map(_) | Op::Neg => self.circuit.inputs(id).iter().all(|i| self.is_cheap(*i)),
            _ => false,
        }
    }

    /// Announces that the Delta of a stored collection is this node; it becomes a let, which is
    /// consolidated and has a weight, under this name.
    pub fn announce(&mut self, id: NodeId, name: String) {
        self.deltas.entry(id).or_insert(name);
    }

    fn let_name(&mut self, id: NodeId) -> String {
        if let Some(name) = self.deltas.get(&id) {
            return name.clone();
        }
        let wish = match self.circuit.op(id) {
            Op::Touched(_) => "touched",
            Op::Stale(_) => "stale",
            Op::Short(_) => "short",
            Op::Reserve(_) | Op::ReserveStep(_) => "reserve",
            Op::Probe(_) => "probed",
            Op::Suffix(_) => "suffix",
            Op::Last(_) => "last_rows",
            Op::TopK(_) if self.is_of_touched(id) => "places",
            Op::Aggregate(_) | Op::AggregateStep(_) => "aggregated",
            Op::Join(_) => "joined",
            Op::Semi(_) => "matching",
            Op::Anti(_) => "unmatched",
            Op::Distinct => "distinct_rows",
            Op::TopK(_) => "first_rows",
            Op::Window(_) | Op::WindowStep(_) => "over_windows",
            Op::Closure(_) => "reached",
            _ => "changed",
        };
        self.relations.unique(wish)
    }

    fn make_let(&mut self, id: NodeId, name: &str) -> Result<()> {
        if let Some(into) = self.merges.get(&id).cloned() {
            let relation = self.merge(id, &into, name)?;
            self.lets.insert(id, relation);
            return Ok(());
        }
        let is_delta = self.deltas.contains_key(&id);
        self.aliases.push(Namer::default());
        // A query of its own, wherever it is read.
        let outside = std::mem::replace(&mut self.looks_up_first, true);
        let rel = match is_delta && !self.is_consolidated(id) {
            true => self.build(id).and_then(|rel| {
                let branch = self.flat(rel, id)?;
                Ok(Rel::one(consolidated(branch, self.catalog)))
            }),
            false => self.build(id),
        };
        self.aliases.pop();
        self.looks_up_first = outside;
        let rel = rel?;
        let weighted = is_delta || !rel.is_plain();
        let comment = self.describe(id);
        let relation = self.emit(id, name, rel, weighted, comment)?;
        self.lets.insert(id, relation);
        Ok(())
    }

    fn describe(&self, id: NodeId) -> String {
        let what = match self.circuit.op(id) {
            Op::Touched(_) => "the keys that the change touches",
            Op::Stale(_) => "the groups that must be recomputed",
            Op::Short(_) => "whether the reserve must be filled anew",
            Op::ReserveStep(_) => "the reserve, from its old rows and the change",
            Op::Probe(_) => "the rows of these keys",
            Op::Suffix(_) => "the rows from these places on",
            Op::Last(_) => "the last rows before these places",
            Op::TopK(_) if self.is_of_touched(id) => "where each partition begins to change",
            Op::WindowStep(_) => "the rows with what window functions say of them",
            Op::Aggregate(_) => "aggregated",
            Op::AggregateStep(_) => "the groups, from their old rows and the change",
            Op::Join(_) => "joined",
            Op::Semi(_) => "the rows that have a match",
            Op::Anti(_) => "the rows that have no match",
            Op::Distinct => "each row once",
            Op::TopK(_) => "the first rows",
            Op::Window(_) => "the rows with what window functions say of them",
            Op::Consolidate => "each changed row once",
            Op::Positive => match self.circuit.op(self.circuit.inputs(id)[0]) {
                Op::Neg => "the rows that went",
                _ => "the rows that came",
            },
            Op::Closure(_) => "what is reached from these rows",
            _ => "the changed rows",
        };
        match self.deltas.get(&id) {
            Some(name) => format!("{name}: {what}"),
            None => what.into(),
        }
    }

    /// Emits a let that is not the value of a node: its columns are those of what `build` makes,
    /// all there, with these names. It is empty where the node `source` is, if that is given.
    pub fn extra_let(
        &mut self,
        wish: &str,
        names: &[String],
        source: Option<NodeId>,
        comment: &str,
        build: impl FnOnce(&mut Self) -> Result<Rel>,
    ) -> Result<Relation> {
        let rel = self.aside(build)?;
        let name = self.relations.unique(wish);
        let mut namer = Namer::reserving([WEIGHT]);
        let columns: Vec<Option<String>> = names.iter().map(|n| Some(namer.unique(n))).collect();
        let skip = source.and_then(|s| self.empty_if(s)).unwrap_or_default();
        let when = (skip, settings());
        self.push_let(&name, rel, &columns, false, comment.into(), when)
    }

    /// The same of a Z-set, made of a change.
    pub fn weighted_let(
        &mut self,
        wish: &str,
        columns: &[Option<String>],
        source: NodeId,
        comment: &str,
        build: impl FnOnce(&mut Self) -> Result<Rel>,
    ) -> Result<Relation> {
        let rel = self.aside(build)?;
        let name = self.relations.unique(wish);
        let when = (self.empty_if(source).unwrap_or_default(), settings());
        self.push_let(&name, rel, columns, true, comment.into(), when)
    }

    /// Builds a query of its own: its names are not those of the one around it.
    pub fn aside<R>(&mut self, build: impl FnOnce(&mut Self) -> R) -> R {
        self.aliases.push(Namer::default());
        let built = build(self);
        self.aliases.pop();
        built
    }

    /// Closes a collection into a let.
    fn emit(
        &mut self,
        id: NodeId,
        name: &str,
        rel: Rel,
        weighted: bool,
        comment: String,
    ) -> Result<Relation> {
        let columns = self.column_names(id);
        let skip = self.empty_if(id).unwrap_or_default();
        let settings = settings().into_iter().chain(self.in_order(id));
        let when = (skip, settings.collect());
        self.push_let(name, rel, &columns, weighted, comment, when)
    }

    fn push_let(
        &mut self,
        name: &str,
        mut rel: Rel,
        columns: &[Option<String>],
        weighted: bool,
        comment: String,
        (skip_if_empty, settings): (Vec<String>, Vec<(String, String)>),
    ) -> Result<Relation> {
        let missing = || CodegenError::Plan(format!("let {name} has no branch"));
        let first = rel.branches.first().ok_or_else(missing)?;
        let ty = |(i, c): (usize, &Option<Scalar>)| {
            let ty = c.as_ref()?.ty;
            let all = rel.branches.iter().map(|b| b.cols.get(i)?.as_ref());
            let same = all.flatten().all(|c| c.ty.typmod == ty.typmod);
            // UNION ALL keeps a modifier that all its branches have.
            let typmod = if same { ty.typmod } else { -1 };
            Some(SqlType { typmod, ..ty }.declared())
        };
        let types: Vec<Option<SqlType>> = first.cols.iter().enumerate().map(ty).collect();
        let w = weighted.then(|| RelColumn {
            name: WEIGHT.into(),
            ty: SqlType::new(oids::INT8),
        });
        let shown = columns.iter().zip(&types).filter_map(|(c, ty)| {
            Some(RelColumn {
                name: c.clone()?,
                ty: (*ty)?,
            })
        });
        let shown: Vec<RelColumn> = w.into_iter().chain(shown).collect();
        // Nothing is put on top of it.
        rel.branches.iter_mut().for_each(|b| b.fence = false);
        let query = rel.query(weighted.then_some(WEIGHT), columns);
        self.steps.push(Step {
            name: name.to_owned(),
            comment,
            kind: StepKind::Let {
                sql: print::query(&query, 0),
                columns: shown,
            },
            skip_if_empty,
            settings,
        });
        Ok(Relation {
            name: name.to_owned(),
            columns: columns.to_vec(),
            weighted,
        })
    }

    /// The demanded columns of a node, by unique names.
    pub fn column_names(&self, id: NodeId) -> Vec<Option<String>> {
        let mut namer = Namer::reserving([WEIGHT]);
        let demand = &self.demand[id.index()];
        let hints = self.hints[id.index()].iter().enumerate();
        let name = |(i, hint): (usize, &String)| demand.contains(&i).then(|| namer.unique(hint));
        hints.map(name).collect()
    }

    /// The rows of a named relation.
    pub fn read(&mut self, relation: &Relation, id: NodeId) -> Branch {
        let alias = self.alias(&relation.name);
        let schema = self.circuit.schema(id);
        let cols = columns_of(&alias, &relation.columns, schema);
        let weight = match relation.weighted {
            true => Weight::column(&alias, WEIGHT),
            false => Weight::one(),
        };
        let from = FromItem::table(Name::bare(&relation.name), &alias);
        Branch::new(vec![from], cols, weight)
    }

    /// One flat branch: the collection itself if it is one, else a subquery of it.
    pub fn flat(&mut self, mut rel: Rel, id: NodeId) -> Result<Branch> {
        if rel.branches.len() == 1
            && rel.branches[0].is_flat()
            && let Some(branch) = rel.branches.pop()
        {
            return Ok(branch);
        }
        let columns = self.column_names(id);
        self.enclose(rel, id, &columns)
    }

    /// A subquery of the collection.
    pub fn enclose(&mut self, rel: Rel, id: NodeId, columns: &[Option<String>]) -> Result<Branch> {
        if rel.branches.is_empty() {
            return Err(CodegenError::Plan("an empty collection is read".into()));
        }
        let wish = self.subquery_name(&rel, id);
        let alias = self.alias(&wish);
        let weighted = !rel.is_plain();
        let weight = match weighted {
            true => Weight::column(&alias, WEIGHT),
            false => Weight::one(),
        };
        // A column is there if every branch has it.
        let there = |i: usize| {
            rel.branches
                .iter()
                .all(|b| matches!(b.cols.get(i), Some(Some(_))))
        };
        let columns: Vec<Option<String>> = columns
            .iter()
            .enumerate()
            .map(|(i, c)| c.clone().filter(|_| there(i)))
            .collect();
        let schema = self.circuit.schema(id);
        let cols = columns_of(&alias, &columns, schema);
        let query: Query = rel.query(weighted.then_some(WEIGHT), &columns);
        Ok(Branch::new(
            vec![FromItem::query(query, &alias)],
            cols,
            weight,
        ))
    }

    /// A subquery of the collection behind a fence.
    pub(crate) fn fenced(&mut self, mut rel: Rel, id: NodeId) -> Result<Branch> {
        let columns = self.column_names(id);
        let mut one = match rel.branches.pop() {
            Some(one) if rel.branches.is_empty() => one,
            last => {
                rel.branches.extend(last);
                self.enclose(rel, id, &columns)?
            }
        };
        one.fence = true;
        self.enclose(Rel::one(one), id, &columns)
    }

    /// What a person would call a subquery of this node.
    fn subquery_name(&self, rel: &Rel, id: NodeId) -> String {
        let wish = match self.circuit.op(id) {
            Op::Aggregate(_) => "groups",
            Op::Distinct | Op::Touched(_) => "distinct_rows",
            Op::TopK(_) => "first_rows",
            Op::Window(_) | Op::WindowStep(_) => "over_windows",
            Op::Constant(_) => "constants",
            Op::Closure(_) => "reached",
            Op::Consolidate | Op::Positive => "net",
            _ => "rows",
        };
        let [first, rest @ ..] = rel.branches.as_slice() else {
            return wish.into();
        };
        match first.from.as_slice() {
            // Old of a table: what is there, less what has come, plus what has gone.
            [FromItem::Table { name, .. }] if first.weight.is_one() && !rest.is_empty() => {
                let taken = |b: &Branch| b.weight.negative;
                match name.schema.is_some() && rest.iter().all(taken) {
                    true => fit(&format!("old_{}", name.name), ""),
                    false => "both".into(),
                }
            }
            _ if !rest.is_empty() => "both".into(),
            _ => wish.into(),
        }
    }

    /// The column of a stored collection that this column is, unchanged.
    pub(crate) fn stored_column(&self, id: NodeId, column: usize) -> Option<(StoredId, usize)> {
        let input = self.circuit.inputs(id).first();
        match self.circuit.op(id) {
            Op::State(s) => Some((s.id, column)),
            Op::Filter(_) | Op::Repeat(_) | Op::Consolidate | Op::Positive => {
                self.stored_column(*input?, column)
            }
            Op::FlatMap(_) if column < self.circuit.schema(*input?).len() => {
                self.stored_column(*input?, column)
            }
            Op::Map(exprs) => self.stored_column(*input?, exprs.get(column)?.as_column()?),
            _ => None,
        }
    }

    /// Are these columns the key of a stored collection that is found by the hash of its key?
    pub fn is_record_hashed(&self, id: NodeId, columns: &[usize]) -> bool {
        let found = columns.iter().map(|c| self.stored_column(id, *c));
        let Some(found) = found.collect::<Option<Vec<_>>>() else {
            return false;
        };
        let Some(&(stored, _)) = found.first() else {
            return false;
        };
        let Some(Identity::Key(key)) = self.identities.get(stored.0 as usize) else {
            return false;
        };
        // In the order of the key, as the index has it.
        let same = found.iter().map(|(_, c)| c).eq(key.iter());
        let schema = self.circuit.schema(id);
        let types: Vec<ColType> = columns
            .iter()
            .filter_map(|c| schema.get(*c).copied())
            .collect();
        same && key_access(&types, self.catalog) == KeyAccess::RecordHash
    }

    fn build(&mut self, id: NodeId) -> Result<Rel> {
        let circuit = self.circuit;
        match circuit.op(id) {
            Op::Source(s) => self.source(s),
            Op::New => match circuit.op(self.input(id, 0)?) {
                Op::Source(s) => self.source(s),
                _ => Err(CodegenError::Plan("New of what is not a source".into())),
            },
            Op::Delta => match circuit.op(self.input(id, 0)?) {
                Op::Source(s) => self.source_delta(s, id),
                _ => Err(CodegenError::Plan("Delta of what is not a source".into())),
            },
            Op::Old => Err(CodegenError::Plan("Old was not rewritten".into())),
            Op::Constant(c) => self.constant(c),
            Op::Map(exprs) => self.map(exprs, id),
            Op::Filter(predicate) => self.filter(predicate, id),
            Op::Join(conjuncts) => self.join(conjuncts, id),
            Op::Semi(on) => self.semi(on, false, id),
            Op::Anti(on) => self.semi(on, true, id),
            Op::Left(on) => self.left(on, id),
            Op::Plus => self.plus(id),
            Op::Neg => self.neg(id),
            Op::Distinct => self.distinct(id),
            Op::Aggregate(a) => self.aggregate(a, id),
            Op::TopK(t) => self.top_k(t, id),
            Op::Repeat(times) => self.repeat(times, id),
            Op::FlatMap(f) => self.flat_map(f, id),
            Op::Window(w) => self.window(w, id),
            Op::State(s) => self.state(s),
            Op::Probe(cols) => self.probe(cols, id),
            Op::Suffix(s) => self.suffix(s, id),
            Op::Last(l) => self.last(l, id),
            Op::WindowStep(step) => self.window_step(step, id),
            Op::Touched(cols) => self.touched(cols, id),
            Op::Consolidate => self.consolidate(id),
            Op::Positive => self.positive(id),
            Op::Closure(c) => self.closure(c, id),
            Op::AggregateStep(a) => self.aggregate_step(a, id),
            Op::Stale(a) => self.stale(a, id),
            Op::Reserve(r) => self.reserve(r, id),
            Op::ReserveStep(r) => self.reserve_step(r, id),
            Op::Short(r) => self.short(r, id),
        }
    }

    /// Named relations; where all of them are empty, so is the node. None if it may have rows
    /// whatever has changed.
    pub fn empty_if(&self, id: NodeId) -> Option<Vec<String>> {
        if let Some(relation) = self.lets.get(&id) {
            return Some(vec![relation.name.clone()]);
        }
        let circuit = self.circuit;
        let input = |i: usize| circuit.inputs(id).get(i).and_then(|n| self.empty_if(*n));
        match circuit.op(id) {
            Op::Delta => match circuit.inputs(id).first().map(|n| circuit.op(*n)) {
                Some(Op::Source(s)) => {
                    let batch = self.batches.get(&s.relation)?;
                    Some(vec![batch.name.clone()])
                }
                _ => None,
            },
            Op::Source(_) | Op::New | Op::Old | Op::State(_) | Op::Constant(_) => None,
            Op::Aggregate(a) if a.keys.is_empty() => None,
            Op::Join(_) | Op::Semi(_) => {
                let inputs = (0..circuit.inputs(id).len()).filter_map(input);
                inputs.min_by_key(Vec::len)
            }
            Op::Plus => {
                let inputs = (0..circuit.inputs(id).len()).map(input);
                let mut all: Vec<String> = inputs.collect::<Option<Vec<_>>>()?.concat();
                all.sort_unstable();
                all.dedup();
                Some(all)
            }
            Op::Probe(_) | Op::Suffix(_) | Op::Last(_) => input(1).or_else(|| input(0)),
            Op::AggregateStep(_) | Op::Stale(_) | Op::ReserveStep(_) | Op::Short(_) => input(1),
            _ => input(0),
        }
    }
}

pub fn columns_of(
    alias: &str,
    names: &[Option<String>],
    schema: &[ColType],
) -> Vec<Option<Scalar>> {
    let column = |(name, ty): (&Option<String>, &ColType)| {
        let name = name.as_ref()?;
        Some(Scalar::column(alias, name, *ty))
    };
    names.iter().zip(schema).map(column).collect()
}

/// Which nodes are of the size of the change.
pub(crate) fn small(circuit: &Circuit) -> Vec<bool> {
    let mut small: Vec<bool> = Vec::with_capacity(circuit.len());
    for id in circuit.ids() {
        let input = |i: &NodeId| small[i.index()];
        let inputs = circuit.inputs(id);
        let is = match circuit.op(id) {
            Op::Source(_) | Op::New | Op::Old | Op::State(_) => false,
            Op::Delta | Op::Constant(_) | Op::Touched(_) | Op::Probe(_) => true,
            Op::Suffix(_) | Op::Last(_) => true,
            Op::WindowStep(_) => inputs.first().is_some_and(input),
            Op::AggregateStep(_) | Op::Stale(_) | Op::ReserveStep(_) | Op::Short(_) => true,
            Op::Join(_) | Op::Semi(_) => inputs.iter().any(input),
            Op::Anti(_) => inputs.first().is_some_and(input),
            Op::Closure(c) => c.change,
            _ => inputs.iter().all(input),
        };
        small.push(is);
    }
    small
}

/// Which nodes are computed from a change.
fn changing(circuit: &Circuit) -> Vec<bool> {
    let mut changing: Vec<bool> = Vec::with_capacity(circuit.len());
    for id in circuit.ids() {
        let inputs = circuit.inputs(id).iter();
        let here = matches!(circuit.op(id), Op::Delta);
        changing.push(here || inputs.into_iter().any(|i| changing[i.index()]));
    }
    changing
}

/// Planner settings of a let. A change is small: compiling its query costs more than it saves, and
/// the pages that it touches are few and mostly cached.
///
/// To the planner a page that was read before is free as long as it fits into the cache: it holds
/// that to read a large part of a table through an index that has another order costs next to
/// nothing for a row, and prefers it to looking up what the change names. In truth each such row
/// costs about as much as looking it up: half of a page that is read in sequence, cached or not.
/// So no cache is assumed, and a page costs that. For the same reason a change is never merged with
/// an index that is read from one end, which each round of a recursion would do anew.
pub(crate) fn settings() -> Vec<(String, String)> {
    let set = |name: &str, value: &str| (name.to_owned(), value.to_owned());
    vec![
        set("jit", "off"),
        set("effective_cache_size", "1"),
        set("random_page_cost", "0.5"),
        set("enable_mergejoin", "off"),
    ]
}
