//! Orders of rows: the keys of ORDER BY, and what decides between rows that it leaves tied.
//!
//! Where an order is not total, several answers are right. Ties are then broken by the image of the
//! row, which sorts any type, so that it is always the same answer: at the first fill, at each
//! refresh, and when the table is compared with its query.

use crate::error::Result;
use crate::expr::{Printer, Scalar, operator_name};
use crate::sql::{Name, SortBy, Sql};
use spec::op::SortKey;

impl Printer<'_> {
    /// The keys of an ORDER BY.
    pub(crate) fn sort_keys(&self, keys: &[SortKey]) -> Result<Vec<SortBy>> {
        let key = |key: &SortKey| {
            Ok(SortBy {
                expr: self.scalar(&key.expr)?.sql,
                operator: operator_name(key.operator, self.catalog)?,
                nulls_first: key.nulls_first,
            })
        };
        keys.iter().map(key).collect()
    }
}

/// `ROW(…) USING OPERATOR(pg_catalog.*<)`: the order of the images of these columns, total but for
/// rows that nobody can tell apart.
pub(crate) fn by_image(cols: &[Option<Scalar>]) -> SortBy {
    let cols = cols.iter().flatten().map(|c| c.sql.clone()).collect();
    SortBy {
        expr: Sql::Row(cols),
        operator: Name::pg("*<"),
        nulls_first: false,
    }
}
