//! Window functions.

use super::super::expr::{Sql, column};
use super::super::types::Ty;
use super::Generator;

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
        out
    }

    /// One, `total` if it may tell rows apart by their places.
    fn window(&mut self, scope: &[Sql], total: bool) -> Sql {
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
        let frames: &[&str] = match (total, of_peers, order.is_empty()) {
            (true, false, _) => &["", " ROWS BETWEEN 1 PRECEDING AND 1 FOLLOWING"],
            (true, true, _) => &[
                "",
                " ROWS BETWEEN 1 PRECEDING AND 1 FOLLOWING",
                " ROWS BETWEEN CURRENT ROW AND UNBOUNDED FOLLOWING",
                " GROUPS BETWEEN 1 PRECEDING AND CURRENT ROW EXCLUDE CURRENT ROW",
            ],
            (false, _, false) => &["", " RANGE BETWEEN CURRENT ROW AND UNBOUNDED FOLLOWING"],
            (false, _, true) => &[""],
        };
        let frame = self.tape.pick(frames).unwrap_or(&"");
        Sql {
            text: format!("{call} OVER ({}{frame})", window.join(" ")),
            ty,
            fuzzy: false,
        }
    }
}
