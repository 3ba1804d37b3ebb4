//! The examples on functions.md, run from top to bottom as one session: what they say they print
//! they print. `PGT_UPDATE_DOCS=1` writes the outputs anew.
//!
//! A block of SQL is followed at once by its output, if that is checked: as psql prints it, or, in
//! a block that says what language it is, the bare values.

use crate::{directory, page};
use harness::Database;
use harness::law::describe;
use postgres::types::Type;
use postgres::{Client, SimpleQueryMessage};
use std::ops::Range;

struct Example {
    /// The function or view that it is an example of.
    heading: String,
    sql: String,
    /// The lines of the page between the fences of its output, and the language.
    output: Option<(Range<usize>, String)>,
}

fn examples(page: &str) -> Vec<Example> {
    let lines: Vec<&str> = page.lines().collect();
    let end_of = |start: usize| {
        let rest = lines[start..].iter().position(|line| *line == "```");
        start + rest.unwrap_or_else(|| panic!("line {start}: a block without end"))
    };
    let mut found = vec![];
    let mut heading = String::new();
    let mut at = 0;
    while at < lines.len() {
        let line = lines[at];
        if let Some(title) = line.strip_prefix("### ") {
            heading = title.to_owned();
        }
        let Some(language) = line.strip_prefix("```") else {
            at += 1;
            continue;
        };
        let end = end_of(at + 1);
        if language == "sql" {
            let output = lines.get(end + 1).and_then(|next| {
                let language = next.strip_prefix("```").filter(|l| *l != "sql")?;
                Some((end + 2..end_of(end + 2), language.to_owned()))
            });
            found.push(Example {
                heading: heading.clone(),
                sql: lines[at + 1..end].join("\n"),
                output,
            });
        }
        at = end + 1;
    }
    found
}

/// As psql aligns them.
fn aligned(columns: &[(String, bool)], rows: &[Vec<String>]) -> Vec<String> {
    let width = |i: usize| {
        let of_rows = rows.iter().map(|row| row[i].chars().count()).max();
        columns[i].0.chars().count().max(of_rows.unwrap_or(0))
    };
    let line = |cells: Vec<String>| cells.join("|").trim_end().to_owned();
    let header = columns.iter().enumerate().map(|(i, (name, _))| {
        let (pad, length) = (width(i), name.chars().count());
        let left = (pad - length) / 2;
        format!(
            " {:left$}{name}{:right$} ",
            "",
            "",
            right = pad - length - left
        )
    });
    let dashes = (0..columns.len()).map(|i| "-".repeat(width(i) + 2));
    let mut out = vec![line(header.collect()), dashes.collect::<Vec<_>>().join("+")];
    for row in rows {
        let cells = row.iter().enumerate().map(|(i, value)| {
            let width = width(i);
            match columns[i].1 {
                true => format!(" {value:>width$} "),
                false => format!(" {value:<width$} "),
            }
        });
        out.push(line(cells.collect()));
    }
    if rows.is_empty() {
        out.push("(0 rows)".to_owned());
    }
    out
}

/// What the last statement of a block prints.
fn run(client: &mut Client, sql: &str, language: &str) -> Vec<String> {
    let messages = match client.simple_query(sql) {
        Ok(messages) => messages,
        Err(error) => {
            let Some(error) = error.as_db_error() else {
                panic!("{sql}: {error}");
            };
            let mut out = vec![format!("ERROR:  {}", error.message())];
            out.extend(error.detail().map(|text| format!("DETAIL:  {text}")));
            out.extend(error.hint().map(|text| format!("HINT:  {text}")));
            return out
                .iter()
                .flat_map(|l| l.lines().map(str::to_owned))
                .collect();
        }
    };
    let mut rows: Vec<Vec<String>> = vec![];
    for message in messages {
        match message {
            SimpleQueryMessage::RowDescription(_) => rows.clear(),
            SimpleQueryMessage::Row(row) => {
                let values = (0..row.len()).map(|i| row.get(i).unwrap_or("").to_owned());
                rows.push(values.collect());
            }
            _ => {}
        }
    }
    if !language.is_empty() {
        let values = rows.iter().flat_map(|row| {
            row.join(" | ")
                .lines()
                .map(str::to_owned)
                .collect::<Vec<_>>()
        });
        return values.map(|line| line.trim_end().to_owned()).collect();
    }
    let last = sql.trim_end().trim_end_matches(';').rsplit(";\n").next();
    let statement = client
        .prepare(last.unwrap_or(sql))
        .unwrap_or_else(|error| panic!("{sql}: {}", describe(&error)));
    let number = [
        Type::INT2,
        Type::INT4,
        Type::INT8,
        Type::FLOAT4,
        Type::FLOAT8,
        Type::NUMERIC,
        Type::OID,
    ];
    let columns = statement.columns().iter();
    let columns: Vec<(String, bool)> = columns
        .map(|c| (c.name().to_owned(), number.contains(c.type_())))
        .collect();
    aligned(&columns, &rows)
}

#[test]
fn examples_print_what_they_say() {
    let text = page("functions.md");
    let db = Database::new();
    let mut client = db.connect();
    let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
    let (mut wrong, mut checked, mut moved) = (vec![], 0, 0isize);
    for example in examples(&text) {
        let Some((place, language)) = &example.output else {
            let done = client.batch_execute(&example.sql);
            done.unwrap_or_else(|error| panic!("{}: {}", example.sql, describe(&error)));
            continue;
        };
        let printed = run(&mut client, &example.sql, language);
        let place =
            place.start.saturating_add_signed(moved)..place.end.saturating_add_signed(moved);
        if lines[place.clone()] != printed[..] {
            let heading = &example.heading;
            wrong.push(format!(
                "{heading}:\n{}\n{}",
                example.sql,
                printed.join("\n")
            ));
        }
        moved += printed.len() as isize - place.len() as isize;
        lines.splice(place, printed);
        checked += 1;
    }
    assert!(checked >= 30, "only {checked} outputs");
    if std::env::var_os("PGT_UPDATE_DOCS").is_some() {
        let path = directory().join("functions.md");
        std::fs::write(&path, lines.join("\n") + "\n")
            .unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    } else {
        assert!(
            wrong.is_empty(),
            "docs/functions.md is wrong:\n{}",
            wrong.join("\n\n")
        );
    }
}

/// Everything that there is to look at or to call has an example, with its output if it has one.
#[test]
fn everything_has_an_example() {
    let db = Database::new();
    let rows = db
        .connect()
        .query(
            "SELECT proname::text, prorettype = 'void'::regtype FROM pg_proc
             WHERE pronamespace = 'pgtrickle'::regnamespace AND proname NOT LIKE '\\_%'
             AND prorettype NOT IN ('trigger'::regtype, 'event_trigger'::regtype)
             AND NOT prosrc LIKE 'pgt\\_%'
             UNION SELECT relname::text, false FROM pg_class
             WHERE relnamespace = 'pgtrickle'::regnamespace AND relkind = 'v'
             AND relname NOT LIKE '\\_%'",
            &[],
        )
        .unwrap_or_else(|error| panic!("{}", describe(&error)));
    let examples = examples(&page("functions.md"));
    let lacking: Vec<String> = rows
        .iter()
        .filter_map(|row| {
            let (name, void): (String, bool) = (row.get(0), row.get(1));
            let shown = examples.iter().any(|e| {
                e.heading == name
                    && e.sql.contains(&format!("pgtrickle.{name}"))
                    && (void || e.output.is_some())
            });
            (!shown).then_some(name)
        })
        .collect();
    assert_eq!(lacking, Vec::<String>::new(), "docs/functions.md");
}
