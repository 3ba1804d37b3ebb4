//! functions.md and settings.md against the catalog of a database with the extension.

use crate::page;
use harness::Database;
use harness::law::describe;
use std::collections::BTreeSet;

/// The lines of the blocks that are fenced as `kind`, without any space in them.
fn blocks(page: &str, kind: &str) -> Vec<String> {
    let (open, mut inside, mut found) = (format!("```{kind}"), false, vec![]);
    let mut block = String::new();
    for line in page.lines() {
        if line.trim() == open {
            inside = true;
        } else if inside && line.trim() == "```" {
            found.push(std::mem::take(&mut block));
            inside = false;
        } else if inside {
            block.extend(line.chars().filter(|c| !c.is_whitespace()));
        }
    }
    found
}

fn texts(sql: &str) -> Vec<String> {
    let db = Database::new();
    db.connect()
        .query(sql, &[])
        .unwrap_or_else(|error| panic!("{sql}: {}", describe(&error)))
        .iter()
        .map(|row| {
            let text: String = row.get(0);
            text.chars().filter(|c| !c.is_whitespace()).collect()
        })
        .collect()
}

#[track_caller]
fn same(page: &str, documented: Vec<String>, installed: Vec<String>) {
    let set = |list: &[String]| list.iter().cloned().collect::<BTreeSet<_>>();
    assert_eq!(documented.len(), set(&documented).len(), "{page}: twice");
    let (documented, installed) = (set(&documented), set(&installed));
    let missing: Vec<&String> = installed.difference(&documented).collect();
    let invented: Vec<&String> = documented.difference(&installed).collect();
    assert!(
        missing.is_empty() && invented.is_empty(),
        "{page}: missing {missing:#?}, invented {invented:#?}"
    );
}

/// Every function, with the names, types and defaults of its arguments, and its result.
#[test]
fn functions_are_those_that_exist() {
    let installed = texts(
        "SELECT format('%s(%s) -> %s', proname, pg_get_function_arguments(oid), pg_get_function_result(oid))
         FROM pg_proc WHERE pronamespace = 'pgtrickle'::regnamespace",
    );
    assert!(installed.len() > 20, "{installed:?}");
    same(
        "functions.md",
        blocks(&page("functions.md"), "signature"),
        installed,
    );
}

/// Every view and catalog table, with its columns.
#[test]
fn relations_are_those_that_exist() {
    let installed = texts(
        "SELECT format('%s(%s)', relname, string_agg(format('%s %s', attname, format_type(atttypid, atttypmod)), ', ' ORDER BY attnum))
         FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND attnum > 0 AND NOT attisdropped
         WHERE relnamespace = 'pgtrickle'::regnamespace AND relkind IN ('r', 'v') GROUP BY c.oid",
    );
    assert!(installed.len() > 5, "{installed:?}");
    same(
        "functions.md",
        blocks(&page("functions.md"), "columns"),
        installed,
    );
}

/// Name, default, range and context of every setting: the first four columns of the table.
#[test]
fn settings_are_those_that_exist() {
    let installed = texts(
        "SELECT format('%s|%s|%s|%s', name, boot_val,
             CASE vartype WHEN 'bool' THEN 'on, off' WHEN 'enum' THEN array_to_string(enumvals, ', ') ELSE min_val || ' to ' || max_val END, context)
         FROM pg_settings WHERE name LIKE 'pg\\_trickle.%'",
    );
    assert!(installed.len() > 4, "{installed:?}");
    let documented = page("settings.md")
        .lines()
        .filter(|line| line.starts_with("| `pg_trickle."))
        .map(|line| {
            let cells: Vec<String> = line
                .split('|')
                .skip(1)
                .take(4)
                .map(|cell| {
                    cell.chars()
                        .filter(|c| !c.is_whitespace() && *c != '`')
                        .collect()
                })
                .collect();
            cells.join("|")
        })
        .collect();
    same("settings.md", documented, installed);
}
