//! Random DML: batches of statements between refreshes. No statement can fail, whatever the
//! tables hold, so that any of them can be left out when a failure is shrunk.

use super::schema::{Column, Table};
use super::types::Ty;
use spec::tape::Tape;

/// What happens between two refreshes.
#[derive(Clone, Debug, PartialEq)]
pub struct Batch {
    pub statements: Vec<String>,
    /// All in one transaction.
    pub atomic: bool,
    /// Has a TRUNCATE, after which a stream table may be rebuilt.
    pub truncates: bool,
}

/// One statement for each row, so that each can be left out.
pub fn initial_rows(tape: &mut Tape, tables: &[Table]) -> Vec<String> {
    let mut out = vec![];
    for table in tables {
        let n = if tape.percent(6) {
            0
        } else {
            tape.between(5, 14)
        };
        for _ in 0..n {
            let row = table.row(tape);
            let times = if tape.percent(15) { 2 } else { 1 };
            for _ in 0..times {
                out.push(table.insert(std::slice::from_ref(&row)));
            }
        }
    }
    out
}

pub fn batches(tape: &mut Tape, tables: &[Table]) -> Vec<Batch> {
    let n = tape.between(3, 5);
    (0..n).map(|_| batch(tape, tables)).collect()
}

fn batch(tape: &mut Tape, tables: &[Table]) -> Batch {
    let truncates = tape.percent(2);
    let atomic = tape.percent(40);
    let mut statements = vec![];
    // Now and then nothing changes.
    for _ in 0..tape.weighted(&[3, 3, 4, 8, 12, 16, 18, 14, 12, 10]) {
        if let Some(table) = tape.pick(tables) {
            statements.extend(change(tape, table, atomic));
        }
    }
    if truncates && let Some(table) = tape.pick(tables) {
        let at = tape.below(statements.len() + 1);
        statements.insert(at, format!("TRUNCATE {};", table.name));
    }
    Batch {
        statements,
        atomic,
        truncates,
    }
}

/// One statement; rarely two that undo each other, or one that is rolled back.
fn change(tape: &mut Tape, table: &Table, atomic: bool) -> Vec<String> {
    let name = &table.name;
    match tape.weighted(&[26, 20, 22, 8, 6, 5, 6, 4, 3]) {
        0 => {
            let rows: Vec<String> = (0..tape.between(1, 4)).map(|_| table.row(tape)).collect();
            vec![table.insert(&rows)]
        }
        1 => vec![format!(
            "DELETE FROM {name} WHERE {};",
            condition(tape, table)
        )],
        2 => {
            let set = assignment(tape, table);
            vec![format!(
                "UPDATE {name} SET {set} WHERE {};",
                condition(tape, table)
            )]
        }
        3 => vec![key_move(tape, table)],
        4 => {
            // Nothing changes, by value and by image.
            let c = column(tape, table);
            vec![format!(
                "UPDATE {name} SET {0} = {0} WHERE {1};",
                c.name,
                condition(tape, table)
            )]
        }
        5 => {
            // One of several identical rows.
            let condition = condition(tape, table);
            vec![format!(
                "DELETE FROM {name} WHERE ctid IN (SELECT ctid FROM {name} WHERE {condition} ORDER BY ctid LIMIT 1);"
            )]
        }
        6 => {
            // What was just inserted goes again.
            let row = table.row(tape);
            let insert = table.insert(std::slice::from_ref(&row));
            vec![
                insert,
                format!("DELETE FROM {name} WHERE {};", condition(tape, table)),
            ]
        }
        7 => {
            let condition = condition(tape, table);
            vec![format!(
                "WITH gone AS (DELETE FROM {name} WHERE {condition} RETURNING *) INSERT INTO {name} SELECT * FROM gone;"
            )]
        }
        _ => {
            // A rolled back change must leave no trace.
            let row = table.row(tape);
            let insert = table.insert(std::slice::from_ref(&row));
            let delete = format!("DELETE FROM {name} WHERE {};", condition(tape, table));
            let changes = format!("SAVEPOINT s; {insert} {delete} ROLLBACK TO s;");
            vec![match atomic {
                true => changes,
                false => format!("BEGIN; {changes} COMMIT;"),
            }]
        }
    }
}

/// Puts some of the statements of a batch into blocks and savepoints, and undoes some of these.
pub fn undo_some(tape: &mut Tape, batch: &mut Batch) {
    let mut out = vec![];
    for (i, sql) in std::mem::take(&mut batch.statements)
        .into_iter()
        .enumerate()
    {
        let plain = !sql.contains("SAVEPOINT");
        let raise = "RAISE division_by_zero; EXCEPTION WHEN division_by_zero THEN NULL;";
        match tape.weighted(&[50, 12, 12, 13, 13]) {
            1 if plain => out.push(format!("DO $do$ BEGIN {sql} END $do$;")),
            2 if plain => out.push(format!(
                "DO $do$ BEGIN BEGIN {sql} {raise} END; {sql} END $do$;"
            )),
            3 if batch.atomic => {
                out.extend([format!("SAVEPOINT a{i};"), sql]);
                out.push(format!("ROLLBACK TO a{i};"));
            }
            4 if batch.atomic => {
                out.extend([format!("SAVEPOINT a{i};"), sql]);
                out.push(format!("RELEASE a{i};"));
            }
            _ => out.push(sql),
        }
    }
    if batch.atomic && tape.percent(15) {
        out.push("ROLLBACK; BEGIN;".to_owned());
    }
    batch.statements = out;
}

fn column<'a>(tape: &mut Tape, table: &'a Table) -> &'a Column {
    &table.columns[tape.below(table.columns.len())]
}

/// Some rows: by key, by join column, by any column.
fn condition(tape: &mut Tape, table: &Table) -> String {
    match tape.weighted(&[if table.is_keyed() { 40 } else { 0 }, 30, 25, 5]) {
        0 => format!("id = {}", tape.between(1, 14)),
        1 => match tape.percent(12) {
            true => "k IS NULL".to_owned(),
            false => format!("k = {}", Ty::Int4.literal(tape)),
        },
        2 => {
            let c = column(tape, table);
            let literal = c.ty.literal(tape);
            format!("{} IS NOT DISTINCT FROM {literal}", c.name)
        }
        _ => "true".to_owned(),
    }
}

fn assignment(tape: &mut Tape, table: &Table) -> String {
    // Not the key: see `key_move`.
    let free: Vec<&Column> = table
        .columns
        .iter()
        .filter(|c| !table.key.contains(&c.name))
        .collect();
    let Some(c) = tape.pick(&free) else {
        return format!("{0} = {0}", table.columns[0].name);
    };
    // The same value with another image.
    if c.ty == Ty::Numeric && tape.percent(30) {
        return format!("{0} = {0} + 0.00", c.name);
    }
    format!("{} = {}", c.name, c.ty.datum(tape, c.nullable))
}

/// Moves a primary key, or a join column of a table without one.
fn key_move(tape: &mut Tape, table: &Table) -> String {
    let name = &table.name;
    if !table.is_keyed() {
        let (from, to) = (Ty::Int4.literal(tape), Ty::Int4.literal(tape));
        return format!("UPDATE {name} SET k = {to} WHERE k = {from};");
    }
    let (from, to) = (tape.between(1, 14), tape.between(1, 14));
    format!(
        "UPDATE {name} SET id = {to} WHERE id = {from} AND NOT EXISTS (SELECT FROM {name} WHERE id = {to});"
    )
}
