//! Files of queries, one for each topic: what each query shows, and what is expected of it.
//!
//! ```sql
//! -- construct: NATURAL and USING
//!
//! -- name: one name on both sides
//! SELECT id FROM a NATURAL JOIN b;
//!
//! -- name: recursion
//! -- not incremental: PGT0107
//! WITH RECURSIVE …;
//! ```
//!
//! | line | meaning |
//! |---|---|
//! | `-- construct: C` | the queries from here on show C |
//! | `-- name: N` | a query begins |
//! | `-- not incremental: CODE, …` | DIFFERENTIAL refuses it for these reasons, each as often as it is found |
//! | `-- refused: SQLSTATE` | every mode refuses it |
//! | `-- compared: by equality` | any of several equal values may stand for all of them |
//! | `-- compared: by verify` | there are several right answers ([PGT0203]) |
//! | `-- defect: …` | what is wrong with that: FULL mode need not refuse it |
//! | `-- still` | its rows do not change, whatever its tables do |
//!
//! Without such a line, a query is maintained DIFFERENTIALLY, by image, and its rows change.
//!
//! [PGT0203]: spec::ReasonCode::OrderDependent

use crate::{Error, Result};

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Query {
    pub construct: String,
    pub name: String,
    pub sql: String,
    pub expectation: Expectation,
    /// Its rows never change.
    pub still: bool,
    /// What is expected is wrong.
    pub defect: Option<String>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Expectation {
    Incremental(Comparison),
    /// Codes, sorted.
    NotIncremental(Vec<String>),
    /// With this SQLSTATE.
    Refused(String),
}

/// How the rows of a stream table are compared with those of its query.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Comparison {
    Image,
    Equality,
    Verify,
}

/// The queries of a file.
pub fn parse(text: &str) -> Result<Vec<Query>> {
    let mut queries: Vec<Query> = vec![];
    let mut construct = None;
    for (i, line) in text.lines().enumerate() {
        let wrong = |what: &str| Error::Other(format!("line {}: {what}: {line}", i + 1));
        if let Some(said) = line.strip_prefix("-- construct: ") {
            construct = Some(said.trim().to_owned());
        } else if let Some(name) = line.strip_prefix("-- name: ") {
            queries.push(Query {
                construct: construct
                    .clone()
                    .ok_or_else(|| wrong("a query of no construct"))?,
                name: name.trim().to_owned(),
                sql: String::new(),
                expectation: Expectation::Incremental(Comparison::Image),
                still: false,
                defect: None,
            });
        } else if let Some(query) = queries.last_mut() {
            match line.strip_prefix("-- ") {
                Some(said) => {
                    expect(query, said.trim()).ok_or_else(|| wrong("an unknown expectation"))?;
                }
                None => {
                    query.sql.push_str(line);
                    query.sql.push('\n');
                }
            }
        } else if !(line.is_empty() || line.starts_with("--")) {
            return Err(wrong("a query without a name"));
        }
    }
    for (i, query) in queries.iter_mut().enumerate() {
        query.sql = query.sql.trim().trim_end_matches(';').to_owned();
        if query.sql.is_empty() || query.sql.contains(";\n") {
            let name = &query.name;
            return Err(Error::Other(format!("query {i} ({name}) is not one query")));
        }
    }
    Ok(queries)
}

/// Takes in a line of comment below the name of a query.
fn expect(query: &mut Query, said: &str) -> Option<()> {
    match said.split_once(": ") {
        Some(("not incremental", list)) => {
            query.expectation = Expectation::NotIncremental(sorted(list));
        }
        Some(("refused", state)) => query.expectation = Expectation::Refused(state.to_owned()),
        Some(("compared", "by equality")) => {
            query.expectation = Expectation::Incremental(Comparison::Equality);
        }
        Some(("compared", "by verify")) => {
            query.expectation = Expectation::Incremental(Comparison::Verify);
        }
        Some(("defect", what)) => query.defect = Some(what.to_owned()),
        None if said == "still" => query.still = true,
        _ => return None,
    }
    Some(())
}

fn sorted(list: &str) -> Vec<String> {
    let mut codes: Vec<String> = list.split(',').map(|c| c.trim().to_owned()).collect();
    codes.sort();
    codes
}

#[cfg(test)]
mod tests {
    use super::*;

    const FILE: &str = "-- Joins of all kinds.\n\n-- construct: inner\n\n-- name: a\nSELECT 1;\n\n\
                        -- name: b\n-- not incremental: PGT0109, PGT0107\nSELECT 2\nFROM x;\n";

    #[test]
    fn a_file_is_queries() {
        let queries = parse(FILE).expect("a file");
        assert_eq!(queries.len(), 2);
        assert_eq!(queries[0].sql, "SELECT 1");
        assert_eq!(queries[1].sql, "SELECT 2\nFROM x");
        assert_eq!(queries[1].construct, "inner");
        let codes = vec!["PGT0107".to_owned(), "PGT0109".to_owned()];
        assert_eq!(queries[1].expectation, Expectation::NotIncremental(codes));
    }

    #[test]
    fn what_is_wrong_is_said() {
        for wrong in [
            "SELECT 1;",
            "-- name: a\nSELECT 1;",
            "-- construct: c\n-- name: a\n-- not incremental PGT0107\nSELECT 1;",
            "-- construct: c\n-- name: a\n-- compared: by eye\nSELECT 1;",
            "-- construct: c\n-- name: a\n-- name: b\nSELECT 1;",
            "-- construct: c\n-- name: a\nSELECT 1;\nSELECT 2;",
        ] {
            assert!(parse(wrong).is_err(), "{wrong}");
        }
    }
}
