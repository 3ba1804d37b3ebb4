//! Subqueries whose parameters do not come out (see `pull_up.rs`): computed for each value of the
//! parameters that there is.
//!
//! ```text
//! D = Distinct(Map(parameters)(x))      y(D): the query with D as its first item of FROM, and its
//!                                       columns before all others: keys of a grouping, columns
//!                                       under DISTINCT, outputs
//! x beside y(D)                         where the parameters of x are those of the row, NULL too
//! ```
//!
//! An aggregate over all rows is one over each group of D, padded for rows of D without one. D has
//! one row of equal values, so that they must look the same, too. Where they may not, a key of x tells
//! its rows apart, and D is each of them: `D = Map(key, parameters)(x)`. Without a key, how they look
//! stands beside them: `D = Distinct(Map(p::text, p)(x))`.

use super::lateral::give_parameters;
use super::pull_up::{all_of, of_nothing, over_nothing};
use super::subquery::{Beside, unfit};
use super::{LowerError, Lowering};
use crate::bind::query::{
    Body, Branch, From, Grouping, JoinKind, Query, Reads, Select, SetOperator, Subquery,
};
use crate::expr_facts::HAVE_TEXT;
use crate::rewrite::keys_of;
use spec::catalog::Catalog;
use spec::compiled::OutputColumn;
use spec::expr::{Coercion, ExprKind};
use spec::types::{SqlType, oids};
use spec::{ColType, Expr, NodeId, Oid, Op};
use std::convert::Infallible;
use std::sync::Arc;

const BOOL: SqlType = SqlType::new(oids::BOOL);

impl Lowering<'_> {
    pub(super) fn applied(&mut self, x: NodeId, subquery: &Subquery) -> Result<Beside, LowerError> {
        let types = self.circuit.schema(x).to_vec();
        let width = types.len();
        let mut carried = subquery.parameters.clone();
        let mut parameters: Vec<ColType> = subquery
            .parameters
            .iter()
            .map(|p| ColType {
                ty: p.ty(),
                nullable: p.nullable(&types),
            })
            .collect();
        let alike = |ty: SqlType| self.catalog.image_equality(ty);
        let keys = keys_of(&self.circuit, x, self.catalog);
        let mut keys = keys.iter();
        let key = keys.find(|k| k.columns.iter().all(|c| alike(types[*c].ty)));
        let (of_identity, by_key): (Vec<Expr>, bool) = match key {
            // Of nothing, as long as there is a row.
            _ if parameters.is_empty() => (vec![Expr::literal("true", BOOL)], false),
            _ if parameters.iter().all(|p| alike(p.ty)) => (vec![], false),
            Some(key) => {
                self.dependencies.extend(key.because.iter().copied());
                let columns = key.columns.iter();
                let columns = columns.map(|c| Expr::column(*c, types[*c].ty));
                (columns.collect(), true)
            }
            None => {
                let unlike = carried.iter().filter(|p| !alike(p.ty()));
                let Some(looks) = unlike.map(|p| self.look(p)).collect() else {
                    let why = "that depends on values of which equal ones can look different, \
                               beside rows without a key";
                    return Err(unfit(subquery, why));
                };
                (looks, false)
            }
        };
        let given = of_identity.len();
        let of_columns = of_identity.iter().map(|e| ColType {
            ty: e.ty(),
            nullable: e.nullable(&types),
        });
        parameters.splice(0..0, of_columns);
        carried.splice(0..0, of_identity);
        let identity = match by_key {
            true => given,
            false => parameters.len(),
        };
        let carrier = Carrier {
            parameters: &parameters,
            identity,
            given,
            through_all: self.for_rows_only,
            catalog: self.catalog,
        };
        let query = carrier.query(&subquery.query);
        let query = Arc::new(query.map_err(|Stuck(why)| unfit(subquery, why))?);
        let mut each = self.add(Op::Map(carried.clone()), vec![x], subquery.span)?;
        if !by_key {
            each = self.add(Op::Distinct, vec![each], subquery.span)?;
        }
        // Nodes are remembered by the address of their query.
        self.applied.push(query.clone());
        self.parameters.push(each);
        let y = self.query(&query);
        self.parameters.pop();
        let n = parameters.len();
        let conditions = carried[..identity].iter().enumerate().map(|(i, p)| {
            let there = Expr::column(width + i, p.ty());
            carrier.same(p.clone(), there, parameters[i].nullable)
        });
        let outputs = subquery.query.columns.iter().enumerate();
        Ok(Beside {
            y: y?,
            conditions: conditions.collect(),
            outputs: outputs
                .map(|(i, c)| Expr::column(width + n + i, c.ty.ty))
                .collect(),
        })
    }
}

impl Lowering<'_> {
    /// What tells equal values apart that look different: the text of numbers, jsonb, and arrays of what
    /// has a text.
    fn look(&self, value: &Expr) -> Option<Expr> {
        let base = self.catalog.base_of(value.ty().oid);
        let known = match self.catalog.element_type(base) {
            Some(element) => HAVE_TEXT.contains(&element) && element != oids::BPCHAR,
            None => [oids::NUMERIC, oids::FLOAT4, oids::FLOAT8, oids::JSONB].contains(&base),
        };
        let text = SqlType {
            collation: oids::DEFAULT_COLLATION,
            ..SqlType::new(oids::TEXT)
        };
        let cast = ExprKind::Cast {
            arg: value.clone(),
            coercion: Coercion::InOut,
            explicit: true,
        };
        (known && self.catalog.image_equality(text)).then(|| Expr::new(cast, text))
    }
}

/// Why parameters cannot be carried through a query.
struct Stuck(&'static str);

/// Carries parameters through a query as its first columns.
struct Carrier<'a> {
    /// All that is carried.
    parameters: &'a [ColType],
    /// So many of them tell the rows of D apart.
    identity: usize,
    /// So many stand before the query's own parameters.
    given: usize,
    /// Through every query in FROM, which would be computed apart otherwise: see `guard.rs`.
    through_all: bool,
    catalog: &'a Catalog,
}

/// The columns of FROM with the parameters before them, and those of its items carried along.
struct Carried {
    /// Where the columns of FROM are now.
    places: Vec<usize>,
    width: usize,
    /// What carried parameters of items equal.
    conditions: Vec<Expr>,
}

impl Carrier<'_> {
    fn columns(&self, shift: usize) -> Vec<Expr> {
        let parameters = self.parameters.iter().enumerate();
        parameters
            .map(|(i, p)| Expr::column(shift + i, p.ty))
            .collect()
    }

    /// Two values that are equal, or both NULL.
    fn same(&self, a: Expr, b: Expr, nullable: bool) -> Expr {
        let ty = a.ty();
        let equality = self.catalog.equality(ty.oid);
        let operator = equality.and_then(|e| self.catalog.operator(e.eq));
        let (operator, function) =
            operator.map_or((Oid::INVALID, Oid::INVALID), |o| (o.oid, o.function));
        let kind = match nullable {
            false => ExprKind::Operator {
                operator,
                function,
                args: vec![a, b],
                collation: ty.collation,
            },
            true => ExprKind::Distinct {
                operator,
                function,
                args: [a, b],
                collation: ty.collation,
                negated: true,
            },
        };
        Expr::new(kind, BOOL)
    }

    fn all_same(&self, a: usize, b: usize) -> Vec<Expr> {
        let pairs = self.columns(a).into_iter().zip(self.columns(b));
        pairs
            .zip(self.parameters)
            .take(self.identity)
            .map(|((a, b), p)| self.same(a, b, p.nullable))
            .collect()
    }

    /// Grouping, and what compares whole rows, compares what is carried.
    fn check_comparable(&self) -> Result<(), Stuck> {
        let mut types = self.parameters.iter();
        match types.all(|p| self.catalog.equality(p.ty.oid).is_some()) {
            true => Ok(()),
            false => Err(Stuck("with parameters of a type without equality")),
        }
    }

    fn query(&self, query: &Query) -> Result<Query, Stuck> {
        if let Body::SetOperation { operator, all, .. } = &query.body
            && (*operator != SetOperator::Union || !all)
        {
            self.check_comparable()?;
        }
        let body = match &query.body {
            Body::Select(select) => Body::Select(Box::new(self.select(select)?)),
            Body::SetOperation {
                operator,
                all,
                branches: [left, right],
            } => {
                let branch = |b: &Branch| -> Result<Branch, Stuck> {
                    let n = self.parameters.len();
                    let outputs = b.outputs.iter().map(|e| e.remap(&mut |c| c + n));
                    Ok(Branch {
                        query: Arc::new(self.query(&b.query)?),
                        outputs: self.columns(0).into_iter().chain(outputs).collect(),
                    })
                };
                Body::SetOperation {
                    operator: *operator,
                    all: *all,
                    branches: [branch(left)?, branch(right)?],
                }
            }
            Body::Values(rows) => {
                return self.query(&Query::of_rows(&query.columns, rows, &[]));
            }
            Body::Recursive { .. } => return Err(Stuck("of WITH RECURSIVE")),
            Body::Working { .. } | Body::Opaque { .. } => {
                return Err(Stuck("of an unknown kind"));
            }
        };
        let carried = self.parameters.iter().map(|p| OutputColumn {
            name: String::new(),
            ty: *p,
        });
        Ok(Query {
            columns: carried.chain(query.columns.iter().cloned()).collect(),
            body,
        })
    }

    fn select(&self, select: &Select) -> Result<Select, Stuck> {
        let parameters = From::Parameters {
            types: self.parameters.to_vec(),
        };
        let n = self.parameters.len();
        let mut carried = Carried {
            places: vec![],
            width: n,
            conditions: vec![],
        };
        let mut out = select.clone();
        if select.distinct || select.grouping.is_some() || select.ranks() {
            self.check_comparable()?;
        }
        out.from = Some(match &select.from {
            None => parameters.clone(),
            Some(from) => From::Join {
                kind: JoinKind::Inner,
                left: Box::new(parameters.clone()),
                right: Box::new(self.from(from, true, &mut carried)?),
                condition: None,
            },
        });
        let below = |e: &Expr| -> Result<Expr, Infallible> {
            Ok(e.remap(&mut |c| match Reads::of(c) {
                Reads::Column(at) => carried.places[at],
                Reads::Parameter(at) => self.given + at,
                _ => c,
            }))
        };
        let Ok(()) = out.map_below(&mut { below });
        let conjuncts = out.filter.take().into_iter().chain(carried.conditions);
        out.filter = all_of(conjuncts.collect());
        let per = self.columns(0);
        let Some(grouping) = &mut out.grouping else {
            out.per(per);
            out.outputs.splice(0..0, self.columns(0));
            return Ok(out);
        };
        if !grouping.sets.is_empty() {
            return Err(Stuck("with parameters and GROUPING SETS"));
        }
        if grouping.keys.is_empty() {
            if grouping.aggregates.iter().any(|a| of_nothing(a).is_none()) {
                return Err(Stuck(
                    "with an aggregate of which it is not known what it is of no rows",
                ));
            }
            return Ok(self.global(out, parameters));
        }
        grouping.keys.splice(0..0, self.columns(0));
        let above = |e: &Expr| -> Result<Expr, Infallible> {
            Ok(e.remap(&mut |c| match Reads::of(c) {
                Reads::Column(at) => n + at,
                Reads::Parameter(at) => self.given + at,
                _ => c,
            }))
        };
        let Ok(()) = out.map_above(&mut { above });
        out.per(per);
        out.outputs.splice(0..0, self.columns(0));
        Ok(out)
    }

    /// An aggregate over all rows, of each row of the parameters.
    fn global(&self, select: Select, parameters: From) -> Select {
        let n = self.parameters.len();
        let mut grouped = select.clone();
        let mut above = select;
        let aggregates = match &grouped.grouping {
            Some(grouping) => grouping.aggregates.clone(),
            None => vec![],
        };
        let span = grouped.grouping.as_ref().and_then(|g| g.span);
        grouped.having = None;
        grouped.grouped_sets = vec![];
        grouped.grouped_subqueries = vec![];
        grouped.distinct = false;
        grouped.top = None;
        grouped.windows = vec![];
        grouped.outputs = self.columns(0);
        let values = aggregates.iter().enumerate();
        grouped
            .outputs
            .extend(values.map(|(i, a)| Expr::column(n + i, a.ty)));
        grouped.grouping = Some(Grouping {
            keys: self.columns(0),
            aggregates: aggregates.clone(),
            sets: vec![],
            groupings: vec![],
            span,
        });
        let column = |ty: ColType| OutputColumn {
            name: String::new(),
            ty,
        };
        let values = aggregates.iter().map(|a| ColType {
            ty: a.ty,
            nullable: true,
        });
        let columns = self.parameters.iter().copied().chain(values).map(column);
        let query = Arc::new(Query {
            columns: columns.collect(),
            body: Body::Select(Box::new(grouped)),
        });
        let over = |e: &Expr| -> Result<Expr, Infallible> {
            Ok(e.substitute(&mut |c, ty| match Reads::of(c) {
                Reads::Column(at) => over_nothing(&aggregates[at], Expr::column(2 * n + at, ty)),
                Reads::Parameter(at) => Expr::column(self.given + at, ty),
                _ => Expr::column(c, ty),
            }))
        };
        let Ok(()) = above.map_above(&mut { over });
        above.per(self.columns(0));
        above.outputs.splice(0..0, self.columns(0));
        Select {
            from: Some(From::Join {
                kind: JoinKind::Left,
                left: Box::new(parameters),
                right: Box::new(From::Query {
                    name: String::new(),
                    query,
                }),
                condition: all_of(self.all_same(0, n)),
            }),
            filter: above.having,
            grouping: None,
            having: None,
            outputs: above.outputs,
            distinct: above.distinct,
            top: above.top,
            windows: above.windows,
            subqueries: above.grouped_subqueries,
            grouped_subqueries: vec![],
            sets: above.grouped_sets,
            grouped_sets: vec![],
        }
    }

    /// An item of FROM; `inner`: it is not in an outer join.
    fn from(&self, from: &From, inner: bool, carried: &mut Carried) -> Result<From, Stuck> {
        let width = from.types().len();
        match from {
            From::Join {
                kind,
                left,
                right,
                condition,
            } => {
                let inner = inner && *kind == JoinKind::Inner;
                Ok(From::Join {
                    kind: *kind,
                    left: Box::new(self.from(left, inner, carried)?),
                    right: Box::new(self.from(right, inner, carried)?),
                    condition: condition.clone(),
                })
            }
            From::Query { query, .. } if query.is_correlated() && !inner => {
                carried.columns(width);
                let mut lateral = from.clone();
                let own = self.columns(0).into_iter().skip(self.given).enumerate();
                let own: Vec<Expr> = own.map(|(i, p)| Reads::Parameter(i).expr(p.ty())).collect();
                give_parameters(&mut lateral, &own);
                Ok(lateral)
            }
            From::Query { name, query } if query.is_correlated() || inner && self.through_all => {
                carried.conditions.extend(self.all_same(0, carried.width));
                carried.width += self.parameters.len();
                carried.columns(width);
                Ok(From::Query {
                    name: name.clone(),
                    query: Arc::new(self.query(query)?),
                })
            }
            other => {
                carried.columns(width);
                Ok(other.clone())
            }
        }
    }
}

impl Select {
    /// What ORDER BY … LIMIT and OVER say is said for each of these.
    fn per(&mut self, parameters: Vec<Expr>) {
        for window in &mut self.windows {
            window.partition.splice(0..0, parameters.iter().cloned());
        }
        if let Some(top) = &mut self.top {
            top.per.splice(0..0, parameters);
        }
    }
}

impl Carried {
    fn columns(&mut self, count: usize) {
        self.places.extend(self.width..self.width + count);
        self.width += count;
    }
}
