//! Window functions.

use super::super::expr::{Sql, column};
use super::super::types::Ty;
use super::{From, Generator, Query, select_list};
use spec::tape::Tape;

impl Generator<'_> {
    /// One window function or two: such as peers decide, and one at most, in an order that leaves
    /// only rows tied that are the same, of any kind. Of two such, no order would tell which row
    /// that is the same gets which pair of values.
    pub(super) fn windows(&mut self, scope: &[Sql]) -> Vec<Sql> {
        let fixed = !scope.iter().any(|c| c.ty.has_images() || c.fuzzy);
        let by_place = fixed && self.tape.percent(60);
        let mut out = vec![self.window(scope, by_place)];
        if self.tape.percent(50) {
            out.push(self.window(scope, false));
        }
        if self.tape.percent(25) && !scope.iter().any(|c| c.fuzzy) {
            out.push(self.open_window(scope));
        }
        out
    }

    /// One that depends on how ties are broken, perhaps over a frame that peers decide.
    fn open_window(&mut self, scope: &[Sql]) -> Sql {
        self.open = true;
        let (window, is_ordered) = self.place(scope, false);
        let of = |tape: &mut Tape, ty: Ty| column(tape, scope, |c| c.ty == ty).map(|c| c.text);
        let number = of(self.tape, Ty::Int4).unwrap_or("1".to_owned());
        let float = of(self.tape, Ty::Float8).unwrap_or(format!("({number} / 3.0::float8)"));
        let text = of(self.tape, Ty::Text).unwrap_or(format!("{number}::text"));
        let (call, ty) = match self.tape.below(8) {
            0 => (format!("last_value({number})"), Ty::Int4),
            1 => (format!("nth_value({number}, 2)"), Ty::Int4),
            2 => (format!("array_agg({number})"), Ty::Ints),
            3 => (format!("string_agg({text}, ',')"), Ty::Text),
            4 => (format!("first_value({number})"), Ty::Int4),
            5 => ("row_number()".to_owned(), Ty::Int8),
            6 => (format!("lead({number})"), Ty::Int4),
            _ => (format!("sum({float})"), Ty::Float8),
        };
        let frames: &[&str] = match is_ordered {
            true => &[
                "",
                " RANGE BETWEEN CURRENT ROW AND UNBOUNDED FOLLOWING",
                " RANGE BETWEEN CURRENT ROW AND CURRENT ROW",
                " GROUPS BETWEEN 1 PRECEDING AND 1 FOLLOWING EXCLUDE TIES",
                " ROWS BETWEEN 1 PRECEDING AND UNBOUNDED FOLLOWING EXCLUDE GROUP",
                " ROWS BETWEEN 2 PRECEDING AND CURRENT ROW",
            ],
            false => &["", " ROWS BETWEEN 1 PRECEDING AND 1 FOLLOWING"],
        };
        let frame = self.tape.pick(frames).unwrap_or(&"");
        Sql {
            text: format!("{call} OVER ({}{frame})", window.join(" ")),
            ty,
            fuzzy: false,
        }
    }

    /// The first rows of each partition: those of which a number that a subquery gives them is small.
    pub(super) fn numbered(&mut self, from: From, types: Option<&[Ty]>) -> Query {
        let mut outputs = self.outputs(&from.scope, types, 3);
        let fixed = !from.scope.iter().any(|c| c.ty.has_images() || c.fuzzy);
        let total = fixed && self.tape.percent(60);
        let (window, _) = self.place(&from.scope, total);
        let call = match total {
            true => "row_number()",
            false => self
                .tape
                .pick(&["rank()", "rank()", "dense_rank()"])
                .unwrap_or(&"rank()"),
        };
        let number = Sql {
            text: format!("{call} OVER ({})", window.join(" ")),
            ty: Ty::Int8,
            fuzzy: false,
        };
        let shown = types.is_none() && self.tape.percent(50);
        let at = outputs.len();
        outputs.push(number);
        if self.tape.percent(20) {
            outputs.push(self.window(&from.scope, false));
        }
        let (list, mut columns) = select_list(&outputs);
        columns.truncate(if shown { at + 1 } else { at });
        let k = self.tape.between(1, 4);
        let condition = match self.tape.below(6) {
            0 => format!("c{at} < {k}"),
            1 => format!("c{at} = 1"),
            2 => format!("c{at} BETWEEN {} AND {k}", k - 1),
            3 => format!("{k} >= c{at} AND c0 IS NOT NULL"),
            _ => format!("c{at} <= {k}"),
        };
        let names: Vec<&str> = columns.iter().map(|c| c.name.as_str()).collect();
        self.aliases += 1;
        let (names, n) = (names.join(", "), self.aliases);
        Query {
            sql: format!(
                "SELECT {names} FROM (SELECT {list} {}) AS n{n} WHERE {condition}",
                from.sql
            ),
            columns,
            rows: from.rows,
            returns_sets: false,
            open: false,
        }
    }

    /// PARTITION BY and ORDER BY, and whether there is the latter.
    fn place(&mut self, scope: &[Sql], total: bool) -> (Vec<String>, bool) {
        let mut window = vec![];
        if self.tape.percent(75)
            && let Some(c) = column(self.tape, scope, |_| true)
        {
            window.push(format!("PARTITION BY {}", c.text));
        }
        let mut order: Vec<String> = vec![];
        if self.tape.percent(85) || total {
            let first = column(self.tape, scope, |_| true);
            let direction = self
                .tape
                .pick(&["", " DESC", " NULLS FIRST"])
                .unwrap_or(&"");
            order.extend(first.map(|c| format!("{}{direction}", c.text)));
        }
        if total {
            order.extend(scope.iter().map(|c| c.text.clone()));
        }
        if !order.is_empty() {
            window.push(format!("ORDER BY {}", order.join(", ")));
        }
        (window, !order.is_empty())
    }

    /// One, `total` if it may tell rows apart by their places.
    fn window(&mut self, scope: &[Sql], total: bool) -> Sql {
        let (window, is_ordered) = self.place(scope, total);
        let number = column(self.tape, scope, |c| c.ty == Ty::Int4);
        let number = number.map_or("1".to_owned(), |c| c.text);
        let (call, ty) = match self.tape.below(if total { 10 } else { 5 }) {
            0 => ("rank()".to_owned(), Ty::Int8),
            1 => ("dense_rank()".to_owned(), Ty::Int8),
            2 => (format!("count({number})"), Ty::Int8),
            3 => (format!("sum({number})"), Ty::Int8),
            4 => (format!("max({number})"), Ty::Int4),
            5 => ("row_number()".to_owned(), Ty::Int8),
            6 => (format!("lag({number})"), Ty::Int4),
            7 => (format!("first_value({number})"), Ty::Int4),
            8 => (format!("lead({number}, 2, 0)"), Ty::Int4),
            _ => (format!("sum({number})"), Ty::Int8),
        };
        // Of rows that are the same, no key tells that they come one after another.
        let of_peers = !["row_number", "lag", "lead", "first_value"]
            .iter()
            .any(|f| call.starts_with(f));
        let frames: &[&str] = match (total, of_peers, is_ordered) {
            (true, false, _) => &["", " ROWS BETWEEN 1 PRECEDING AND 1 FOLLOWING"],
            (true, true, _) => &[
                "",
                " ROWS BETWEEN 1 PRECEDING AND 1 FOLLOWING",
                " ROWS BETWEEN CURRENT ROW AND UNBOUNDED FOLLOWING",
                " GROUPS BETWEEN 1 PRECEDING AND CURRENT ROW EXCLUDE CURRENT ROW",
            ],
            (false, _, true) => &["", " RANGE BETWEEN CURRENT ROW AND UNBOUNDED FOLLOWING"],
            (false, _, false) => &[""],
        };
        let frame = self.tape.pick(frames).unwrap_or(&"");
        Sql {
            text: format!("{call} OVER ({}{frame})", window.join(" ")),
            ty,
            fuzzy: false,
        }
    }
}
