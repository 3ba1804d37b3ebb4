//! A runtime of a few lines: batches and lets are temporary tables.

use postgres::{Client, Row, SimpleQueryMessage};
use spec::program::{RefreshProgram, RelColumn, StepKind, StorageDdl};

pub fn execute(client: &mut Client, sql: &str) {
    client
        .batch_execute(sql)
        .unwrap_or_else(|error| panic!("{error:?}\n{sql}"));
}

fn count(client: &mut Client, relation: &str) -> i64 {
    let sql = format!("SELECT count(*) FROM pg_temp.{relation}");
    let row: Row = client
        .query_one(&sql, &[])
        .unwrap_or_else(|error| panic!("{error:?}\n{sql}"));
    row.get(0)
}

pub fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// Creates and fills the storage.
pub fn create(client: &mut Client, ddl: &StorageDdl) {
    execute(client, "SET search_path = ''");
    for sql in &ddl.tables {
        execute(client, sql);
    }
    for (_, sql) in &ddl.fills {
        execute(client, sql);
    }
    for sql in &ddl.indexes {
        execute(client, sql);
    }
}

/// Runs a program on the change logs `log.<table>`, whose first column is the weight.
pub fn refresh(client: &mut Client, program: &RefreshProgram, log_of: impl Fn(&str) -> String) {
    execute(client, "BEGIN; SET LOCAL search_path = ''");
    for batch in &program.batches {
        let columns: Vec<String> = batch
            .columns
            .iter()
            .map(|(attnum, c)| format!(", c{attnum} AS {}", quoted(&c.name)))
            .collect();
        let sql = format!(
            "CREATE TEMP TABLE {} ON COMMIT DROP AS SELECT w{} FROM {}",
            quoted(&batch.name),
            columns.concat(),
            log_of(&batch.name)
        );
        execute(client, &sql);
        // What may be left out is.
        if let Some(asked) = &batch.asked {
            let name = quoted(&batch.name);
            execute(
                client,
                &format!("DELETE FROM {name} WHERE ({asked}) IS NOT TRUE"),
            );
        }
    }
    for step in &program.steps {
        for (name, value) in &step.settings {
            execute(client, &format!("SET LOCAL {name} = '{value}'"));
        }
        let empty = !step.skip_if_empty.is_empty()
            && step
                .skip_if_empty
                .iter()
                .all(|r| count(client, &quoted(r)) == 0);
        match &step.kind {
            StepKind::Let { sql, columns } => {
                let name = quoted(&step.name);
                let sql = format!("CREATE TEMP TABLE {name} ON COMMIT DROP AS\n{sql}");
                execute(client, &sql);
                let rows = count(client, &name);
                assert!(
                    !empty || rows == 0,
                    "would be skipped, but has rows:\n{sql}"
                );
                check_columns(client, &step.name, columns, &sql);
            }
            StepKind::Merge {
                with,
                rows,
                columns,
                ..
            } => {
                let name = quoted(&step.name);
                // What writes cannot stand in CREATE TABLE AS; the types are seen without writing.
                execute(client, &format!("PREPARE merge AS\n{with}\n{rows}"));
                let types =
                    "SELECT result_types::text[] FROM pg_prepared_statements WHERE name = 'merge'";
                let types: Vec<String> = client.query_one(types, &[]).expect("types").get(0);
                execute(client, "DEALLOCATE merge");
                let said: Vec<String> = columns
                    .iter()
                    .map(|c| format!("{} {}", quoted(&c.name), type_name(client, c)))
                    .collect();
                let create = format!(
                    "CREATE TEMP TABLE {name} ({}) ON COMMIT DROP",
                    said.join(", ")
                );
                execute(client, &create);
                execute(client, &format!("{with}\nINSERT INTO {name}\n{rows}"));
                assert!(
                    !empty || count(client, &name) == 0,
                    "would be skipped:\n{with}"
                );
                let found = "SELECT array_agg(atttypid::regtype::text ORDER BY attnum) \
                             FROM pg_attribute WHERE attrelid = $1::text::regclass AND attnum > 0";
                let found: Vec<String> = client
                    .query_one(found, &[&format!("pg_temp.{name}")])
                    .expect("columns")
                    .get(0);
                assert_eq!(found, types, "{with}\n{rows}");
            }
            StepKind::Apply { statements, .. } => {
                for sql in statements {
                    execute(client, sql);
                }
            }
            StepKind::Assert { sql, message, .. } => {
                let rows = client.query(sql.as_str(), &[]).expect("an assertion");
                assert!(rows.is_empty(), "{message}");
            }
        }
    }
    execute(client, "COMMIT; RESET search_path");
}

/// The type of a column, as a column definition names it.
fn type_name(client: &mut Client, column: &RelColumn) -> String {
    let sql = "SELECT format_type($1, $2) || coalesce((SELECT format(' COLLATE %I.%I', n.nspname, c.collname) \
               FROM pg_collation c JOIN pg_namespace n ON n.oid = c.collnamespace WHERE c.oid = $3), '')";
    let ty = column.ty;
    client
        .query_one(sql, &[&ty.oid.0, &ty.typmod, &ty.collation.0])
        .expect("a type")
        .get(0)
}

/// The columns of a let are what the program says.
fn check_columns(client: &mut Client, name: &str, columns: &[RelColumn], sql: &str) {
    let query = "SELECT attname::text, atttypid, atttypmod, attcollation FROM pg_attribute \
                 WHERE attrelid = ('pg_temp.' || quote_ident($1))::regclass AND attnum > 0 \
                 ORDER BY attnum";
    let rows = client.query(query, &[&name]).expect("columns");
    let found: Vec<(String, u32, i32, u32)> = rows
        .iter()
        .map(|r| (r.get(0), r.get(1), r.get(2), r.get(3)))
        .collect();
    let said: Vec<(String, u32, i32, u32)> = columns
        .iter()
        .map(|c| (c.name.clone(), c.ty.oid.0, c.ty.typmod, c.ty.collation.0))
        .collect();
    assert_eq!(found, said, "{sql}");
}

/// Rows as text, sorted: the images, as far as a person could tell.
pub fn rows(client: &mut Client, sql: &str) -> Vec<String> {
    let sql = format!("SELECT q::pg_catalog.text FROM ({sql}) AS q ORDER BY 1");
    let messages = client
        .simple_query(&sql)
        .unwrap_or_else(|error| panic!("{error:?}\n{sql}"));
    messages
        .iter()
        .filter_map(|m| match m {
            SimpleQueryMessage::Row(row) => row.get(0).map(str::to_owned),
            _ => None,
        })
        .collect()
}
