//! Which names mean which columns: the items of FROM as the rest of the query sees them.
//!
//! An item can be seen in two ways: by its own name (`t.a`, `t.*`, `t`) and by the bare names of
//! its columns. A join without alias hides the bare names of its sides behind its own, which hold
//! the merged columns of USING once; with an alias it hides the sides altogether. Names that are
//! not found are looked for in the enclosing queries, from the inside out.

use super::context::BindError;
use crate::typing::error;
use spec::types::{Oid, SqlType, oids};
use spec::{Expr, ReasonCode, Span, expr::Coercion, expr::ExprKind};
use std::sync::Arc;

/// A column by its name.
#[derive(Clone, Debug)]
pub(super) struct Named {
    pub name: String,
    pub expr: Expr,
    /// `*` leaves it out.
    pub apart: bool,
}

impl Named {
    pub(super) fn new(name: &str, expr: Expr) -> Named {
        Named {
            name: name.to_owned(),
            expr,
            apart: false,
        }
    }
}

/// An item of FROM.
#[derive(Clone, Debug)]
pub(super) struct Item {
    pub name: Option<String>,
    /// The table, where the item has no alias: it can be called by schema and name, too.
    pub table: Option<Oid>,
    /// The composite type of its rows, where they have a named one.
    pub row_type: Option<Oid>,
    pub columns: Arc<[Named]>,
    /// Can be called by its own name.
    pub by_name: bool,
    /// Its columns can be called by their bare names.
    pub by_columns: bool,
    /// Has `ctid`, `xmin`, ….
    pub system_columns: bool,
    /// Reported as not incremental, with columns that could not be inferred: any name may be one.
    pub opaque: bool,
    /// The value of a function in FROM that returns no row: so is the item as a whole.
    pub scalar: bool,
    /// The left side of a RIGHT or FULL join, seen from its right side: it cannot be read there.
    pub barred: bool,
    /// On the side of an outer join whose rows may be missing.
    pub padded: bool,
    /// A table of which some columns are computed from others.
    pub computed: bool,
    /// A column that is NULL only where the row itself is missing, if one is known.
    pub present: Option<Expr>,
}

/// The items that a clause sees.
#[derive(Clone, Copy)]
pub(super) struct Scope<'a> {
    pub items: &'a [Item],
    /// Of the enclosing query.
    pub parent: Option<&'a Scope<'a>>,
    /// How many subqueries in expressions, and LATERAL ones, it lies in.
    pub depth: usize,
}

/// Where something that a name means belongs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Level {
    Here,
    /// To an enclosing query, which lies in so many subqueries, seen from a subquery of it.
    Outer(usize),
}

impl Level {
    /// In a scope further out.
    fn outside(to: &Scope<'_>) -> Level {
        Level::Outer(to.depth)
    }
}

pub(super) struct Starred {
    pub columns: Vec<Named>,
    pub level: Level,
}

/// What a name means.
pub(super) enum Found {
    Column(Expr, Level),
    /// The whole row of an item of which an outer join may have none: then the row is NULL, which is
    /// not the row of NULLs.
    PaddedRow {
        name: String,
        row: Expr,
        present: Option<Expr>,
        level: Level,
    },
    /// `ctid` and kin.
    System(SqlType),
    /// Perhaps a column of an item whose columns are not known.
    Opaque,
}

const SYSTEM_COLUMNS: [(&str, Oid); 6] = [
    ("ctid", Oid(27)),
    ("xmin", Oid(28)),
    ("cmin", Oid(29)),
    ("xmax", Oid(28)),
    ("cmax", Oid(29)),
    ("tableoid", oids::OID),
];

pub(super) fn is_system_column(name: &str) -> bool {
    SYSTEM_COLUMNS.iter().any(|(n, _)| *n == name)
}

impl Item {
    /// An item of FROM with a name of its own.
    pub(super) fn new(name: Option<String>, columns: Vec<Named>) -> Item {
        Item {
            by_name: name.is_some(),
            name,
            table: None,
            row_type: None,
            columns: columns.into(),
            by_columns: true,
            system_columns: false,
            opaque: false,
            scalar: false,
            barred: false,
            padded: false,
            computed: false,
            present: None,
        }
    }

    fn starred(&self) -> Vec<Named> {
        let shown = self.columns.iter().filter(|c| !c.apart);
        shown.cloned().collect()
    }

    fn check_allowed(&self, span: Option<Span>) -> Result<(), BindError> {
        if !self.barred {
            return Ok(());
        }
        let name = self.name.as_deref().unwrap_or("?");
        let message = format!("invalid reference to FROM-clause entry for table \"{name}\"");
        let mut barred = error(ReasonCode::Name, message, span);
        let hint = "The combining JOIN type must be INNER or LEFT for a LATERAL reference.";
        barred.0.hint = Some(hint.into());
        Err(barred)
    }

    fn column(&self, name: &str, span: Option<Span>) -> Result<Option<&Expr>, BindError> {
        let mut found = self.columns.iter().filter(|c| c.name == name);
        match (found.next(), found.next()) {
            (Some(_), Some(_)) => Err(ambiguous(name, span)),
            (first, _) => Ok(first.map(|c| &c.expr)),
        }
    }

    fn system_column(&self, name: &str) -> Option<SqlType> {
        let known = SYSTEM_COLUMNS.iter().find(|(n, _)| *n == name)?;
        self.system_columns.then(|| SqlType::new(known.1))
    }

    /// All columns as one value.
    fn whole_row(&self) -> Expr {
        if self.scalar
            && let [only] = &*self.columns
        {
            return only.expr.clone();
        }
        let row = Expr::new(
            ExprKind::Row {
                fields: self.columns.iter().map(|c| c.expr.clone()).collect(),
                names: self
                    .columns
                    .iter()
                    .map(|c| c.name.as_str().into())
                    .collect(),
            },
            SqlType::new(oids::RECORD),
        );
        match self.row_type {
            None => row,
            Some(ty) => Expr::new(
                ExprKind::Cast {
                    arg: row,
                    coercion: Coercion::Row,
                    explicit: false,
                },
                SqlType::new(ty),
            ),
        }
    }
}

fn ambiguous(name: &str, span: Option<Span>) -> BindError {
    error(
        ReasonCode::Name,
        format!("column reference \"{name}\" is ambiguous"),
        span,
    )
}

impl<'a> Scope<'a> {
    /// A scope in which there is nothing.
    pub(super) const EMPTY: Scope<'static> = Scope {
        items: &[],
        parent: None,
        depth: 0,
    };

    /// The column that a bare name means among the items of this query alone.
    pub(super) fn local_column(
        &self,
        name: &str,
        span: Option<Span>,
    ) -> Result<Option<Found>, BindError> {
        let mut found = None;
        for item in self.items.iter().filter(|i| i.by_columns) {
            let here = match item.column(name, span)? {
                Some(expr) => Found::Column(expr.clone(), Level::Here),
                None => match item.system_column(name) {
                    Some(ty) => Found::System(ty),
                    None => continue,
                },
            };
            item.check_allowed(span)?;
            if found.replace(here).is_some() {
                return Err(ambiguous(name, span));
            }
        }
        let opaque = || self.items.iter().any(|i| i.opaque && i.by_columns);
        Ok(found.or_else(|| opaque().then_some(Found::Opaque)))
    }

    /// What `name` (parts as written) means. `table_named` looks up `schema.table`.
    pub(super) fn resolve(
        &self,
        name: &[String],
        span: Option<Span>,
        table_named: &dyn Fn(&str, &str) -> Option<Oid>,
    ) -> Result<Found, BindError> {
        match name {
            [column] => self.bare(column, span),
            [table, column] => {
                let (item, level) = self.item(table, span)?;
                qualified(item, level, table, column, span)
            }
            [schema, table, column] => {
                let (item, level) = self.table(schema, table, span, table_named)?;
                qualified(item, level, table, column, span)
            }
            _ => Err(error(
                ReasonCode::Name,
                format!("improper qualified name: {}", name.join(".")),
                span,
            )),
        }
    }

    fn bare(&self, name: &str, span: Option<Span>) -> Result<Found, BindError> {
        let mut level = Level::Here;
        let mut here = self;
        loop {
            if let Some(found) = here.local_column(name, span)? {
                return Ok(found.at(level));
            }
            let Some(parent) = here.parent else { break };
            level = Level::outside(parent);
            here = parent;
        }
        // Not a column: perhaps an item, as a whole row.
        match self.item(name, span) {
            Ok((item, _)) if item.opaque => Ok(Found::Opaque),
            Ok((item, level)) if item.padded && !item.scalar => Ok(Found::PaddedRow {
                name: name.to_owned(),
                row: item.whole_row(),
                present: item.present.clone(),
                level,
            }),
            Ok((item, level)) => Ok(Found::Column(item.whole_row(), level)),
            Err(e) if e.0.hint.as_deref().is_some_and(|h| h.contains("LATERAL")) => Err(e),
            Err(_) => {
                let hint = self.suggestion(None, name);
                Err(no_column(&format!("\"{name}\""), hint, span))
            }
        }
    }

    /// The columns that `*` or `qualifier.*` stands for; none if they are not known.
    pub(super) fn star(
        &self,
        qualifier: &[String],
        span: Option<Span>,
        table_named: &dyn Fn(&str, &str) -> Option<Oid>,
    ) -> Result<Option<Starred>, BindError> {
        let (item, level) = match qualifier {
            [] => {
                if self.items.is_empty() {
                    let message = "SELECT * with no tables specified is not valid";
                    return Err(error(ReasonCode::Name, message, span));
                }
                let visible = || self.items.iter().filter(|i| i.by_columns);
                if visible().any(|i| i.opaque) {
                    return Ok(None);
                }
                return Ok(Some(Starred {
                    columns: visible().flat_map(Item::starred).collect(),
                    level: Level::Here,
                }));
            }
            [table] => self.item(table, span)?,
            [schema, table] => self.table(schema, table, span, table_named)?,
            _ => {
                let message = format!("improper qualified name: {}.*", qualifier.join("."));
                return Err(error(ReasonCode::Name, message, span));
            }
        };
        if item.opaque {
            return Ok(None);
        }
        Ok(Some(Starred {
            columns: item.starred(),
            level,
        }))
    }

    /// The item of this name, and where it belongs.
    fn item(&self, name: &str, span: Option<Span>) -> Result<(&'a Item, Level), BindError> {
        let wanted = |i: &&Item| i.by_name && i.name.as_deref() == Some(name);
        self.find(name, span, &wanted)
    }

    fn table(
        &self,
        schema: &str,
        name: &str,
        span: Option<Span>,
        table_named: &dyn Fn(&str, &str) -> Option<Oid>,
    ) -> Result<(&'a Item, Level), BindError> {
        let relation = table_named(schema, name);
        let wanted = |i: &&Item| i.by_name && i.table.is_some() && i.table == relation;
        self.find(&format!("{schema}.{name}"), span, &wanted)
    }

    fn find(
        &self,
        name: &str,
        span: Option<Span>,
        wanted: &dyn Fn(&&Item) -> bool,
    ) -> Result<(&'a Item, Level), BindError> {
        let mut level = Level::Here;
        let mut here = self;
        loop {
            let mut found = here.items.iter().filter(wanted);
            match (found.next(), found.next()) {
                (Some(_), Some(_)) => {
                    let message = format!("table reference \"{name}\" is ambiguous");
                    return Err(error(ReasonCode::Name, message, span));
                }
                (Some(item), None) => {
                    item.check_allowed(span)?;
                    return Ok((item, level));
                }
                (None, _) => {}
            }
            let Some(parent) = here.parent else {
                let message = format!("missing FROM-clause entry for table \"{name}\"");
                let mut missing = error(ReasonCode::Name, message, span);
                missing.0.hint = self.table_suggestion(name);
                return Err(missing);
            };
            level = Level::outside(parent);
            here = parent;
        }
    }

    /// The names nearest to one that means nothing.
    fn suggestion(&self, table: Option<&str>, name: &str) -> Option<String> {
        let items = self
            .items
            .iter()
            .filter(|i| i.by_name && table.is_none_or(|t| i.name.as_deref() == Some(t)));
        let names = items.flat_map(|i| {
            let qualify = |c: &Named| match &i.name {
                Some(item) => format!("{item}.{}", c.name),
                None => c.name.clone(),
            };
            i.columns
                .iter()
                .map(move |c| (distance(&c.name, name), qualify(c)))
        });
        suggest(names, name)
    }

    fn table_suggestion(&self, name: &str) -> Option<String> {
        let names = self.items.iter().filter(|i| i.by_name);
        let names = names.filter_map(|i| i.name.as_deref());
        suggest(names.map(|n| (distance(n, name), n.to_string())), name)
    }
}

impl Found {
    fn at(self, level: Level) -> Found {
        match self {
            Found::Column(expr, _) => Found::Column(expr, level),
            found => found,
        }
    }
}

fn qualified(
    item: &Item,
    level: Level,
    table: &str,
    column: &str,
    span: Option<Span>,
) -> Result<Found, BindError> {
    if let Some(expr) = item.column(column, span)? {
        return Ok(Found::Column(expr.clone(), level));
    }
    if let Some(ty) = item.system_column(column) {
        return Ok(Found::System(ty));
    }
    if item.opaque {
        return Ok(Found::Opaque);
    }
    let here = Scope {
        items: std::slice::from_ref(item),
        parent: None,
        depth: 0,
    };
    let hint = here.suggestion(Some(table), column);
    Err(no_column(&format!("{table}.{column}"), hint, span))
}

fn no_column(name: &str, hint: Option<String>, span: Option<Span>) -> BindError {
    let message = format!("column {name} does not exist");
    let mut missing = error(ReasonCode::Name, message, span);
    missing.0.hint = hint;
    missing
}

/// How far apart two names are, in edits.
pub(super) fn distance(a: &str, b: &str) -> usize {
    strsim::damerau_levenshtein(a, b)
}

/// A hint at the nearest of some names, unless all are too far off (more than half of the name).
pub(super) fn suggest(
    names: impl Iterator<Item = (usize, String)>,
    wanted: &str,
) -> Option<String> {
    let (distance, name) = names.min()?;
    let near = distance <= 3 && distance * 2 <= wanted.chars().count();
    near.then(|| format!("Did you mean \"{name}\"?"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn item(name: &str, columns: &[&str]) -> Item {
        let int = SqlType::new(oids::INT4);
        let named = |(i, c): (usize, &&str)| Named::new(c, Expr::column(i, int));
        let columns = columns.iter().enumerate().map(named).collect();
        Item::new(Some(name.into()), columns)
    }

    fn resolve(scope: &Scope<'_>, name: &str) -> Result<Found, String> {
        let parts: Vec<String> = name.split('.').map(String::from).collect();
        let found = scope.resolve(&parts, None, &|_, _| None);
        found.map_err(|e| match &e.0.hint {
            Some(hint) => format!("{} {hint}", e.0.message),
            None => e.0.message.clone(),
        })
    }

    #[test]
    fn names_are_found_from_the_inside_out() {
        let outer = [item("t", &["a", "b"]), item("u", &["c"])];
        let outer = Scope {
            items: &outer,
            parent: None,
            depth: 0,
        };
        let inner = [item("t", &["a"])];
        let inner = Scope {
            items: &inner,
            parent: Some(&outer),
            depth: 1,
        };
        assert!(matches!(
            resolve(&inner, "a"),
            Ok(Found::Column(_, Level::Here))
        ));
        assert!(matches!(
            resolve(&inner, "b"),
            Ok(Found::Column(_, Level::Outer(0)))
        ));
        assert!(matches!(
            resolve(&inner, "u.c"),
            Ok(Found::Column(_, Level::Outer(0)))
        ));
        assert!(resolve(&inner, "t.b").is_err());
        let row = resolve(&inner, "t");
        assert!(matches!(row, Ok(Found::Column(e, _)) if e.ty().oid == oids::RECORD));
    }

    #[test]
    fn one_name_of_two_columns_is_ambiguous() {
        let items = [item("t", &["a"]), item("u", &["a"])];
        let scope = Scope {
            items: &items,
            parent: None,
            depth: 0,
        };
        assert_eq!(
            resolve(&scope, "a").err().as_deref(),
            Some("column reference \"a\" is ambiguous")
        );
        assert!(resolve(&scope, "u.a").is_ok());
        let doubled = [item("v", &["x", "x"])];
        let scope = Scope {
            items: &doubled,
            parent: None,
            depth: 0,
        };
        assert!(resolve(&scope, "v.x").is_err());
    }

    #[test]
    fn near_names_are_suggested() {
        let items = [item("orders", &["id", "amount"])];
        let scope = Scope {
            items: &items,
            parent: None,
            depth: 0,
        };
        let failure = |name: &str| resolve(&scope, name).err();
        assert_eq!(
            failure("amuont").as_deref(),
            Some("column \"amuont\" does not exist Did you mean \"orders.amount\"?")
        );
        assert_eq!(
            failure("order.id").as_deref(),
            Some("missing FROM-clause entry for table \"order\" Did you mean \"orders\"?")
        );
        assert_eq!(
            failure("zzz").as_deref(),
            Some("column \"zzz\" does not exist")
        );
    }

    #[test]
    fn unknown_columns_of_opaque_items() {
        let items = [Item {
            opaque: true,
            ..item("f", &[])
        }];
        let scope = Scope {
            items: &items,
            parent: None,
            depth: 0,
        };
        assert!(matches!(resolve(&scope, "f.x"), Ok(Found::Opaque)));
        assert!(matches!(resolve(&scope, "x"), Ok(Found::Opaque)));
        assert!(matches!(scope.star(&[], None, &|_, _| None), Ok(None)));
    }
}
