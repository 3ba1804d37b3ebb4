//! The clock: its table, and how it has moved (see [`spec::clock`]).

use crate::error::Result;
use crate::expr::Printer;
use crate::names::{Names, STORE, WEIGHT};
use crate::sql::{FromItem, Item, Name, Query, Select, Sql, Statement, print};
use crate::storage::column_def;
use spec::catalog::Catalog;
use spec::clock::Clock;
use spec::compiled::Compiled;

impl Names {
    /// A catalog that knows the clock of this stream table.
    pub(crate) fn catalog(&self, compiled: &Compiled, catalog: &Catalog) -> Catalog {
        match &compiled.clock {
            Some(clock) => clock.known_to(catalog, STORE, &self.clock),
            None => catalog.clone(),
        }
    }
}

/// `w, time_1, …`: the row of the clock as it is, gone, and as it must be, if they differ. No row if
/// they do not. None where the query asks nothing of time.
pub fn clock_change(
    compiled: &Compiled,
    catalog: &Catalog,
    names: &Names,
) -> Result<Option<String>> {
    let Some(clock) = &compiled.clock else {
        return Ok(None);
    };
    let printer = Printer {
        catalog,
        input: &[],
    };
    let names_of = columns(clock);
    let values = clock.values.iter().map(|v| Ok(printer.scalar(v)?.sql));
    let values = values.collect::<Result<Vec<Sql>>>()?;
    let of = |alias: &str| -> Vec<Sql> {
        let column = |c: &String| Sql::column(alias, c);
        names_of.iter().map(column).collect()
    };
    let held = FromItem::table(Name::new(STORE, &names.clock), "held");
    let items = values.into_iter().zip(&names_of);
    let asked = Select {
        items: items.map(|(v, name)| Item::new(v, name)).collect(),
        ..Select::default()
    };
    let asked = FromItem::query(Query::from(asked), "asked");
    let weighted = |w: i64, alias: &str| {
        let columns = of(alias).into_iter().zip(&names_of);
        let columns = columns.map(|(c, name)| Item::new(c, name));
        let weight = Item::new(Sql::int8(w), WEIGHT);
        std::iter::once(weight).chain(columns).collect()
    };
    // Of rows as wholes: an operator between two ROW(…) would compare their columns.
    let by = |f: &str| Sql::call(f, vec![Sql::Row(of("held")), Sql::Row(of("asked"))]);
    let gone = Select {
        items: weighted(-1, "held"),
        from: vec![held.clone(), asked.clone()],
        filter: vec![by("record_image_ne")],
        ..Select::default()
    };
    let known = Select {
        items: vec![Item::new(Sql::int8(1), WEIGHT)],
        from: vec![held],
        filter: vec![by("record_image_eq")],
        ..Select::default()
    };
    let come = Select {
        items: weighted(1, "asked"),
        from: vec![asked],
        filter: vec![Sql::NotExists(Box::new(Query::from(known)))],
        ..Select::default()
    };
    let change = Query::union_all(vec![Query::from(gone), Query::from(come)]);
    Ok(Some(print::query(&change, 0)))
}

/// The DDL of its table.
pub(crate) fn table(clock: &Clock, catalog: &Catalog, names: &Names) -> Result<String> {
    let columns = columns(clock).into_iter().zip(&clock.values);
    let columns = columns.map(|(name, value)| column_def(&name, value.ty(), catalog));
    Ok(print::statement(&Statement::CreateTable {
        name: Name::new(STORE, &names.clock),
        temporary: false,
        columns: columns.collect::<Result<_>>()?,
        fillfactor: None,
    }))
}

fn columns(clock: &Clock) -> Vec<String> {
    let attnums = clock.values.iter().zip(1..).map(|(_, attnum)| attnum);
    attnums.map(Clock::column_name).collect()
}
