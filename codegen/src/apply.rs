//! Apply: a consolidated delta into its stored collection.
//!
//! With a unique key: DELETE the keys that have a −1 row and no +1 row, then MERGE the +1 rows, or
//! `INSERT … ON CONFLICT DO UPDATE` them where NULLs in the key keep it from being joined by `=`.
//! (Whoever applies excludes all others, so that no other writer can make a new row in between;
//! MERGE then costs about half of ON CONFLICT, which locks each row before it updates it.) With a
//! wide key (see [`crate::identity`]): UPDATE the keys that have both, INSERT those that have only
//! +1. As a multiset: DELETE `k` rows of each image, INSERT `k` copies. The delta is exact and holds
//! only changed rows, so nothing is written that stays as it is. Where no row can go, INSERT is all
//! there is.
//!
//! An aggregate whose groups fold needs no such delta: see [`crate::merge`].

use crate::error::{CodegenError, Result};
use crate::expr::Scalar;
use crate::identity::{KeyAccess, image_hash, key_access, record_hash, same_image};
use crate::keys::{all_equal, all_same, is_strict, null_test};
use crate::lower::Relation;
use crate::names::WEIGHT;
use crate::sql::{
    FromItem, Item, Limit, Matched, Merge, Name, OnConflict, Query, Select, Sql, Statement,
};
use spec::catalog::Catalog;
use spec::compiled::Identity;
use spec::types::ColType;

/// A stored collection, as far as applying needs to know it.
#[derive(Clone)]
pub struct Target<'a> {
    pub table: Name,
    pub columns: &'a [String],
    pub types: &'a [ColType],
    pub identity: &'a Identity,
}

impl Target<'_> {
    pub fn columns(&self, alias: &str) -> Vec<Scalar> {
        let cols = self.columns.iter().zip(self.types);
        cols.map(|(c, ty)| Scalar::column(alias, c, *ty)).collect()
    }

    /// The row of the stored collection and of the delta, by these aliases.
    fn pick(&self, cols: &[Scalar], which: &[usize]) -> Result<Vec<Scalar>> {
        let col = |i: &usize| {
            let missing = || CodegenError::Plan(format!("no key column {i}"));
            cols.get(*i).cloned().ok_or_else(missing)
        };
        which.iter().map(col).collect()
    }

    /// A name that is none of the target's columns or tables.
    fn aliases(&self) -> [&'static str; 3] {
        ["st", "d", "other"]
    }
}

/// The statements that bring the target from its old to its new state.
pub fn apply(target: &Target<'_>, delta: &Relation, catalog: &Catalog) -> Result<Vec<Statement>> {
    match target.identity {
        Identity::Image => Ok(by_image(target, delta)),
        Identity::Key(key) => by_key(target, delta, key, catalog),
    }
}

/// The statement that adds a delta of new rows to its target: a key among them is new as well, or a
/// second row of it a bug, which must raise.
pub fn insert_all(target: &Target<'_>, delta: &Relation) -> Result<Statement> {
    match target.identity {
        Identity::Image => Ok(insert_copies(target, delta)),
        Identity::Key(_) => {
            let cols = delta_columns(target, delta, "d")?;
            Ok(Statement::Insert {
                table: target.table.clone(),
                columns: target.columns.to_vec(),
                query: Query::from(Select {
                    items: items(&cols, target.columns),
                    from: vec![FromItem::table(Name::bare(&delta.name), "d")],
                    ..Select::default()
                }),
                on_conflict: None,
            })
        }
    }
}

/// As many copies of each row as it has weight, where that is positive.
fn insert_copies(target: &Target<'_>, delta: &Relation) -> Statement {
    let d = "d";
    let names = delta.columns.iter().flatten().zip(target.types);
    let cols: Vec<Scalar> = names.map(|(n, ty)| Scalar::column(d, n, *ty)).collect();
    let series = FromItem::Function {
        call: Sql::call(
            "generate_series",
            vec![Sql::int8(1), Sql::column(d, WEIGHT)],
        ),
        alias: "copy".into(),
        column: "n".into(),
    };
    Statement::Insert {
        table: target.table.clone(),
        columns: target.columns.to_vec(),
        query: Query::from(Select {
            items: items(&cols, target.columns),
            from: vec![FromItem::table(Name::bare(&delta.name), d), series],
            filter: vec![weight(d, ">")],
            ..Select::default()
        }),
        on_conflict: None,
    }
}

fn delta_columns(target: &Target<'_>, delta: &Relation, alias: &str) -> Result<Vec<Scalar>> {
    let cols = delta.columns.iter().zip(target.types);
    let cols = cols.map(|(name, ty)| {
        let missing = || CodegenError::Plan("a delta lacks a column".into());
        Ok(Scalar::column(
            alias,
            name.as_ref().ok_or_else(missing)?,
            *ty,
        ))
    });
    cols.collect()
}

fn weight(alias: &str, op: &str) -> Sql {
    Sql::op(op, Sql::column(alias, WEIGHT), Sql::int8(0))
}

fn items(cols: &[Scalar], names: &[String]) -> Vec<Item> {
    let items = cols.iter().zip(names);
    items.map(|(c, n)| Item::new(c.sql.clone(), n)).collect()
}

fn by_key(
    target: &Target<'_>,
    delta: &Relation,
    key: &[usize],
    catalog: &Catalog,
) -> Result<Vec<Statement>> {
    let [st, d, other] = target.aliases();
    let read = |alias: &str| FromItem::table(Name::bare(&delta.name), alias);
    let key_types: Vec<ColType> = key
        .iter()
        .filter_map(|k| target.types.get(*k).copied())
        .collect();
    let access = key_access(&key_types, catalog);
    let stored = target.pick(&target.columns(st), key)?;
    let cols = delta_columns(target, delta, d)?;
    let own = target.pick(&cols, key)?;
    let others = target.pick(&delta_columns(target, delta, other)?, key)?;
    let hashable = key_types
        .iter()
        .all(|c| catalog.equality(c.ty.oid).is_some_and(|e| e.hashable));
    let strict = stored.iter().zip(&own).all(|(a, b)| is_strict(a, b));

    // Within the delta: is there a row of the same key and this sign? Must hash to be linear.
    let no_other = |op: &str| -> Result<Sql> {
        let mut filter = vec![weight(other, op)];
        if !strict && hashable {
            filter.push(Sql::op("=", record_hash(&others), record_hash(&own)));
        }
        filter.extend(all_same(&others, &own, catalog)?);
        Ok(Sql::NotExists(Box::new(
            Select {
                from: vec![read(other)],
                filter,
                ..Select::default()
            }
            .into(),
        )))
    };
    // The row of the stored collection with the key of the delta's row. One list of conditions
    // per case; the cases are disjoint.
    let mut matches: Vec<Vec<Sql>> = vec![];
    match access {
        KeyAccess::RecordHash => {
            let mut all = vec![Sql::op("=", record_hash(&stored), record_hash(&own))];
            all.extend(all_same(&stored, &own, catalog)?);
            matches.push(all);
        }
        _ if strict => matches.push(all_equal(&stored, &own, catalog)?),
        _ => {
            let loose = own.iter().filter(|k| k.nullable);
            let nulls = |negated| loose.clone().map(move |k| null_test(k, negated, catalog));
            let mut none = nulls(true).collect::<Result<Vec<_>>>()?;
            none.extend(all_equal(&stored, &own, catalog)?);
            let some = nulls(false).collect::<Result<Vec<_>>>()?;
            let mut some: Vec<Sql> = Sql::any(some).into_iter().collect();
            some.extend(all_same(&stored, &own, catalog)?);
            matches.extend([none, some]);
        }
    }

    let mut out = vec![];
    // Which keys go is settled first, behind a fence: of a join along a key of several columns the
    // planner expects next to nothing, and would look for each of these keys in the whole change.
    let names: Vec<String> = key
        .iter()
        .filter_map(|k| delta.columns.get(*k).cloned().flatten())
        .collect();
    let gone = Select {
        items: items(&own, &names),
        from: vec![read(d)],
        filter: vec![weight(d, "<"), no_other(">")?],
        fence: true,
        ..Select::default()
    };
    for case in &matches {
        out.push(Statement::Delete {
            table: target.table.clone(),
            alias: st.into(),
            using: vec![FromItem::query(gone.clone().into(), d)],
            filter: case.clone(),
        });
    }
    // Equal keys may differ in their images; those that cannot are not overwritten.
    let fixed = |i: &usize| {
        key.contains(i)
            && target
                .types
                .get(*i)
                .is_some_and(|c| catalog.image_equality(c.ty))
    };
    let set: Vec<usize> = (0..target.columns.len()).filter(|i| !fixed(i)).collect();
    let name = |i: &usize| target.columns[*i].clone();
    let unique = access == KeyAccess::Unique && !key.is_empty();
    if !unique && !set.is_empty() {
        for case in &matches {
            let mut filter = vec![weight(d, ">")];
            filter.extend(case.iter().cloned());
            out.push(Statement::Update {
                table: target.table.clone(),
                alias: st.into(),
                set: set
                    .iter()
                    .map(|i| (name(i), cols[*i].sql.clone()))
                    .collect(),
                from: vec![read(d)],
                filter,
            });
        }
    }
    if unique && strict && !set.is_empty() {
        let source = Select {
            items: items(&cols, target.columns),
            from: vec![read(d)],
            filter: vec![weight(d, ">")],
            ..Select::default()
        };
        let renamed = target.pick(&target.columns(d), key)?;
        let new = |i: usize| Sql::column(d, &target.columns[i]);
        let set = set.iter().map(|i| (name(i), new(*i))).collect();
        let all = (0..target.columns.len()).map(|i| (name(&i), new(i)));
        out.push(Statement::Merge(Merge {
            table: target.table.clone(),
            alias: st.into(),
            using: FromItem::query(source.into(), d),
            on: all_equal(&stored, &renamed, catalog)?,
            matched: vec![(vec![], Matched::Update(set))],
            insert: (vec![], all.collect()),
            returning: vec![],
        }));
        return Ok(out);
    }
    let mut filter = vec![weight(d, ">")];
    if !unique {
        filter.push(no_other("<")?);
    }
    let insert = Select {
        items: items(&cols, target.columns),
        from: vec![read(d)],
        filter,
        ..Select::default()
    };
    // With nothing to overwrite, a second row of a key would be a bug: let it raise.
    let on_conflict = (unique && !set.is_empty()).then(|| OnConflict::Update {
        key: key.iter().map(name).collect(),
        set: set.iter().map(name).collect(),
    });
    out.push(Statement::Insert {
        table: target.table.clone(),
        columns: target.columns.to_vec(),
        query: insert.into(),
        on_conflict,
    });
    Ok(out)
}

fn by_image(target: &Target<'_>, delta: &Relation) -> Vec<Statement> {
    let [st, d, victim] = ["st", "d", "victim"];
    let own = target.columns(st);
    let names: Vec<&String> = delta.columns.iter().flatten().collect();
    let cols: Vec<Scalar> = names
        .iter()
        .zip(target.types)
        .map(|(n, ty)| Scalar::column(d, n, *ty))
        .collect();
    let read = || FromItem::table(Name::bare(&delta.name), d);
    let w = Sql::column(d, WEIGHT);
    let copies = Select {
        items: vec![Item::new(Sql::column(st, "ctid"), "ctid")],
        from: vec![FromItem::table(target.table.clone(), st)],
        filter: vec![
            Sql::op("=", image_hash(&own), image_hash(&cols)),
            same_image(&own, &cols),
        ],
        limit: Some(Limit {
            count: Some(Sql::Prefix(Name::pg("-"), Box::new(w.clone()))),
            ..Limit::default()
        }),
        ..Select::default()
    };
    let victims = Select {
        items: vec![Item::new(Sql::column(victim, "ctid"), "ctid")],
        from: vec![read(), FromItem::lateral(copies.into(), victim)],
        filter: vec![weight(d, "<")],
        ..Select::default()
    };
    let delete = Statement::Delete {
        table: target.table.clone(),
        alias: st.into(),
        using: vec![],
        filter: vec![Sql::ScalarArray {
            operator: Name::pg("="),
            any: true,
            args: Box::new([
                Sql::column(st, "ctid"),
                Sql::ArrayOf(Box::new(Query::from(victims))),
            ]),
        }],
    };
    vec![delete, insert_copies(target, delta)]
}
