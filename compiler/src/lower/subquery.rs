//! Subqueries in expressions, decorrelated.
//!
//! A subquery is a collection y(p) that depends on a row of x through its parameters p. Where the
//! parameters stand only in conditions θ (or can be brought there: `pull_up.rs`), it is
//! `y(p) = σ[θ(p)] y`, and y does not depend on x:
//!
//! ```text
//! WHERE EXISTS y           Semi(θ)(x, y)            NOT EXISTS     Anti(θ)(x, y)
//! WHERE a IN y             Semi(θ, a = b)(x, y)     a op ALL y     Anti(θ, ¬(a op b))(…), less NULLs
//! elsewhere                Left(θ)(x, y')           y' one row at most per match: a mark, a value
//! ```
//!
//! A comparison of a row of x with one of y is true, false or NULL, and ANY is true if one is
//! true, else NULL if one is NULL, else false; ALL is `NOT ANY NOT`. So the rows of x are told apart
//! by a list of *tests*, each "is there a row of y such that …", the first of which that holds
//! decides. What a NULL decides is tested apart, so that the first test stays an equation:
//!
//! ```text
//! a NOT IN y    Anti(θ, a IS NULL)(Anti(θ)(Anti(θ, a = b)(x, y), σ[b IS NULL] y), y)
//! ```

use super::guard::Guard;
use super::rows_from::Made;
use super::{LowerError, Lowering, conjoin, split};
use crate::bind::query::{Body, Query, Reads, Select, Subquery, SubqueryKind};
use crate::rewrite::keys_of;
use crate::rewrite::predicate::{equation, error_free};
use spec::expr::{BoolTest, ExprKind};
use spec::fold::COUNT_ROWS;
use spec::op::{AggCall, Aggregate};
use spec::types::{SqlType, oids};
use spec::{ColType, Expr, NodeId, Oid, Op, Reason, ReasonCode};
use std::collections::BTreeMap;

const BOOL: SqlType = SqlType::new(oids::BOOL);

const CONDITIONAL: &str = "in a branch of CASE or COALESCE that its own value chooses";

/// The rows of a SELECT, with columns for the values of its subqueries behind its own.
#[derive(Clone)]
pub(super) struct Extended {
    pub node: NodeId,
    /// Of the subqueries that were needed so far: what their values are over the node.
    values: Vec<Option<Expr>>,
    /// Of the set-returning functions whose rows were made: their columns.
    pub sets: Vec<Made>,
    /// Of the window functions that were computed: their columns.
    pub windows: Vec<Option<Expr>>,
    /// How many marks there are.
    marks: usize,
    /// How many of them are sums of both sides. The delta of a sum has all that is below it on each
    /// side, so that a few of them above many other marks make a program that is far too long.
    sums: usize,
    /// Of the values that are there only where an expression asks them: where.
    guards: BTreeMap<usize, Guard>,
}

/// How much of that is too much.
const MOST_MARKS: usize = 10;

impl Extended {
    fn check_sums(&self, subquery: &Subquery) -> Result<(), LowerError> {
        match self.sums > 0 && self.marks + 2 * self.sums > MOST_MARKS {
            true => {
                let why =
                    "as a value, beside too many others with conditions that are no equations";
                Err(unfit(subquery, why))
            }
            false => Ok(()),
        }
    }

    /// The node has become a sum of both sides of a condition.
    pub(super) fn add_sum(&mut self, subquery: &Subquery) -> Result<(), LowerError> {
        self.sums += 1;
        self.check_sums(subquery)
    }

    pub(super) fn new(node: NodeId, subqueries: &[Subquery]) -> Extended {
        Extended {
            node,
            values: vec![None; subqueries.len()],
            sets: vec![],
            windows: vec![],
            marks: 0,
            sums: 0,
            guards: BTreeMap::new(),
        }
    }

    /// An expression over the node.
    pub(super) fn over(&self, expr: &Expr) -> Expr {
        if let ExprKind::Field { arg, name, .. } = expr.kind()
            && let Some(Reads::Set(at)) = arg.as_column().map(Reads::of)
            && let Some(field) = self.sets.get(at).and_then(|made| made.field(name))
        {
            return Expr::column(field, expr.ty());
        }
        let Some(column) = expr.as_column() else {
            return match expr.children().is_empty() {
                true => expr.clone(),
                false => expr.map_children(&mut |e| self.over(e)),
            };
        };
        let value = match Reads::of(column) {
            Reads::Subquery(at) => self.values.get(at).cloned().flatten(),
            Reads::Set(at) => {
                let made = self.sets.get(at).and_then(Made::value);
                made.map(|at| Expr::column(at, expr.ty()))
            }
            Reads::Window(at) => self.windows.get(at).cloned().flatten(),
            _ => None,
        };
        value.unwrap_or_else(|| expr.clone())
    }
}

/// The row of a subquery that has one at most, as columns beside the rows of x.
pub(super) struct OneRow {
    /// Whether there is one, if that is not certain, nor to be seen from the outputs being NULL.
    pub there: Option<Expr>,
    pub outputs: Vec<Expr>,
}

/// A subquery beside the rows of x: the rows of y that are its rows for a row of x.
pub(super) struct Beside {
    pub y: NodeId,
    /// Over the columns of x, then of y.
    pub conditions: Vec<Expr>,
    pub outputs: Vec<Expr>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Truth {
    True,
    False,
    Null,
}

impl Truth {
    fn expr(self) -> Expr {
        match self {
            Truth::True => Expr::literal("t", BOOL),
            Truth::False => Expr::literal("f", BOOL),
            Truth::Null => Expr::null(BOOL),
        }
    }
}

/// "There is a row of y such that all conditions hold", and what the value is then.
struct Test {
    y: NodeId,
    conditions: Vec<Expr>,
    then: Truth,
}

/// A test as a left join with rows of which at most one matches, the last column of which is TRUE.
pub(super) struct Marks {
    pub y: NodeId,
    pub on: Vec<Expr>,
    /// Further conditions, of x alone.
    pub of_x: Vec<Expr>,
}

/// The first test that holds decides.
struct Tests {
    tests: Vec<Test>,
    otherwise: Truth,
}

impl Lowering<'_> {
    /// Keeps the rows of `ext` on which all conjuncts are true.
    pub(super) fn filter(
        &mut self,
        ext: &mut Extended,
        conjuncts: &[Expr],
        subqueries: &[Subquery],
    ) -> Result<(), LowerError> {
        let mut others = vec![];
        for conjunct in conjuncts {
            match tested(conjunct, subqueries) {
                Some((at, wanted)) => self.test(ext, at, wanted, subqueries)?,
                None => others.push(conjunct.clone()),
            }
        }
        for conjunct in &others {
            self.evaluate(ext, conjunct, subqueries)?;
        }
        if !others.is_empty() {
            let others = others.iter().map(|c| ext.over(c)).collect();
            ext.node = self.add(Op::Filter(conjoin(others)), vec![ext.node], None)?;
        }
        Ok(())
    }

    /// Keeps the rows on which EXISTS, ANY or ALL has this truth.
    fn test(
        &mut self,
        ext: &mut Extended,
        at: usize,
        wanted: Truth,
        subqueries: &[Subquery],
    ) -> Result<(), LowerError> {
        let subquery = self.operands(ext, &subqueries[at], subqueries)?;
        let span = subquery.span;
        let Tests { tests, otherwise } = self.tests(ext.node, &subquery)?;
        let (first, rest) = match tests.split_first() {
            Some((first, _)) if first.then == wanted => (Some(first), &[][..]),
            _ if otherwise == wanted => (None, tests.as_slice()),
            _ => {
                // What no row has.
                let never = Truth::False.expr();
                ext.node = self.add(Op::Filter(never), vec![ext.node], span)?;
                return Ok(());
            }
        };
        if let Some(Test { y, conditions, .. }) = first {
            ext.node = self.add(Op::Semi(conditions.clone()), vec![ext.node, *y], span)?;
        }
        for Test { y, conditions, .. } in rest {
            ext.node = self.add(Op::Anti(conditions.clone()), vec![ext.node, *y], span)?;
        }
        Ok(())
    }

    /// Makes the values of all subqueries that an expression reads columns of `ext`.
    pub(super) fn evaluate(
        &mut self,
        ext: &mut Extended,
        expr: &Expr,
        subqueries: &[Subquery],
    ) -> Result<(), LowerError> {
        for column in expr.columns() {
            let Reads::Subquery(at) = Reads::of(column) else {
                continue;
            };
            let mut guard = Guard::of(expr, column);
            if ext.values.get(at).is_some_and(Option::is_some) {
                // One subquery may stand in several places.
                let both = ext
                    .guards
                    .get(&at)
                    .map(|known| (known, known.clone().or(guard)));
                match both {
                    Some((known, both)) if *known != both => guard = both,
                    _ => continue,
                }
            }
            let was = ext.clone();
            let subquery = self.operands(ext, &subqueries[at], subqueries)?;
            let mut value = self.value(ext, &subquery)?;
            ext.guards.remove(&at);
            if guard != Guard::Always && self.may_raise(ext.node, was.node, None) {
                let Guard::Where(guarding) = &guard else {
                    return Err(unfit(&subquery, CONDITIONAL));
                };
                *ext = was;
                value = self.guarded(ext, guarding, &subqueries[at], subqueries)?;
                ext.guards.insert(at, guard);
            }
            ext.values[at] = Some(value);
        }
        Ok(())
    }

    /// The value of a subquery whose operands are expressions over the node.
    pub(super) fn value(
        &mut self,
        ext: &mut Extended,
        subquery: &Subquery,
    ) -> Result<Expr, LowerError> {
        match &subquery.kind {
            SubqueryKind::Scalar | SubqueryKind::Row { .. } => self.scalar(ext, subquery),
            SubqueryKind::Array { order } => {
                let array = self.array(subquery, order);
                self.scalar(ext, &array)
            }
            SubqueryKind::Exists | SubqueryKind::Quantified { .. } => self.truth(ext, subquery),
        }
    }

    /// A subquery whose operands are expressions over the node.
    pub(super) fn operands(
        &mut self,
        ext: &mut Extended,
        subquery: &Subquery,
        subqueries: &[Subquery],
    ) -> Result<Subquery, LowerError> {
        for operand in subquery.operands() {
            self.evaluate(ext, operand, subqueries)?;
        }
        subquery.map(&mut |e| Ok(ext.over(e)))
    }

    // ---- truth ---------------------------------------------------------------------------------

    /// EXISTS, ANY, ALL as a value.
    fn truth(&mut self, ext: &mut Extended, subquery: &Subquery) -> Result<Expr, LowerError> {
        let Tests { tests, otherwise } = self.tests(ext.node, subquery)?;
        let width = self.circuit.schema(ext.node).len();
        let mut whens = vec![];
        for mut test in tests {
            // The columns of y stand behind the marks that are there by now.
            let more = self.circuit.schema(ext.node).len() - width;
            for condition in &mut test.conditions {
                *condition = condition.remap(&mut |c| if c < width { c } else { c + more });
            }
            let mark = self.mark(ext, &test)?;
            ext.check_sums(subquery)?;
            whens.push((mark, test.then.expr()));
        }
        Ok(match whens.as_slice() {
            [(mark, _)] if otherwise == Truth::False => mark.clone(),
            [(mark, _)] if otherwise == Truth::True => Expr::new(ExprKind::Not(mark.clone()), BOOL),
            _ => {
                let otherwise = otherwise.expr();
                Expr::new(ExprKind::Case { whens, otherwise }, BOOL)
            }
        })
    }

    /// Whether a test holds, never NULL.
    fn mark(&mut self, ext: &mut Extended, test: &Test) -> Result<Expr, LowerError> {
        let width = self.circuit.schema(ext.node).len();
        ext.marks += 1;
        if let Some(Marks { y, on, of_x }) = self.marks(width, test.y, &test.conditions)? {
            let at = width + self.circuit.schema(y).len() - 1;
            ext.node = self.add(Op::Left(on), vec![ext.node, y], None)?;
            let there = is_null(Expr::column(at, BOOL), true);
            return Ok(match of_x.is_empty() {
                true => there,
                false => conjoin(of_x.into_iter().map(is_true).chain([there]).collect()),
            });
        }
        ext.sums += 1;
        let types = self.circuit.schema(ext.node).to_vec();
        let mut sides = vec![];
        for (op, truth) in [
            (Op::Semi(test.conditions.clone()), Truth::True),
            (Op::Anti(test.conditions.clone()), Truth::False),
        ] {
            let side = self.add(op, vec![ext.node, test.y], None)?;
            let outputs = Expr::of_columns(&types, 0).chain([truth.expr()]).collect();
            sides.push(self.add(Op::Map(outputs), vec![side], None)?);
        }
        ext.node = self.add(Op::Plus, sides, None)?;
        Ok(Expr::column(width, BOOL))
    }

    /// The sides of y in equations with x, each once, and TRUE behind them: at most one row for a
    /// row of x. None if there are other conditions on both.
    pub(super) fn marks(
        &mut self,
        width: usize,
        y: NodeId,
        conditions: &[Expr],
    ) -> Result<Option<Marks>, LowerError> {
        let mut keys: Vec<Expr> = vec![];
        let (mut on, mut of_x, mut of_y) = (vec![], vec![], vec![]);
        let reads_x = |e: &Expr| e.columns().first().is_some_and(|c| *c < width);
        let reads_y = |e: &Expr| e.columns().last().is_some_and(|c| *c >= width);
        for condition in conditions {
            match (reads_x(condition), reads_y(condition)) {
                (true, true) => {}
                _ if !error_free(condition, self.catalog) => return Ok(None),
                (false, true) => {
                    of_y.push(condition.remap(&mut |c| c - width));
                    continue;
                }
                (_, false) => {
                    of_x.push(condition.clone());
                    continue;
                }
            }
            let Some(equation) = equation(condition, self.catalog) else {
                return Ok(None);
            };
            let at = match equation.sides.map(|e| (reads_x(e), reads_y(e))) {
                [(true, false), (false, true)] => 1,
                [(false, true), (true, false)] => 0,
                _ => return Ok(None),
            };
            let [a, b] = equation.sides.map(Expr::ty);
            if !equation.groups(self.catalog, a, b) {
                return Ok(None);
            }
            let key = equation.sides[at].remap(&mut |c| c - width);
            let known = keys.iter().position(|k| *k == key);
            let place = known.unwrap_or_else(|| {
                keys.push(key.clone());
                keys.len() - 1
            });
            let key = Expr::column(width + place, key.ty());
            on.push(with_side(condition, at, key));
        }
        let y = match (keys.is_empty(), of_y.is_empty()) {
            // It is one row at most already.
            (true, true) => y,
            (true, false) => {
                let y = self.inner_join(vec![y], of_y)?;
                self.any_row(y)?
            }
            (false, _) => {
                let types: Vec<SqlType> = keys.iter().map(Expr::ty).collect();
                let y = self.inner_join(vec![y], of_y)?;
                let keys = self.add(Op::Map(keys), vec![y], None)?;
                let keys = self.add(Op::Distinct, vec![keys], None)?;
                let columns = types.iter().enumerate();
                let columns = columns.map(|(i, ty)| Expr::column(i, *ty));
                let outputs = columns.chain([Truth::True.expr()]).collect();
                self.add(Op::Map(outputs), vec![keys], None)?
            }
        };
        Ok(Some(Marks { y, on, of_x }))
    }

    /// How the truth of a subquery over the rows of x is found.
    fn tests(&mut self, x: NodeId, subquery: &Subquery) -> Result<Tests, LowerError> {
        let beside = self.beside(x, subquery)?;
        let width = self.circuit.schema(x).len();
        let (any, comparison) = match &subquery.kind {
            SubqueryKind::Quantified { any, comparison } => (*any, comparison),
            _ => {
                let test = self.at_least_one(width, beside.y, beside.conditions, Truth::True)?;
                return Ok(Tests {
                    tests: vec![test],
                    otherwise: Truth::False,
                });
            }
        };
        let comparison = comparison.substitute(&mut |column, ty| match Reads::of(column) {
            Reads::Result(at) => beside.outputs[at].clone(),
            _ => Expr::column(column, ty),
        });
        let types: Vec<ColType> = [self.circuit.schema(x), self.circuit.schema(beside.y)].concat();
        let (then, otherwise, found) = match any {
            true => (Truth::True, Truth::False, comparison.clone()),
            false => (Truth::False, Truth::True, self.negation(&comparison)),
        };
        let mut conditions = beside.conditions.clone();
        match any {
            true => split(&found, &mut conditions),
            false => conditions.push(found),
        }
        let mut tests = vec![self.at_least_one(width, beside.y, conditions, then)?];
        for (y, conditions) in self.undecided(width, &beside, &comparison, &types)? {
            tests.push(self.at_least_one(width, y, conditions, Truth::Null)?);
        }
        Ok(Tests { tests, otherwise })
    }

    /// The contrary of a comparison, as the operator that is it, if there is one.
    fn negation(&self, comparison: &Expr) -> Expr {
        if let ExprKind::Operator {
            operator,
            args,
            collation,
            ..
        } = comparison.kind()
            && let Some(operator) = self.catalog.operator(*operator)
            && let Some(negator) = self.catalog.operator(operator.negator)
        {
            let kind = ExprKind::Operator {
                operator: negator.oid,
                function: negator.function,
                args: args.clone(),
                collation: *collation,
            };
            return Expr::new(kind, BOOL);
        }
        Expr::new(ExprKind::Not(comparison.clone()), BOOL)
    }

    /// Conditions that hold at least for all pairs on which the comparison is NULL, and for none on
    /// which it is false (for the negation of ANY: for none on which it is true, which is asked
    /// first).
    fn undecided(
        &mut self,
        width: usize,
        beside: &Beside,
        comparison: &Expr,
        types: &[ColType],
    ) -> Result<Vec<(NodeId, Vec<Expr>)>, LowerError> {
        if !comparison.nullable(types) {
            return Ok(vec![]);
        }
        let with = |more: Vec<Expr>| {
            let mut all = beside.conditions.clone();
            all.extend(more);
            all
        };
        let whole = vec![(beside.y, with(vec![is_null(comparison.clone(), false)]))];
        let mut parts = vec![];
        split(comparison, &mut parts);
        if !parts.iter().all(|p| null_of_null(p, types)) {
            return Ok(whole);
        }
        let (weak, strong): (Vec<Expr>, Vec<Expr>) =
            parts.into_iter().partition(|p| p.nullable(types));
        let several = weak.len() + strong.len() > 1;
        if !strong.is_empty() {
            // All parts that cannot be NULL are true, and the others true or NULL.
            let null = is_null(comparison.clone(), false);
            let more = strong.into_iter().chain([null]).collect();
            return Ok(vec![(beside.y, with(more))]);
        }
        let mut columns: Vec<usize> = weak.iter().flat_map(Expr::columns).collect();
        columns.sort_unstable();
        columns.dedup();
        columns.retain(|c| types[*c].nullable);
        let (of_x, of_y): (Vec<usize>, Vec<usize>) = columns.iter().partition(|c| **c < width);
        let null = |c: &usize, shift: usize| is_null(Expr::column(c - shift, types[*c].ty), false);
        // Of a single part that is NULL there is nothing more to say.
        let more = match several {
            true => vec![is_null(comparison.clone(), false)],
            false => vec![],
        };
        let mut out = vec![];
        if !of_y.is_empty() {
            let nulls = disjoin(of_y.iter().map(|c| null(c, width)).collect());
            let y = self.add(Op::Filter(nulls), vec![beside.y], None)?;
            out.push((y, with(more.clone())));
        }
        if !of_x.is_empty() {
            let nulls = disjoin(of_x.iter().map(|c| null(c, 0)).collect());
            let more = std::iter::once(nulls).chain(more).collect();
            out.push((beside.y, with(more)));
        }
        Ok(out)
    }

    /// A test. Where nothing is asked of y but that it has rows, y is one row at most, which comes
    /// and goes only where y becomes empty or ceases to be.
    fn at_least_one(
        &mut self,
        width: usize,
        y: NodeId,
        conditions: Vec<Expr>,
        then: Truth,
    ) -> Result<Test, LowerError> {
        let reads_y = |e: &Expr| e.columns().last().is_some_and(|c| *c >= width);
        let y = match conditions.iter().any(reads_y) {
            true => y,
            false => self.any_row(y)?,
        };
        Ok(Test {
            y,
            conditions,
            then,
        })
    }

    /// TRUE, if there is any row.
    fn any_row(&mut self, x: NodeId) -> Result<NodeId, LowerError> {
        let int8 = SqlType::new(oids::INT8);
        let count = AggCall {
            function: COUNT_ROWS,
            args: vec![],
            variadic: false,
            distinct: false,
            order_by: vec![],
            filter: None,
            ty: int8,
            collation: Oid::INVALID,
            nullable: false,
        };
        let count = Op::Aggregate(Aggregate {
            keys: vec![],
            aggs: vec![count],
        });
        let count = self.add(count, vec![x], None)?;
        let more = self
            .catalog
            .operator_exact(Some("pg_catalog"), ">", oids::INT8, oids::INT8);
        let more =
            more.ok_or_else(|| LowerError::NotIncremental("the operator > of bigint".into()))?;
        let kind = ExprKind::Operator {
            operator: more.oid,
            function: more.function,
            args: vec![Expr::column(0, int8), Expr::literal("0", int8)],
            collation: Oid::INVALID,
        };
        let some = self.add(Op::Filter(Expr::new(kind, BOOL)), vec![count], None)?;
        self.add(Op::Map(vec![Truth::True.expr()]), vec![some], None)
    }

    // ---- values --------------------------------------------------------------------------------

    /// The value of a scalar subquery, or of the comparison with one, as an expression over the
    /// extended rows.
    fn scalar(&mut self, ext: &mut Extended, subquery: &Subquery) -> Result<Expr, LowerError> {
        let OneRow { there, outputs } = match self.at_most_one(ext, subquery)? {
            Some(row) => row,
            None => self.only_row(ext, subquery)?,
        };
        let value = match &subquery.kind {
            SubqueryKind::Row { comparison } => {
                comparison.substitute(&mut |column, ty| match Reads::of(column) {
                    Reads::Result(at) => outputs[at].clone(),
                    _ => Expr::column(column, ty),
                })
            }
            _ => outputs
                .into_iter()
                .next()
                .unwrap_or_else(|| Expr::null(BOOL)),
        };
        Ok(match there {
            None => value,
            Some(there) => if_then(there, value),
        })
    }

    /// The row of a subquery that has at most one; none if it may have more.
    pub(super) fn at_most_one(
        &mut self,
        ext: &mut Extended,
        subquery: &Subquery,
    ) -> Result<Option<OneRow>, LowerError> {
        let query = &*subquery.query;
        let width = self.circuit.schema(ext.node).len();
        if let Body::Select(select) = &query.body
            && query.is_correlated()
            && !self.for_rows_only
            && !select.ranks()
            && select.grouping.as_ref().is_some_and(|g| g.keys.is_empty())
            && let Some((outputs, there)) = self.global_values(ext, select, subquery)?
        {
            return Ok(Some(OneRow { there, outputs }));
        }
        let Beside {
            y,
            conditions,
            outputs,
        } = self.beside(ext.node, subquery)?;
        let one = is_one_row(query);
        if one && conditions.is_empty() {
            ext.node = self.add(Op::Join(vec![]), vec![ext.node, y], subquery.span)?;
            return Ok(Some(OneRow {
                there: None,
                outputs,
            }));
        }
        if !one && !self.is_single(width, y, &conditions) {
            return Ok(None);
        }
        // A column of y is NULL where there is no row of it. Others are computed where there is one.
        let plain = |e: &Expr| e.as_column().is_some_and(|c| c >= width);
        let shown = matches!(subquery.kind, SubqueryKind::Scalar) && outputs.iter().all(plain);
        if shown {
            ext.node = self.add(Op::Left(conditions), vec![ext.node, y], subquery.span)?;
            return Ok(Some(OneRow {
                there: None,
                outputs,
            }));
        }
        let types = self.circuit.schema(y).to_vec();
        let marked = Expr::of_columns(&types, 0)
            .chain([Truth::True.expr()])
            .collect();
        let y = self.add(Op::Map(marked), vec![y], None)?;
        ext.node = self.add(Op::Left(conditions), vec![ext.node, y], subquery.span)?;
        let there = is_null(Expr::column(width + types.len(), BOOL), true);
        Ok(Some(OneRow {
            there: Some(there),
            outputs,
        }))
    }

    /// The node has at most one row for each row of x.
    fn is_single(&mut self, width: usize, y: NodeId, conditions: &[Expr]) -> bool {
        let types = self.circuit.schema(y).to_vec();
        let keys = keys_of(&self.circuit, y, self.catalog);
        // For one row of x, what x says is constant.
        let fixed: Vec<Expr> = conditions
            .iter()
            .map(|c| {
                as_equation(c).substitute(&mut |column, ty| match column.checked_sub(width) {
                    Some(column) => Expr::column(column, ty),
                    None => Expr::null(ty),
                })
            })
            .collect();
        let keys = keys.filter(&fixed, &types, self.catalog);
        match keys.first() {
            Some(key) if key.columns.is_empty() => {
                self.dependencies.extend(key.because.iter().copied());
                true
            }
            _ => false,
        }
    }
}

/// `a IS NOT DISTINCT FROM b` fixes one side by the other as `a = b` does: NULL groups with NULL.
fn as_equation(condition: &Expr) -> Expr {
    match condition.kind() {
        ExprKind::Distinct {
            operator,
            function,
            args,
            collation,
            negated: true,
        } => {
            let kind = ExprKind::Operator {
                operator: *operator,
                function: *function,
                args: args.to_vec(),
                collation: *collation,
            };
            Expr::new(kind, BOOL)
        }
        _ => condition.clone(),
    }
}

/// Is this conjunct EXISTS, ANY, ALL or the negation of one? Which, and what its truth must be.
fn tested(conjunct: &Expr, subqueries: &[Subquery]) -> Option<(usize, Truth)> {
    match conjunct.kind() {
        ExprKind::Column(column) => match Reads::of(*column) {
            Reads::Subquery(at) => {
                let kind = &subqueries.get(at)?.kind;
                let truth = matches!(kind, SubqueryKind::Exists | SubqueryKind::Quantified { .. });
                truth.then_some((at, Truth::True))
            }
            _ => None,
        },
        ExprKind::Not(arg) => match tested(arg, subqueries)? {
            (at, Truth::True) => Some((at, Truth::False)),
            (at, _) => Some((at, Truth::True)),
        },
        _ => None,
    }
}

/// Does this query put out exactly one row, whatever its sources hold?
pub(super) fn is_one_row(query: &Query) -> bool {
    match &query.body {
        Body::Select(select) if select.top.is_some() => false,
        Body::Select(select) => match &select.grouping {
            Some(grouping) => {
                grouping.keys.is_empty()
                    && grouping.sets.is_empty()
                    && select.having.is_none()
                    && select.grouped_sets.is_empty()
            }
            None => (is_bare(select) || query.is_clock()) && select.sets.is_empty(),
        },
        Body::Values(rows) => rows.len() == 1,
        _ => false,
    }
}

fn is_bare(select: &Select) -> bool {
    select.from.is_none() && select.filter.is_none()
}

/// Is this NULL exactly where a column is NULL that it reads?
fn null_of_null(part: &Expr, types: &[ColType]) -> bool {
    let present: Vec<ColType> = types
        .iter()
        .map(|c| ColType {
            nullable: false,
            ..*c
        })
        .collect();
    let strict = part.strict_columns();
    !part.nullable(&present) && part.columns().iter().all(|c| strict.contains(c))
}

fn is_true(arg: Expr) -> Expr {
    let kind = ExprKind::BoolTest {
        arg,
        test: BoolTest::IsTrue,
    };
    Expr::new(kind, BOOL)
}

pub(super) fn is_null(arg: Expr, negated: bool) -> Expr {
    let kind = ExprKind::IsNull {
        arg,
        negated,
        row: false,
    };
    Expr::new(kind, BOOL)
}

/// The value where the condition is true, else NULL.
pub(super) fn if_then(condition: Expr, value: Expr) -> Expr {
    let ty = value.ty();
    let kind = ExprKind::Case {
        whens: vec![(condition, value)],
        otherwise: Expr::null(ty),
    };
    Expr::new(kind, ty)
}

fn disjoin(mut parts: Vec<Expr>) -> Expr {
    match parts.len() {
        1 => parts.swap_remove(0),
        _ => Expr::new(ExprKind::Or(parts), BOOL),
    }
}

/// A binary operator with another operand at one side.
pub(super) fn with_side(condition: &Expr, side: usize, operand: Expr) -> Expr {
    let mut at = 0;
    condition.map_children(&mut |child| {
        at += 1;
        match at - 1 == side {
            true => operand.clone(),
            false => child.clone(),
        }
    })
}

/// A subquery that has no circuit.
pub(super) fn unfit(subquery: &Subquery, why: &str) -> LowerError {
    LowerError::Reason(Reason {
        code: ReasonCode::Subquery,
        message: format!("subquery {why}"),
        span: subquery.span,
        hint: None,
    })
}
