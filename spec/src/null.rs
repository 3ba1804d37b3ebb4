//! NULL: what it comes out of, and what keeps it out.
//!
//! Both follow from the form of an expression and from what the *built-in* functions are, which is
//! the same on every server: no catalog is consulted. Both are one-sided: "not nullable", or a
//! column in a set, is a proof; the contrary says nothing.
//!
//! ```text
//! rejects_null(p) ∋ c     p is not true of any row where column c is NULL
//! σp x, ⋈p x…             have no NULL in the columns that p rejects it in
//! ```

use crate::catalog::{FIRST_UNPINNED, Function, Operator, builtin_function, builtin_operator};
use crate::expr::{BoolTest, Coercion, Expr, ExprKind};
use crate::types::{ColType, Oid, oids};
use std::collections::BTreeSet;

/// Marks the columns that these conditions, all of them true, leave no NULL in.
pub fn rejected<'e>(conditions: impl IntoIterator<Item = &'e Expr>, types: &mut [ColType]) {
    if types.iter().all(|t| !t.nullable) {
        return;
    }
    for condition in conditions {
        for column in condition.rejects_null() {
            if let Some(t) = types.get_mut(column) {
                t.nullable = false;
            }
        }
    }
}

impl Expr {
    /// Can the value be NULL, over rows of these types?
    pub fn nullable(&self, input: &[ColType]) -> bool {
        use ExprKind::*;
        let any = |args: &[Expr]| args.iter().any(|a| a.nullable(input));
        match self.kind() {
            Column(i) => input.get(*i).is_none_or(|c| c.nullable),
            Const(value) => value.is_none(),
            IsNull { .. } | BoolTest { .. } | Distinct { .. } | Array(_) | Row { .. } => false,
            And(args) | Or(args) => any(args),
            Not(arg) | Collate(arg) => arg.nullable(input),
            Coalesce(args) | MinMax { args, .. } => args.iter().all(|a| a.nullable(input)),
            Case { whens, otherwise } => {
                otherwise.nullable(input) || whens.iter().any(|(_, then)| then.nullable(input))
            }
            Cast { arg, coercion, .. } => {
                let total = match coercion {
                    Coercion::Relabel => true,
                    Coercion::Function(f) => builtin_function(*f).is_some_and(converts),
                    Coercion::InOut => is_scalar(arg.ty().oid) && is_scalar(self.ty().oid),
                    _ => false,
                };
                !total || arg.nullable(input)
            }
            Operator { operator, args, .. } => !is_total(*operator) || any(args),
            ScalarArray {
                operator,
                left,
                array,
                ..
            } => match array.kind() {
                Array(elements) => !is_total(*operator) || left.nullable(input) || any(elements),
                _ => true,
            },
            _ => true,
        }
    }

    /// Columns such that the value is NULL wherever one of them is.
    pub fn strict_columns(&self) -> BTreeSet<usize> {
        use ExprKind::*;
        let of = Expr::strict_columns;
        let any = |args: &[Expr]| args.iter().flat_map(of).collect::<BTreeSet<usize>>();
        let call = |function: &Oid, args: &[Expr]| {
            if builtin_function(*function).is_some_and(|f| f.strict) {
                any(args)
            } else {
                BTreeSet::new()
            }
        };
        match self.kind() {
            Column(i) => [*i].into(),
            Call {
                function,
                args,
                variadic: false,
                ..
            }
            | Operator { function, args, .. } => call(function, args),
            // NULL if all sides are; one that is false or true decides.
            And(args) | Or(args) | Coalesce(args) | MinMax { args, .. } => {
                common(args.iter().map(of))
            }
            Case { whens, otherwise } => common(
                whens
                    .iter()
                    .map(|(_, then)| of(then))
                    .chain([of(otherwise)]),
            ),
            Not(arg) | Collate(arg) | OneRow(arg) => of(arg),
            NullIf { args, .. } => of(&args[0]),
            ScalarArray {
                function,
                left,
                array,
                ..
            } => match array.kind() {
                Array(elements) if !elements.is_empty() => {
                    call(function, std::slice::from_ref(left))
                }
                _ => BTreeSet::new(),
            },
            Cast { arg, coercion, .. } => match coercion {
                Coercion::Relabel => of(arg),
                Coercion::InOut if is_scalar(arg.ty().oid) && is_scalar(self.ty().oid) => of(arg),
                Coercion::Function(f) => call(f, std::slice::from_ref(arg)),
                _ => BTreeSet::new(),
            },
            _ => BTreeSet::new(),
        }
    }

    /// Columns such that this condition is not true wherever one of them is NULL.
    pub fn rejects_null(&self) -> BTreeSet<usize> {
        use ExprKind::*;
        match self.kind() {
            And(args) => args.iter().flat_map(Expr::rejects_null).collect(),
            Or(args) => common(args.iter().map(Expr::rejects_null)),
            IsNull {
                arg,
                negated: true,
                row: false,
            } => arg.strict_columns(),
            BoolTest { arg, test } => match test {
                self::BoolTest::IsTrue => arg.rejects_null(),
                self::BoolTest::IsFalse | self::BoolTest::IsNotUnknown => arg.strict_columns(),
                _ => BTreeSet::new(),
            },
            _ => self.strict_columns(),
        }
    }
}

fn common(sets: impl Iterator<Item = BTreeSet<usize>>) -> BTreeSet<usize> {
    sets.reduce(|a, b| a.intersection(&b).copied().collect())
        .unwrap_or_default()
}

/// Plain types, of which functions give NULL only where they say so.
const SCALARS: [Oid; 20] = [
    oids::BOOL,
    oids::BYTEA,
    oids::CHAR,
    oids::NAME,
    oids::INT8,
    oids::INT2,
    oids::INT4,
    oids::TEXT,
    oids::OID,
    oids::FLOAT4,
    oids::FLOAT8,
    oids::BPCHAR,
    oids::VARCHAR,
    oids::DATE,
    oids::TIME,
    oids::TIMESTAMP,
    oids::TIMESTAMPTZ,
    oids::INTERVAL,
    oids::NUMERIC,
    oids::UUID,
];

fn is_scalar(ty: Oid) -> bool {
    SCALARS.contains(&ty)
}

/// Is this a strict operator that gives no NULL but of a NULL? Comparison, arithmetic, `||` and
/// LIKE of plain types.
fn is_total(operator: Oid) -> bool {
    const NAMES: [&str; 16] = [
        "=", "<>", "<", "<=", ">", ">=", "+", "-", "*", "/", "%", "||", "~~", "!~~", "~~*", "!~~*",
    ];
    builtin_operator(operator).is_some_and(|o: &Operator| {
        NAMES.contains(&o.name.as_str())
            && (!o.left.is_valid() || is_scalar(o.left))
            && is_scalar(o.right)
            && is_scalar(o.result)
            && builtin_function(o.function).is_some_and(|f| f.strict)
    })
}

/// Is this a conversion between plain types?
fn converts(f: &Function) -> bool {
    f.strict
        && f.oid.0 < FIRST_UNPINNED
        && is_scalar(f.result)
        && f.args.first().is_some_and(|t| is_scalar(*t))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalog::Catalog;
    use crate::types::SqlType;

    fn int(i: usize) -> Expr {
        Expr::column(i, SqlType::new(oids::INT4))
    }

    fn operator(name: &str, a: Expr, b: Expr, result: Oid) -> Expr {
        let catalog = Catalog::builtin();
        let o = catalog
            .operator_exact(Some("pg_catalog"), name, a.ty().oid, b.ty().oid)
            .expect(name);
        let kind = ExprKind::Operator {
            operator: o.oid,
            function: o.function,
            args: vec![a, b],
            collation: Oid::INVALID,
        };
        Expr::new(kind, SqlType::new(result))
    }

    fn equal(a: Expr, b: Expr) -> Expr {
        operator("=", a, b, oids::BOOL)
    }

    fn boolean(kind: ExprKind) -> Expr {
        Expr::new(kind, SqlType::new(oids::BOOL))
    }

    fn set(columns: &[usize]) -> BTreeSet<usize> {
        columns.iter().copied().collect()
    }

    fn is_null(arg: Expr, negated: bool) -> Expr {
        boolean(ExprKind::IsNull {
            arg,
            negated,
            row: false,
        })
    }

    fn test(arg: Expr, test: BoolTest) -> Expr {
        boolean(ExprKind::BoolTest { arg, test })
    }

    #[test]
    fn conditions_reject_nulls() {
        let both = equal(int(0), int(1));
        assert_eq!(both.rejects_null(), set(&[0, 1]));
        let sum = operator("+", int(0), int(2), oids::INT4);
        let or = boolean(ExprKind::Or(vec![both.clone(), equal(sum, int(3))]));
        assert_eq!(or.rejects_null(), set(&[0]));
        let and = boolean(ExprKind::And(vec![both.clone(), equal(int(2), int(2))]));
        assert_eq!(and.rejects_null(), set(&[0, 1, 2]));
        // FALSE AND NULL is FALSE: known, though not true.
        assert_eq!(and.strict_columns(), set(&[]));
        assert_eq!(is_null(int(0), true).rejects_null(), set(&[0]));
        assert_eq!(is_null(int(0), false).rejects_null(), set(&[]));
        let not = boolean(ExprKind::Not(and.clone()));
        assert_eq!(not.rejects_null(), set(&[]));
        assert_eq!(
            boolean(ExprKind::Not(both.clone())).rejects_null(),
            set(&[0, 1])
        );
        for (of, columns) in [
            (BoolTest::IsTrue, set(&[0, 1])),
            (BoolTest::IsFalse, set(&[0, 1])),
            (BoolTest::IsNotUnknown, set(&[0, 1])),
            (BoolTest::IsNotTrue, set(&[])),
            (BoolTest::IsNotFalse, set(&[])),
            (BoolTest::IsUnknown, set(&[])),
        ] {
            assert_eq!(test(both.clone(), of).rejects_null(), columns, "{of:?}");
        }
        let distinct = |negated| {
            let ExprKind::Operator {
                operator, function, ..
            } = *both.kind()
            else {
                unreachable!("it is an operator");
            };
            boolean(ExprKind::Distinct {
                operator,
                function,
                args: [int(0), int(1)],
                collation: Oid::INVALID,
                negated,
            })
        };
        assert_eq!(distinct(true).rejects_null(), set(&[]));
        assert_eq!(distinct(false).rejects_null(), set(&[]));
    }

    #[test]
    fn values_are_null_where_their_parts_are() {
        let types = |nullable: [bool; 2]| {
            nullable.map(|nullable| ColType {
                ty: SqlType::new(oids::INT4),
                nullable,
            })
        };
        let (none, one) = (types([false, false]), types([false, true]));
        let sum = operator("+", int(0), int(1), oids::INT4);
        assert!(!sum.nullable(&none));
        assert!(sum.nullable(&one));
        assert!(!equal(int(0), int(0)).nullable(&one));
        let cast = |arg: Expr, f: u32, to: Oid| {
            let coercion = Coercion::Function(Oid(f));
            let kind = ExprKind::Cast {
                arg,
                coercion,
                explicit: true,
            };
            Expr::new(kind, SqlType::new(to))
        };
        // int8(int4); and a function of users.
        assert!(!cast(int(0), 481, oids::INT8).nullable(&none));
        assert!(cast(int(1), 481, oids::INT8).nullable(&one));
        assert!(cast(int(0), 90_001, oids::INT8).nullable(&none));
        let element = |elements: Vec<Expr>| {
            let ExprKind::Operator {
                operator, function, ..
            } = *equal(int(0), int(1)).kind()
            else {
                unreachable!("it is an operator");
            };
            let array = Expr::new(ExprKind::Array(elements), SqlType::new(Oid(1007)));
            boolean(ExprKind::ScalarArray {
                operator,
                function,
                any: true,
                left: int(0),
                array,
                collation: Oid::INVALID,
            })
        };
        let literal = Expr::literal("1", SqlType::new(oids::INT4));
        let null = Expr::null(SqlType::new(oids::INT4));
        assert!(!element(vec![literal.clone()]).nullable(&none));
        assert!(element(vec![literal.clone(), null]).nullable(&none));
        assert_eq!(element(vec![literal]).rejects_null(), set(&[0]));
        assert_eq!(element(vec![]).rejects_null(), set(&[]));
    }

    #[test]
    fn filters_and_joins_have_no_nulls_where_their_conditions_reject_them() {
        use crate::op::Op;
        let column = |nullable| ColType {
            ty: SqlType::new(oids::INT4),
            nullable,
        };
        let nullable = |op: Op, inputs: &[&[ColType]]| -> Vec<bool> {
            let types = op.schema(inputs).expect("it fits");
            types.iter().map(|t| t.nullable).collect()
        };
        let two = [column(true), column(true)];
        let filter = Op::Filter(equal(int(1), Expr::literal("1", SqlType::new(oids::INT4))));
        assert_eq!(nullable(filter, &[&two]), [true, false]);
        let join = Op::Join(vec![equal(int(0), int(2))]);
        assert_eq!(nullable(join, &[&two, &two]), [false, true, false, true]);
    }

    /// What the oracle computes is total; so the list here must not claim less.
    #[test]
    fn operators_of_the_oracle_are_total() {
        use crate::eval::builtin::{CITEXT, OPERATORS};
        for o in OPERATORS {
            assert_eq!(is_total(o.operator), o.right != CITEXT, "{}", o.symbol);
        }
    }
}
