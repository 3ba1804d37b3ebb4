//! A collection on its way into SQL: a UNION ALL of SELECTs that are not yet closed.
//!
//! As long as a branch is *flat* (FROM and WHERE only), operators merge into it, so that
//! filter, map, join and aggregate over tables print as one SELECT. Weights are kept as a product
//! of columns `w` and a sign; a collection of which all rows have weight 1 has no such column.

use crate::error::{CodegenError, Result};
use crate::expr::Scalar;
use crate::sql::{FromItem, Item, Limit, Query, Select, Sql};

/// The weight of each row of a branch: a sign times the product of factors.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Weight {
    pub negative: bool,
    pub factors: Vec<Sql>,
}

impl Weight {
    pub fn one() -> Weight {
        Weight {
            negative: false,
            factors: vec![],
        }
    }

    pub fn column(relation: &str, name: &str) -> Weight {
        Weight {
            negative: false,
            factors: vec![Sql::column(relation, name)],
        }
    }

    pub fn is_one(&self) -> bool {
        !self.negative && self.factors.is_empty()
    }

    pub fn negated(mut self) -> Weight {
        self.negative = !self.negative;
        self
    }

    pub fn times(mut self, other: Weight) -> Weight {
        self.negative ^= other.negative;
        self.factors.extend(other.factors);
        self
    }

    /// As an expression of type bigint.
    pub fn sql(&self) -> Sql {
        let mut factors = self.factors.iter().cloned();
        let Some(first) = factors.next() else {
            return Sql::int8(if self.negative { -1 } else { 1 });
        };
        let product = factors.fold(first, |all, f| Sql::op("*", all, f));
        match self.negative {
            true => Sql::Prefix(crate::sql::Name::pg("-"), Box::new(product)),
            false => product,
        }
    }
}

/// One SELECT, not yet closed.
#[derive(Clone, Debug)]
pub struct Branch {
    pub from: Vec<FromItem>,
    pub filter: Vec<Sql>,
    /// What the columns of the collection are; none for those that nobody reads.
    pub cols: Vec<Option<Scalar>>,
    pub weight: Weight,
    pub group_by: Option<Vec<Sql>>,
    pub having: Vec<Sql>,
    pub limit: Option<Limit>,
    /// The planner shall not take conditions on what is shown into it: see `ghost.rs`.
    pub fence: bool,
}

impl Branch {
    /// What the subquery is called that it is made of.
    pub fn subquery(&self) -> Result<&str> {
        match self.from.first() {
            Some(FromItem::Query { alias, .. }) => Ok(alias),
            _ => Err(CodegenError::Plan("a subquery is missing".into())),
        }
    }

    pub fn new(from: Vec<FromItem>, cols: Vec<Option<Scalar>>, weight: Weight) -> Branch {
        Branch {
            from,
            filter: vec![],
            cols,
            weight,
            group_by: None,
            having: vec![],
            limit: None,
            fence: false,
        }
    }

    /// Only FROM and WHERE, so that whatever is put on top can be merged.
    pub fn is_flat(&self) -> bool {
        self.group_by.is_none() && self.limit.is_none() && !self.fence
    }

    /// Closes it: `w` first, if wanted, then the named columns.
    pub fn select(self, weight: Option<&str>, names: &[Option<String>]) -> Select {
        let w = weight.map(|w| Item::new(self.weight.sql(), w));
        let cols = self.cols.into_iter().zip(names);
        let cols = cols.filter_map(|(c, name)| Some(Item::new(c?.sql, name.as_ref()?)));
        let items: Vec<Item> = w.into_iter().chain(cols).collect();
        // Grouping by exactly what is shown is what people write as DISTINCT.
        let distinct = self.having.is_empty()
            && self.group_by.as_ref().is_some_and(|keys| {
                !keys.is_empty() && keys.iter().eq(items.iter().map(|i| &i.expr))
            });
        Select {
            distinct,
            items,
            from: self.from,
            filter: self.filter,
            group_by: self.group_by.filter(|_| !distinct),
            having: self.having,
            limit: self.limit,
            fence: self.fence,
        }
    }
}

/// A collection: the sum of its branches, none of which means that it is empty.
#[derive(Clone, Debug)]
pub struct Rel {
    pub branches: Vec<Branch>,
}

impl Rel {
    pub fn one(branch: Branch) -> Rel {
        Rel {
            branches: vec![branch],
        }
    }

    /// Do all rows have weight 1?
    pub fn is_plain(&self) -> bool {
        self.branches.iter().all(|b| b.weight.is_one())
    }

    pub fn query(self, weight: Option<&str>, names: &[Option<String>]) -> Query {
        let branches = self.branches.into_iter();
        Query::union_all(branches.map(|b| b.select(weight, names).into()).collect())
    }
}
