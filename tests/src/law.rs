//! The law: in one snapshot, a stream table is the same multiset as its defining query.
//!
//! [`law`] compares the binary images of rows, so that 1.0 and 1.00 differ, and json and other
//! types without equality are covered; equal images imply that EXCEPT ALL is empty both ways.

use postgres::{Client, IsolationLevel, Transaction};

/// How many differing rows a failure shows.
const SHOWN: i64 = 20;

/// Panics unless `stream_table` is exact, by image.
#[track_caller]
pub fn law(client: &mut Client, stream_table: &str) {
    check(client, stream_table, by_image);
}

/// Panics unless `stream_table` is exact by the equality of its types: for queries where one of
/// several equal values may stand, as in `min` over texts that differ only in case.
#[track_caller]
pub fn law_by_equality(client: &mut Client, stream_table: &str) {
    check(client, stream_table, by_equality);
}

/// A query for the rows by which `table` differs from `query`, and how many times they are too
/// many (or, negative, missing).
pub fn by_image(table: &str, query: &str) -> String {
    format!(
        "SELECT text, sum(w)::int8 FROM (
             SELECT record_send(the_row) AS image, the_row::text AS text, 1 AS w
             FROM (SELECT * FROM {table}) AS the_row
             UNION ALL
             SELECT record_send(the_row), the_row::text, -1 FROM (\n{query}\n) AS the_row
         ) AS rows GROUP BY image, text HAVING sum(w) <> 0 ORDER BY text LIMIT {SHOWN}"
    )
}

/// The same by EXCEPT ALL, with its weights as 1 and -1.
pub fn by_equality(table: &str, query: &str) -> String {
    format!(
        "WITH st AS (SELECT * FROM {table}), q AS (\n{query}\n)
         (SELECT the_row::text, 1::int8 FROM (SELECT * FROM st EXCEPT ALL SELECT * FROM q) AS the_row LIMIT {SHOWN})
         UNION ALL
         (SELECT the_row::text, -1::int8 FROM (SELECT * FROM q EXCEPT ALL SELECT * FROM st) AS the_row LIMIT {SHOWN})"
    )
}

#[track_caller]
fn check(client: &mut Client, stream_table: &str, differences: fn(&str, &str) -> String) {
    if let Err(wrong) = holds(client, stream_table, differences) {
        panic!("{wrong}");
    }
}

/// Whether `stream_table` is exact by `differences` ([`by_image`], [`by_equality`]); what is wrong
/// otherwise.
pub fn holds(
    client: &mut Client,
    stream_table: &str,
    differences: fn(&str, &str) -> String,
) -> Result<(), String> {
    let result = (|| {
        let mut snapshot = client
            .build_transaction()
            .isolation_level(IsolationLevel::RepeatableRead)
            .read_only(true)
            .start()?;
        let (table, query) = definition(&mut snapshot, stream_table)?;
        let rows = snapshot.query(&differences(&table, &query), &[])?;
        snapshot.commit()?;
        Ok::<_, postgres::Error>((query, rows))
    })();
    let (query, rows) =
        result.map_err(|error| format!("checking {stream_table}: {}", describe(&error)))?;
    if rows.is_empty() {
        return Ok(());
    }
    let differences: Vec<String> = rows
        .iter()
        .map(|row| (row.get::<_, String>(0), row.get::<_, i64>(1)))
        .map(|(text, w)| match w {
            1.. => format!("  {w} too many: {text}"),
            _ => format!("  {} missing: {text}", -w),
        })
        .collect();
    Err(format!(
        "the law does not hold for {stream_table}:\n{}\nquery: {query}",
        differences.join("\n")
    ))
}

/// The quoted name and the query of a stream table.
fn definition(
    snapshot: &mut Transaction<'_>,
    stream_table: &str,
) -> Result<(String, String), postgres::Error> {
    let row = snapshot.query_one(
        "SELECT format('%I.%I', pgt_schema, pgt_name), original_query
         FROM pgtrickle.pgt_stream_tables WHERE pgt_relid = ($1::text)::regclass",
        &[&stream_table],
    )?;
    let query: String = row.get(1);
    Ok((row.get(0), query.trim().trim_end_matches(';').to_owned()))
}

/// What the server said.
pub fn describe(error: &postgres::Error) -> String {
    error.as_db_error().map_or_else(
        || error.to_string(),
        |db| format!("{} {}: {}", db.severity(), db.code().code(), db.message()),
    )
}
