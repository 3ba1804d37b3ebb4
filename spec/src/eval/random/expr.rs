//! Random typed expressions.

use super::schema::{pseudo_functions, sql_type};
use super::{Config, Tape};
use crate::eval::builtin::{self, CITEXT, Meaning, OPERATORS};
use crate::expr::{BoolTest, Coercion, Expr, ExprKind};
use crate::types::{ColType, Oid, SqlType, oids};

/// The types that expressions have here.
pub const TYPES: [Oid; 8] = [
    oids::INT4,
    oids::BOOL,
    oids::TEXT,
    oids::NUMERIC,
    oids::INT8,
    oids::FLOAT8,
    oids::INT2,
    CITEXT,
];

/// An application of a known operator.
pub fn infix(symbol: &str, left: Expr, right: Expr) -> Option<Expr> {
    let o = builtin::operator(symbol, left.ty().oid, right.ty().oid)?;
    let collation = left.ty().collation;
    Some(Expr::new(
        ExprKind::Operator {
            operator: o.operator,
            function: o.function,
            args: vec![left, right],
            collation,
        },
        sql_type(o.result),
    ))
}

/// A condition. `depth` bounds the nesting.
pub fn predicate(tape: &mut Tape, input: &[ColType], depth: usize, config: Config) -> Expr {
    of_type(tape, input, oids::BOOL, depth, config)
}

/// An expression over rows of these columns, of this type (for numeric: of any typmod).
pub fn of_type(tape: &mut Tape, input: &[ColType], ty: Oid, depth: usize, config: Config) -> Expr {
    Generator {
        tape,
        input,
        config,
    }
    .expr(ty, depth)
}

struct Generator<'a> {
    tape: &'a mut Tape,
    input: &'a [ColType],
    config: Config,
}

impl Generator<'_> {
    fn expr(&mut self, ty: Oid, depth: usize) -> Expr {
        if depth == 0 {
            return self.leaf(ty);
        }
        if ty == oids::BOOL {
            return self.condition(depth - 1);
        }
        match self.tape.weighted(&[30, 35, 8, 8, 8, 11, 5, 4]) {
            0 => self.leaf(ty),
            1 => self.arithmetic(ty, depth - 1),
            2 => self.case(ty, depth - 1),
            3 => {
                let n = self.tape.between(2, 3);
                let args = (0..n).map(|_| self.expr(ty, depth - 1)).collect();
                Expr::new(ExprKind::Coalesce(args), sql_type(ty))
            }
            4 => self.cast(ty, depth - 1),
            5 => self.pseudo(ty, depth - 1),
            6 => self.null_if(ty, depth - 1),
            _ => {
                let args = vec![self.expr(ty, depth - 1), self.expr(ty, depth - 1)];
                let kind = ExprKind::MinMax {
                    greatest: self.tape.percent(50),
                    args,
                    collation: sql_type(ty).collation,
                };
                Expr::new(kind, sql_type(ty))
            }
        }
    }

    /// A column, or else a literal.
    fn leaf(&mut self, ty: Oid) -> Expr {
        let columns: Vec<usize> = (0..self.input.len())
            .filter(|&i| self.input[i].ty.oid == ty)
            .collect();
        if !self.tape.percent(20)
            && let Some(&i) = self.tape.pick(&columns)
        {
            return Expr::column(i, self.input[i].ty);
        }
        self.literal(ty)
    }

    fn literal(&mut self, ty: Oid) -> Expr {
        if self.tape.percent(7) {
            return Expr::null(sql_type(ty));
        }
        let texts: &[&str] = match ty {
            oids::BOOL => &["t", "f"],
            oids::TEXT | CITEXT => &["a", "b", "A"],
            oids::NUMERIC => &["1", "0.5", "2.0"],
            oids::FLOAT8 => &["1", "0.5", "-0"],
            _ => &["1", "2", "0"],
        };
        let text = self.tape.pick(texts).unwrap_or(&"1");
        Expr::literal(text, sql_type(ty))
    }

    /// An operator that gives this type. Numerics are multiplied by literals only: the scale of a
    /// product of averages is beyond the oracle's digits.
    fn arithmetic(&mut self, ty: Oid, depth: usize) -> Expr {
        let raises = |m| matches!(m, Meaning::Divide | Meaning::Modulo);
        let usable: Vec<_> = OPERATORS
            .iter()
            .filter(|o| o.result == ty && o.left == ty && o.right == ty)
            .filter(|o| self.config.errors || !raises(o.meaning))
            .collect();
        let Some(o) = self.tape.pick(&usable).copied() else {
            return self.leaf(ty);
        };
        let left = self.expr(ty, depth);
        let right = if o.meaning == Meaning::Multiply {
            self.literal(ty)
        } else {
            self.expr(ty, depth)
        };
        infix(o.symbol, left, right).unwrap_or_else(|| self.literal(ty))
    }

    fn case(&mut self, ty: Oid, depth: usize) -> Expr {
        let n = self.tape.between(1, 2);
        let whens = (0..n)
            .map(|_| (self.expr(oids::BOOL, depth), self.expr(ty, depth)))
            .collect();
        let otherwise = if self.tape.percent(25) {
            Expr::null(sql_type(ty))
        } else {
            self.expr(ty, depth)
        };
        Expr::new(ExprKind::Case { whens, otherwise }, sql_type(ty))
    }

    /// A cast from another type; those that round or raise only where errors are wanted.
    fn cast(&mut self, ty: Oid, depth: usize) -> Expr {
        let widening = |from: Oid| {
            matches!(
                (from, ty),
                (
                    oids::INT2,
                    oids::INT4 | oids::INT8 | oids::NUMERIC | oids::FLOAT8
                ) | (oids::INT4, oids::INT8 | oids::NUMERIC | oids::FLOAT8)
                    | (oids::INT8, oids::NUMERIC)
                    | (oids::INT4, oids::BOOL)
                    | (oids::BOOL, oids::INT4)
                    | (oids::BOOL | CITEXT, oids::TEXT)
            )
        };
        let from: Vec<_> = TYPES
            .into_iter()
            .filter(|&from| self.config.images || from != CITEXT)
            .filter(|&from| self.config.errors || widening(from))
            .filter_map(|from| builtin::conversion(from, ty))
            .collect();
        if ty == oids::TEXT && (from.is_empty() || self.tape.percent(60)) {
            // The text of any value: shows its image.
            let from = *self
                .tape
                .pick(&[oids::INT4, oids::NUMERIC, oids::FLOAT8])
                .unwrap_or(&oids::INT4);
            return self.coerced(from, ty, Coercion::InOut, depth);
        }
        match self.tape.pick(&from).copied() {
            Some(f) => self.coerced(f.args[0], ty, Coercion::Function(f.function), depth),
            None => self.leaf(ty),
        }
    }

    fn coerced(&mut self, from: Oid, to: Oid, coercion: Coercion, depth: usize) -> Expr {
        let arg = self.expr(from, depth);
        let explicit = true;
        Expr::new(
            ExprKind::Cast {
                arg,
                coercion,
                explicit,
            },
            sql_type(to),
        )
    }

    fn pseudo(&mut self, ty: Oid, depth: usize) -> Expr {
        let usable: Vec<_> = pseudo_functions()
            .into_iter()
            .filter(|f| f.meaning.result == ty)
            .filter(|f| self.config.functions && (self.config.errors || !f.meaning.raises))
            .filter(|f| self.config.images || f.arg != CITEXT)
            .collect();
        let Some(f) = self.tape.pick(&usable) else {
            return self.leaf(ty);
        };
        let args = vec![self.expr(f.arg, depth)];
        let kind = ExprKind::Call {
            function: f.oid,
            args,
            collation: sql_type(f.arg).collation,
            variadic: false,
        };
        Expr::new(kind, sql_type(ty))
    }

    fn null_if(&mut self, ty: Oid, depth: usize) -> Expr {
        let args = [self.expr(ty, depth), self.expr(ty, depth)];
        let Some(o) = builtin::operator("=", ty, ty) else {
            return self.leaf(ty);
        };
        let kind = ExprKind::NullIf {
            operator: o.operator,
            function: o.function,
            args,
            collation: sql_type(ty).collation,
        };
        Expr::new(kind, sql_type(ty))
    }

    /// A type to compare, preferably one that a column has.
    fn some_type(&mut self) -> Oid {
        let column = self.tape.pick(self.input).map(|c| c.ty.oid);
        match column {
            Some(ty) if !self.tape.percent(15) => ty,
            _ => {
                let ty = *self.tape.pick(&TYPES).unwrap_or(&oids::INT4);
                if ty == CITEXT && !self.config.images {
                    oids::TEXT
                } else {
                    ty
                }
            }
        }
    }

    fn condition(&mut self, depth: usize) -> Expr {
        const BOOL: SqlType = SqlType::new(oids::BOOL);
        let kind = match self.tape.weighted(&[50, 8, 8, 5, 10, 8, 4, 5, 4, 4, 4]) {
            1 => ExprKind::And(vec![
                self.condition_below(depth),
                self.condition_below(depth),
            ]),
            2 => ExprKind::Or(vec![
                self.condition_below(depth),
                self.condition_below(depth),
            ]),
            3 => ExprKind::Not(self.condition_below(depth)),
            4 => {
                let ty = self.some_type();
                ExprKind::IsNull {
                    arg: self.expr(ty, depth),
                    negated: self.tape.percent(50),
                    row: false,
                }
            }
            5 => {
                let ty = self.some_type();
                let args = [self.expr(ty, depth), self.expr(ty, depth)];
                let Some(o) = builtin::operator("=", ty, ty) else {
                    return self.leaf(oids::BOOL);
                };
                ExprKind::Distinct {
                    operator: o.operator,
                    function: o.function,
                    args,
                    collation: sql_type(ty).collation,
                    negated: self.tape.percent(50),
                }
            }
            6 => {
                let Some(o) = builtin::operator("=", oids::INT4, oids::INT4) else {
                    return self.leaf(oids::BOOL);
                };
                let array = self.tape.pick(&["{1,2}", "{0}", "{}", "{1,NULL}"]);
                ExprKind::ScalarArray {
                    operator: o.operator,
                    function: o.function,
                    any: true,
                    left: self.expr(oids::INT4, depth),
                    array: Expr::literal(array.unwrap_or(&"{}"), SqlType::new(Oid(1007))),
                    collation: Oid::INVALID,
                }
            }
            7 => {
                let tests = [
                    BoolTest::IsTrue,
                    BoolTest::IsNotTrue,
                    BoolTest::IsFalse,
                    BoolTest::IsUnknown,
                ];
                ExprKind::BoolTest {
                    arg: self.condition_below(depth),
                    test: *self.tape.pick(&tests).unwrap_or(&BoolTest::IsTrue),
                }
            }
            8 => return self.pseudo(oids::BOOL, depth),
            9 => return self.case(oids::BOOL, depth),
            10 => return self.leaf(oids::BOOL),
            _ => {
                let ty = self.some_type();
                let symbol = *self
                    .tape
                    .pick(&["=", "<", ">=", "<>", "<=", ">"])
                    .unwrap_or(&"=");
                let left = self.expr(ty, depth);
                // A column against a literal splits rows; two columns rarely agree.
                let right = if self.tape.percent(60) {
                    self.literal(ty)
                } else {
                    self.expr(ty, depth)
                };
                let compared = infix(symbol, left, right);
                return compared.unwrap_or_else(|| self.leaf(oids::BOOL));
            }
        };
        Expr::new(kind, BOOL)
    }

    fn condition_below(&mut self, depth: usize) -> Expr {
        self.expr(oids::BOOL, depth)
    }
}
