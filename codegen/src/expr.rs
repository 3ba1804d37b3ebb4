//! Scalar expressions of the circuit as SQL.
//!
//! What binding resolved is printed so that PostgreSQL resolves it the same way again: functions,
//! operators, types and collations by qualified name, coercions as casts. Collations are derived
//! once more over what is printed, by PostgreSQL's rule (an explicit one wins; among implicit
//! ones, any wins over the default, and two that differ conflict), and written out only where the
//! derivation would not end at the collation that the query meant.

use crate::error::{CodegenError, Result};
use crate::sql::types::{TypeName, collation};
use crate::sql::{AggregateCall, FromItem, Item, Name, Select, Sql, Verbatim};
use spec::catalog::{AggregateKind, Catalog, TypeKind};
use spec::expr::{ExprKind, Piece, SessionValue};
use spec::op::AggCall;
use spec::types::{Oid, SqlType, oids};
use spec::{ColType, Expr};

/// How strongly an expression holds to its collation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Strength {
    None,
    Implicit,
    Conflict,
    Explicit,
}

/// A printed expression with what is known about its value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Scalar {
    pub sql: Sql,
    pub ty: SqlType,
    pub nullable: bool,
    pub strength: Strength,
}

impl Scalar {
    /// Something computed, which is never NULL and of which nothing else is known.
    pub fn not_null(sql: Sql, ty: SqlType) -> Scalar {
        Scalar {
            sql,
            ty,
            nullable: false,
            strength: Strength::None,
        }
    }

    /// A column of a table, a subquery or a named relation.
    pub fn column(relation: &str, column: &str, col: ColType) -> Scalar {
        Scalar {
            sql: Sql::column(relation, column),
            ty: col.ty,
            nullable: col.nullable,
            strength: match col.ty.collation.is_valid() {
                true => Strength::Implicit,
                false => Strength::None,
            },
        }
    }
}

/// The columns of a node's input, as far as they are there.
pub type Columns = [Option<Scalar>];

/// What the arguments agree on.
fn derive<'a>(args: impl IntoIterator<Item = &'a Scalar>) -> (Oid, Strength) {
    let mut all = (Oid::INVALID, Strength::None);
    for a in args {
        let one = (a.ty.collation, a.strength);
        all = match one.1.cmp(&all.1) {
            std::cmp::Ordering::Greater => one,
            std::cmp::Ordering::Less => all,
            _ if one.0 == all.0 || one.1 == Strength::None => all,
            // Two explicit ones that differ are an error in PostgreSQL; here they are overridden.
            _ if one.1 == Strength::Explicit => (Oid::INVALID, Strength::Conflict),
            _ if all.0 == oids::DEFAULT_COLLATION => one,
            _ if one.0 == oids::DEFAULT_COLLATION => all,
            _ => (Oid::INVALID, Strength::Conflict),
        };
    }
    all
}

/// The arguments, with a COLLATE on each where they would not agree on `wanted` by themselves.
pub fn agree(args: Vec<Scalar>, wanted: Oid, catalog: &Catalog) -> Result<Vec<Scalar>> {
    if !wanted.is_valid() || derive(&args).0 == wanted {
        return Ok(args);
    }
    let name = collation(wanted, catalog)?;
    let apply = |a: Scalar| match catalog.type_collation(a.ty.oid).is_valid() {
        true => Scalar {
            sql: Sql::Collate(Box::new(a.sql), name.clone()),
            ty: SqlType {
                collation: wanted,
                ..a.ty
            },
            strength: Strength::Explicit,
            ..a
        },
        false => a,
    };
    Ok(args.into_iter().map(apply).collect())
}

pub fn operator_name(oid: Oid, catalog: &Catalog) -> Result<Name> {
    let what = "operator";
    let missing = CodegenError::Missing { what, oid };
    let operator = catalog.operator(oid).ok_or(missing)?;
    Name::within(operator.namespace, &operator.name, catalog)
}

pub fn function_name(oid: Oid, catalog: &Catalog) -> Result<Name> {
    let what = "function";
    let missing = CodegenError::Missing { what, oid };
    let function = catalog.function(oid).ok_or(missing)?;
    Name::within(function.namespace, &function.name, catalog)
}

/// Prints expressions over the columns of one input.
pub struct Printer<'a> {
    pub catalog: &'a Catalog,
    pub input: &'a Columns,
}

impl Printer<'_> {
    fn inputs(&self) -> Vec<ColType> {
        let col = |c: &Option<Scalar>| ColType {
            ty: c.as_ref().map_or(SqlType::new(Oid::INVALID), |c| c.ty),
            nullable: c.as_ref().is_none_or(|c| c.nullable),
        };
        self.input.iter().map(col).collect()
    }

    fn ty(&self, ty: SqlType) -> Result<TypeName> {
        TypeName::new(ty, self.catalog)
    }

    fn all(&self, exprs: &[Expr]) -> Result<Vec<Scalar>> {
        exprs.iter().map(|e| self.scalar(e)).collect()
    }

    fn collated(&self, exprs: &[Expr], wanted: Oid) -> Result<Vec<Scalar>> {
        agree(self.all(exprs)?, wanted, self.catalog)
    }

    /// The condition, as a list of conjuncts.
    pub fn conjuncts(&self, e: &Expr) -> Result<Vec<Sql>> {
        match e.kind() {
            ExprKind::And(args) => {
                let nested: Vec<Vec<Sql>> = args
                    .iter()
                    .map(|a| self.conjuncts(a))
                    .collect::<Result<_>>()?;
                Ok(nested.concat())
            }
            _ => Ok(vec![self.scalar(e)?.sql]),
        }
    }

    pub fn scalar(&self, e: &Expr) -> Result<Scalar> {
        if let ExprKind::Column(i) = e.kind() {
            return match self.input.get(*i) {
                Some(Some(c)) => Ok(c.clone()),
                _ => Err(CodegenError::Plan(format!("column {i} is not there"))),
            };
        }
        let scalar = self.call(e)?;
        let (own, strength) = (e.ty().collation, scalar.strength);
        if strength != Strength::None && own.is_valid() && scalar.ty.collation != own {
            let fixed = agree(vec![scalar], own, self.catalog)?;
            return fixed
                .into_iter()
                .next()
                .ok_or_else(|| CodegenError::Plan("no expression".into()));
        }
        Ok(scalar)
    }

    /// What is no column, as it stands in FROM: with the collation that it has there.
    pub fn call(&self, e: &Expr) -> Result<Scalar> {
        let (sql, derived) = self.form(e)?;
        let own = e.ty().collation;
        let strength = match e.kind() {
            ExprKind::Collate(_) => Strength::Explicit,
            _ if !self.catalog.type_collation(e.ty().oid).is_valid() => Strength::None,
            // What is printed must say what binding derived for the expression as a whole.
            _ => match derived.1 {
                Strength::Explicit => Strength::Explicit,
                Strength::Conflict => Strength::Conflict,
                Strength::None | Strength::Implicit => Strength::Implicit,
            },
        };
        let printed = match strength {
            Strength::None => Oid::INVALID,
            _ if matches!(e.kind(), ExprKind::Collate(_)) => own,
            _ if derived.1 == Strength::None => self.catalog.type_collation(e.ty().oid),
            _ => derived.0,
        };
        Ok(Scalar {
            sql,
            ty: SqlType {
                collation: printed,
                ..e.ty()
            },
            nullable: e.nullable(&self.inputs()),
            strength,
        })
    }

    /// The expression, and what its arguments say about its collation.
    fn form(&self, e: &Expr) -> Result<(Sql, (Oid, Strength))> {
        use ExprKind as K;
        let none = (Oid::INVALID, Strength::None);
        let split = |scalars: Vec<Scalar>| {
            let derived = derive(&scalars);
            let sqls: Vec<Sql> = scalars.into_iter().map(|s| s.sql).collect();
            (sqls, derived)
        };
        Ok(match e.kind() {
            K::Column(i) => return Err(CodegenError::Plan(format!("column {i} is not there"))),
            K::Const(text) => (Sql::Literal(text.clone(), self.ty(e.ty())?), none),
            K::Call {
                function,
                args,
                collation,
                variadic,
            } => {
                let (args, derived) = split(self.collated(args, *collation)?);
                let function = function_name(*function, self.catalog)?;
                let call = Sql::Call {
                    function,
                    args,
                    variadic: *variadic,
                };
                (call, derived)
            }
            K::Operator {
                operator,
                args,
                collation,
                ..
            } => {
                let (args, derived) = split(self.collated(args, *collation)?);
                (self.operation(*operator, args)?, derived)
            }
            K::And(args) => (Sql::And(split(self.all(args)?).0), none),
            K::Or(args) => (Sql::Or(split(self.all(args)?).0), none),
            K::Not(arg) => (self.scalar(arg)?.sql.negated(), none),
            K::IsNull { arg, negated, row } => {
                let value = self.scalar(arg)?.sql;
                let sql = match row {
                    true => Sql::IsNull {
                        arg: Box::new(value),
                        negated: *negated,
                    },
                    false => self.null_test(value, arg.ty().oid, *negated)?,
                };
                (sql, none)
            }
            K::BoolTest { arg, test } => {
                let arg = self.scalar(arg)?.sql;
                (Sql::BoolTest(Box::new(arg), *test), none)
            }
            K::Distinct {
                operator,
                args,
                collation,
                negated,
                ..
            } => {
                let sides = self.collated(args, *collation)?;
                let (sides, _) = split(sides);
                let types = args.iter().map(|a| a.ty().oid);
                let nulls = sides.iter().cloned().zip(types);
                let nulls = nulls
                    .map(|(side, ty)| self.null_test(side, ty, false))
                    .collect::<Result<_>>()?;
                let equal = self.operation(*operator, sides)?;
                let same = Sql::Or(vec![equal, Sql::And(nulls)]);
                let test = match negated {
                    true => spec::expr::BoolTest::IsTrue,
                    false => spec::expr::BoolTest::IsNotTrue,
                };
                (Sql::BoolTest(Box::new(same), test), none)
            }
            K::NullIf {
                operator,
                args,
                collation,
                ..
            } => {
                let first = self.scalar(&args[0])?;
                let derived = derive([&first]);
                let (sides, _) = split(self.collated(args, *collation)?);
                let equal = self.operation(*operator, sides)?;
                let null = Sql::Literal(None, self.ty(e.ty())?);
                let case = Sql::Case {
                    whens: vec![(equal, null)],
                    otherwise: Some(Box::new(first.sql)),
                };
                (case, derived)
            }
            K::ScalarArray {
                operator,
                any,
                left,
                array,
                collation,
                ..
            } => {
                let sides = self.collated(&[left.clone(), array.clone()], *collation)?;
                let [left, array] = two(split(sides).0)?;
                let sql = Sql::ScalarArray {
                    operator: operator_name(*operator, self.catalog)?,
                    any: *any,
                    args: Box::new([left, array]),
                };
                (sql, none)
            }
            K::Case { whens, otherwise } => {
                let conditions = whens.iter().map(|(when, _)| self.scalar(when));
                let conditions: Vec<Scalar> = conditions.collect::<Result<_>>()?;
                let values = whens.iter().map(|(_, then)| then).chain([otherwise]);
                let values: Vec<Scalar> = values.map(|v| self.scalar(v)).collect::<Result<_>>()?;
                let (mut values, derived) = split(values);
                let otherwise = values.pop().map(Box::new);
                let whens = conditions.into_iter().map(|c| c.sql).zip(values).collect();
                (Sql::Case { whens, otherwise }, derived)
            }
            K::Coalesce(args) => {
                let (args, derived) = split(self.all(args)?);
                (Sql::Coalesce(args), derived)
            }
            K::MinMax {
                greatest,
                args,
                collation,
            } => {
                let (args, derived) = split(self.collated(args, *collation)?);
                let sql = Sql::MinMax {
                    greatest: *greatest,
                    args,
                };
                (sql, derived)
            }
            K::Array(args) => {
                let (args, derived) = split(self.all(args)?);
                (Sql::Array(args).cast(self.ty(e.ty())?), derived)
            }
            K::Row { fields, .. } => (Sql::Row(split(self.all(fields)?).0), none),
            K::Field { arg, name, .. } => {
                // A field has the collation of its column, implicitly.
                let field = Sql::Field(Box::new(self.scalar(arg)?.sql), name.to_string());
                (field, (e.ty().collation, Strength::Implicit))
            }
            K::Subscript {
                container,
                subscripts,
                slice,
            } => {
                let container = self.scalar(container)?;
                let derived = derive([&container]);
                let bound = |b: &Option<Expr>| -> Result<Option<Sql>> {
                    b.as_ref().map(|b| Ok(self.scalar(b)?.sql)).transpose()
                };
                let subscripts = subscripts
                    .iter()
                    .map(|(l, u)| Ok((bound(l)?, bound(u)?)))
                    .collect::<Result<_>>()?;
                let sql = Sql::Subscript {
                    container: Box::new(container.sql),
                    subscripts,
                    slice: *slice,
                };
                (sql, derived)
            }
            K::Cast { arg, .. } => {
                let arg = self.scalar(arg)?;
                let derived = derive([&arg]);
                // Polymorphic arguments are relabelled to pseudo-types, which no cast can name.
                let kind = self.catalog.ty(e.ty().oid).map(|t| t.kind);
                let sql = match kind {
                    Some(TypeKind::Pseudo) => arg.sql,
                    _ => arg.sql.cast(self.ty(e.ty())?),
                };
                (sql, derived)
            }
            K::Collate(arg) => {
                let name = collation(e.ty().collation, self.catalog)?;
                let arg = self.scalar(arg)?.sql;
                (Sql::Collate(Box::new(arg), name), none)
            }
            K::OneRow(count) => {
                let count = self.scalar(count)?.sql;
                (one_row(count, self.ty(e.ty())?), none)
            }
            K::SessionValue(value) => (session_value(*value, e.ty().typmod), none),
            K::Verbatim {
                pieces,
                args,
                collates,
                ..
            } => {
                let (args, derived) = split(self.all(args)?);
                let derived = if *collates { derived } else { none };
                (self.verbatim(pieces, args)?, derived)
            }
        })
    }

    fn verbatim(&self, pieces: &[Piece], args: Vec<Sql>) -> Result<Sql> {
        let mut args = args.into_iter();
        let pieces = pieces.iter().map(|piece| {
            Ok(match piece {
                Piece::Sql(text) => Verbatim::Sql(text.clone()),
                Piece::Name(name) => Verbatim::Name(name.clone()),
                Piece::Text(text) => Verbatim::Text(text.clone()),
                Piece::Type(ty) => Verbatim::Type(self.ty(*ty)?),
                Piece::Arg => {
                    let missing = || CodegenError::Plan("an argument is missing".into());
                    Verbatim::Arg(args.next().ok_or_else(missing)?)
                }
            })
        });
        Ok(Sql::Verbatim(pieces.collect::<Result<_>>()?))
    }

    fn is_composite(&self, oid: Oid) -> bool {
        let base = self.catalog.base_of(oid);
        let kind = self.catalog.ty(base).map(|t| t.kind);
        base == oids::RECORD || kind == Some(TypeKind::Composite)
    }

    /// Is this value NULL? `IS NULL` of a composite would ask whether its fields are.
    pub(crate) fn null_test(&self, value: Sql, ty: Oid, negated: bool) -> Result<Sql> {
        if !self.is_composite(ty) {
            let arg = Box::new(value);
            return Ok(Sql::IsNull { arg, negated });
        }
        let nulls = if negated { "0" } else { "1" };
        let int4 = self.ty(SqlType::new(oids::INT4))?;
        let wanted = Sql::Literal(Some(nulls.into()), int4);
        Ok(Sql::op("=", Sql::call("num_nulls", vec![value]), wanted))
    }

    fn operation(&self, operator: Oid, args: Vec<Sql>) -> Result<Sql> {
        let name = operator_name(operator, self.catalog)?;
        let mut args = args.into_iter();
        match (args.next(), args.next(), args.next()) {
            (Some(arg), None, None) => Ok(Sql::Prefix(name, Box::new(arg))),
            (Some(left), Some(right), None) => {
                // Two ROWs would be compared field by field, and be NULL where a field is.
                let left = match (&left, &right) {
                    (Sql::Row(_), Sql::Row(_)) => left.cast(self.ty(SqlType::new(oids::RECORD))?),
                    _ => left,
                };
                Ok(Sql::Binary(name, Box::new([left, right])))
            }
            _ => Err(CodegenError::Plan(format!("operator {name} of no arity"))),
        }
    }

    /// The call of an aggregate over rows of weight 1.
    pub fn aggregate(&self, call: &AggCall) -> Result<Scalar> {
        self.aggregate_as(call, |call| Sql::Aggregate(Box::new(call)))
    }

    /// A call that is printed in some way.
    pub fn aggregate_as(
        &self,
        call: &AggCall,
        print: impl FnOnce(AggregateCall) -> Sql,
    ) -> Result<Scalar> {
        let args = self.collated(&call.args, call.collation)?;
        let (collation, strength) = derive(&args);
        let order_by = self.sort_keys(&call.order_by)?;
        let filter = call.filter.as_ref();
        let sql = print(AggregateCall {
            function: function_name(call.function, self.catalog)?,
            args: args.into_iter().map(|a| a.sql).collect(),
            variadic: call.variadic,
            distinct: call.distinct,
            order_by,
            within_group: is_ordered_set(call.function, self.catalog),
            filter: filter.map(|f| Ok(self.scalar(f)?.sql)).transpose()?,
        });
        let own = self.catalog.type_collation(call.ty.oid);
        let (collation, strength) = match (own.is_valid(), strength) {
            (false, _) => (Oid::INVALID, Strength::None),
            (true, Strength::None) => (own, Strength::Implicit),
            (true, _) => (collation, strength),
        };
        let scalar = Scalar {
            sql,
            ty: SqlType {
                collation,
                ..call.ty
            },
            nullable: call.nullable,
            strength,
        };
        let fixed = agree(vec![scalar], call.ty.collation, self.catalog)?;
        let missing = || CodegenError::Plan("no aggregate".into());
        fixed.into_iter().next().ok_or_else(missing)
    }
}

/// Is it printed with a query in it? There, an aggregate would be one of that query.
pub fn has_query(e: &Expr) -> bool {
    let mut found = false;
    e.walk(&mut |e| found |= matches!(e.kind(), ExprKind::OneRow(_)));
    found
}

/// `(SELECT true FROM generate_series(1, count))`: the error is PostgreSQL's own.
fn one_row(count: Sql, bool: TypeName) -> Sql {
    let rows = FromItem::Function {
        call: Sql::call("generate_series", vec![Sql::int8(1), count]),
        alias: "n".into(),
        column: "n".into(),
    };
    let select = Select {
        items: vec![Item::new(Sql::Literal(Some("t".into()), bool), "one")],
        from: vec![rows],
        ..Select::default()
    };
    Sql::Scalar(Box::new(select.into()))
}

fn is_ordered_set(function: Oid, catalog: &Catalog) -> bool {
    let aggregate = catalog
        .function(function)
        .and_then(|f| f.aggregate.as_ref());
    aggregate.is_some_and(|a| a.kind != AggregateKind::Normal)
}

fn two(args: Vec<Sql>) -> Result<[Sql; 2]> {
    <[Sql; 2]>::try_from(args).map_err(|_| CodegenError::Plan("two arguments expected".into()))
}

fn session_value(value: SessionValue, typmod: i32) -> Sql {
    let precision = (typmod >= 0).then_some(typmod);
    match value {
        SessionValue::CurrentDate => Sql::Keyword("CURRENT_DATE", None),
        SessionValue::CurrentTime => Sql::Keyword("CURRENT_TIME", precision),
        SessionValue::CurrentTimestamp => Sql::Keyword("CURRENT_TIMESTAMP", precision),
        SessionValue::LocalTime => Sql::Keyword("LOCALTIME", precision),
        SessionValue::LocalTimestamp => Sql::Keyword("LOCALTIMESTAMP", precision),
        SessionValue::CurrentUser => Sql::Keyword("CURRENT_USER", None),
        SessionValue::SessionUser => Sql::Keyword("SESSION_USER", None),
        SessionValue::CurrentCatalog => Sql::Keyword("CURRENT_CATALOG", None),
        SessionValue::CurrentSchema => Sql::Keyword("CURRENT_SCHEMA", None),
    }
}
