//! A small typed tree of SQL: what the operators build, and one printer for it.
//!
//! Names are resolved and values are literals with a type; text appears only in
//! [`print`] (and, for names and literals, [`ident`]).

pub mod ident;
pub mod print;
pub mod types;

use spec::expr::BoolTest;
use std::sync::Arc;
use types::TypeName;

/// A name, qualified unless it is that of a batch or a let.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Name {
    pub schema: Option<String>,
    pub name: String,
}

impl Name {
    pub fn new(schema: &str, name: &str) -> Name {
        Name {
            schema: Some(schema.into()),
            name: name.into(),
        }
    }

    pub fn pg(name: &str) -> Name {
        Name::new("pg_catalog", name)
    }

    pub fn bare(name: &str) -> Name {
        Name {
            schema: None,
            name: name.into(),
        }
    }
}

/// A scalar expression.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Sql {
    /// `relation.column`
    Column(String, String),
    /// A literal; none is NULL.
    Literal(Option<Arc<str>>, TypeName),
    Call {
        function: Name,
        args: Vec<Sql>,
        variadic: bool,
    },
    Aggregate(Box<AggregateCall>),
    Binary(Name, Box<[Sql; 2]>),
    Prefix(Name, Box<Sql>),
    And(Vec<Sql>),
    Or(Vec<Sql>),
    Not(Box<Sql>),
    IsNull {
        arg: Box<Sql>,
        negated: bool,
    },
    BoolTest(Box<Sql>, BoolTest),
    /// `left op ANY (array)`, or ALL.
    ScalarArray {
        operator: Name,
        any: bool,
        args: Box<[Sql; 2]>,
    },
    Case {
        whens: Vec<(Sql, Sql)>,
        otherwise: Option<Box<Sql>>,
    },
    Coalesce(Vec<Sql>),
    /// `GREATEST` or `LEAST`.
    MinMax {
        greatest: bool,
        args: Vec<Sql>,
    },
    Array(Vec<Sql>),
    Row(Vec<Sql>),
    Field(Box<Sql>, String),
    Subscript {
        container: Box<Sql>,
        subscripts: Vec<(Option<Sql>, Option<Sql>)>,
        slice: bool,
    },
    Cast(Box<Sql>, TypeName),
    Collate(Box<Sql>, Name),
    /// A function of SQL's own syntax, such as `CURRENT_DATE`, with its precision.
    Keyword(&'static str, Option<i32>),
    /// What has syntax of its own.
    Verbatim(Vec<Verbatim>),
    /// `EXISTS (SELECT …)`.
    Exists(Box<Query>),
    /// `(SELECT …)`, of one row and column.
    Scalar(Box<Query>),
    /// `NOT EXISTS (SELECT …)`.
    NotExists(Box<Query>),
    /// `ROW(…) operator ANY (SELECT …)`.
    AnyOf {
        operator: Name,
        row: Vec<Sql>,
        query: Box<Query>,
    },
    /// `ARRAY (SELECT …)`.
    ArrayOf(Box<Query>),
    /// `function(…) OVER (…)`.
    Over(Box<WindowCall>),
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct AggregateCall {
    pub function: Name,
    /// Empty for `count(*)`.
    pub args: Vec<Sql>,
    /// The last argument is `VARIADIC array`.
    pub variadic: bool,
    pub distinct: bool,
    pub order_by: Vec<SortBy>,
    /// ORDER BY stands in WITHIN GROUP.
    pub within_group: bool,
    pub filter: Option<Sql>,
}

/// A key of ORDER BY; the operator is the `<` or `>` to sort by.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct SortBy {
    pub expr: Sql,
    pub operator: Name,
    pub nulls_first: bool,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct WindowCall {
    /// A call of a function or an aggregate.
    pub call: Sql,
    pub partition_by: Vec<Sql>,
    pub order_by: Vec<SortBy>,
    pub frame: Option<Frame>,
}

/// `mode BETWEEN start AND end EXCLUDE exclude`; a bound is its offset and its words.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Frame {
    pub mode: &'static str,
    pub start: (Option<Sql>, &'static str),
    pub end: (Option<Sql>, &'static str),
    pub exclude: Option<&'static str>,
}

/// Which rows of a SELECT are put out: ORDER BY, OFFSET and LIMIT.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Limit {
    pub order_by: Vec<SortBy>,
    pub offset: Option<Sql>,
    pub count: Option<Sql>,
    /// The rows, too, that are tied with the last one.
    pub with_ties: bool,
}

/// A piece of what is printed as it was written.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Verbatim {
    /// Key words and punctuation.
    Sql(Arc<str>),
    Name(Arc<str>),
    Text(Arc<str>),
    Type(TypeName),
    Arg(Sql),
}

/// An expression of a SELECT list and the name of its column.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Item {
    pub expr: Sql,
    pub name: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum FromItem {
    Table {
        name: Name,
        alias: String,
    },
    Query {
        query: Box<Query>,
        lateral: bool,
        alias: String,
    },
    Values {
        rows: Vec<Vec<Sql>>,
        alias: String,
        columns: Vec<String>,
    },
    /// A call of a set-returning function, which may refer to what stands before it.
    Function {
        call: Sql,
        alias: String,
        column: String,
    },
    /// `ROWS FROM (…)`, which may refer to what stands before it.
    Functions {
        functions: Vec<TableFunction>,
        ordinality: bool,
        alias: String,
        /// Of all columns, the ordinality included.
        columns: Vec<String>,
    },
    LeftJoin {
        left: Box<FromItem>,
        right: Box<FromItem>,
        on: Vec<Sql>,
    },
}

/// A function in FROM.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct TableFunction {
    pub call: Sql,
    /// Its column definition list, where it needs one.
    pub definitions: Vec<ColumnDef>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Select {
    pub distinct: bool,
    pub items: Vec<Item>,
    pub from: Vec<FromItem>,
    /// Conjuncts.
    pub filter: Vec<Sql>,
    /// Empty: one group, over no rows too.
    pub group_by: Option<Vec<Sql>>,
    /// Conjuncts.
    pub having: Vec<Sql>,
    pub limit: Option<Limit>,
    /// `OFFSET 0`: the planner shall not dissolve this query into the one around it.
    pub fence: bool,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Query {
    Select(Box<Select>),
    UnionAll(Vec<Query>),
    /// `WITH RECURSIVE name (columns) AS (seed UNION [ALL] step) SELECT columns FROM name`
    Recursive {
        name: String,
        columns: Vec<String>,
        seed: Box<Query>,
        distinct: bool,
        step: Box<Select>,
    },
}

/// A column of a new table; the type with its modifier, and the collation where it is not the
/// type's own.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ColumnDef {
    pub name: String,
    pub ty: TypeName,
    pub collation: Option<Name>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum OnConflict {
    Nothing,
    /// Key columns, and the columns to overwrite.
    Update {
        key: Vec<String>,
        set: Vec<String>,
    },
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Statement {
    Query(Query),
    CreateTable {
        name: Name,
        temporary: bool,
        columns: Vec<ColumnDef>,
        fillfactor: Option<u8>,
    },
    CreateTempTableAs {
        name: String,
        query: Query,
    },
    /// The server chooses the name of the index.
    CreateIndex {
        table: Name,
        unique_nulls_not_distinct: bool,
        method: &'static str,
        columns: Vec<Sql>,
    },
    Insert {
        table: Name,
        columns: Vec<String>,
        query: Query,
        on_conflict: Option<OnConflict>,
    },
    Update {
        table: Name,
        alias: String,
        set: Vec<(String, Sql)>,
        from: Vec<FromItem>,
        filter: Vec<Sql>,
    },
    Delete {
        table: Name,
        alias: String,
        using: Vec<FromItem>,
        filter: Vec<Sql>,
    },
    Merge(Merge),
}

/// `MERGE INTO table AS alias USING … ON …`
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Merge {
    pub table: Name,
    pub alias: String,
    pub using: FromItem,
    pub on: Vec<Sql>,
    /// For rows that match: the first of which the conditions hold.
    pub matched: Vec<(Vec<Sql>, Matched)>,
    /// For rows that do not match, under these conditions.
    pub insert: (Vec<Sql>, Vec<(String, Sql)>),
    /// Columns of `old` and `new`; none without RETURNING.
    pub returning: Vec<Item>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Matched {
    Delete,
    Update(Vec<(String, Sql)>),
}

impl Limit {
    /// The first so many, in any order.
    pub fn any(count: i64) -> Limit {
        Limit {
            count: Some(Sql::int8(count)),
            ..Limit::default()
        }
    }
}

/// Builders.
impl Sql {
    pub fn column(relation: &str, column: &str) -> Sql {
        Sql::Column(relation.into(), column.into())
    }

    pub fn int8(value: i64) -> Sql {
        Sql::Literal(Some(value.to_string().into()), TypeName::bigint())
    }

    /// The 0 that a sum of weights, which is a numeric, is compared with.
    pub fn zero_weight() -> Sql {
        Sql::Literal(Some("0".into()), TypeName::numeric())
    }

    /// A binary operator of `pg_catalog`.
    pub fn op(name: &str, left: Sql, right: Sql) -> Sql {
        Sql::Binary(Name::pg(name), Box::new([left, right]))
    }

    pub fn call(name: &str, args: Vec<Sql>) -> Sql {
        Sql::Call {
            function: Name::pg(name),
            args,
            variadic: false,
        }
    }

    /// An aggregate of `pg_catalog`.
    pub fn aggregate(name: &str, args: Vec<Sql>, filter: Option<Sql>) -> Sql {
        Sql::Aggregate(Box::new(AggregateCall {
            function: Name::pg(name),
            args,
            variadic: false,
            distinct: false,
            order_by: vec![],
            within_group: false,
            filter,
        }))
    }

    pub fn cast(self, ty: TypeName) -> Sql {
        Sql::Cast(Box::new(self), ty)
    }

    pub fn is_null(self) -> Sql {
        Sql::IsNull {
            arg: Box::new(self),
            negated: false,
        }
    }

    pub fn is_not_null(self) -> Sql {
        Sql::IsNull {
            arg: Box::new(self),
            negated: true,
        }
    }

    pub fn negated(self) -> Sql {
        Sql::Not(Box::new(self))
    }

    /// The conjunction; none of no terms.
    pub fn all(mut terms: Vec<Sql>) -> Option<Sql> {
        match terms.len() {
            0 => None,
            1 => terms.pop(),
            _ => Some(Sql::And(terms)),
        }
    }

    pub fn any(mut terms: Vec<Sql>) -> Option<Sql> {
        match terms.len() {
            0 => None,
            1 => terms.pop(),
            _ => Some(Sql::Or(terms)),
        }
    }
}

impl Item {
    pub fn new(expr: Sql, name: &str) -> Item {
        Item {
            expr,
            name: name.into(),
        }
    }
}

impl FromItem {
    pub fn table(name: Name, alias: &str) -> FromItem {
        FromItem::Table {
            name,
            alias: alias.into(),
        }
    }

    pub fn query(query: Query, alias: &str) -> FromItem {
        FromItem::Query {
            query: Box::new(query),
            lateral: false,
            alias: alias.into(),
        }
    }

    pub fn lateral(query: Query, alias: &str) -> FromItem {
        FromItem::Query {
            query: Box::new(query),
            lateral: true,
            alias: alias.into(),
        }
    }

    pub fn left_join(self, right: FromItem, on: Vec<Sql>) -> FromItem {
        FromItem::LeftJoin {
            left: Box::new(self),
            right: Box::new(right),
            on,
        }
    }
}

impl Query {
    /// One query, or the UNION ALL of several.
    pub fn union_all(mut branches: Vec<Query>) -> Query {
        if branches.len() == 1 {
            branches.remove(0)
        } else {
            Query::UnionAll(branches)
        }
    }
}

impl From<Select> for Query {
    fn from(select: Select) -> Query {
        Query::Select(Box::new(select))
    }
}
