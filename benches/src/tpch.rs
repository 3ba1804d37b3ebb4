//! TPC-H: schema, data by `tpchgen`, and the queries that are measured.
//!
//! Keys are declared as the specification has them (TPC-H 3.0.1, clause 1.4), and each foreign key
//! has an index, as anyone who joins along them would want.

use postgres::{Client, Error};
use std::fmt::Display;
use std::io::Write;
use tpchgen::generators::{
    CustomerGenerator, LineItemGenerator, NationGenerator, OrderGenerator, PartGenerator,
    PartSuppGenerator, RegionGenerator, SupplierGenerator,
};

pub const SCHEMA: &str = include_str!("tpch_schema.sql");
pub const INDEXES: &str = include_str!("tpch_indexes.sql");

/// A query as a stream table would have it: without the ORDER BY … LIMIT of presentation.
#[derive(Clone, Copy, Debug)]
pub struct Query {
    pub name: &'static str,
    pub sql: &'static str,
}

macro_rules! queries {
    ($($name:literal),*) => {
        &[$(Query {
            name: $name,
            sql: include_str!(concat!("queries/", $name, ".sql")),
        }),*]
    };
}

/// All queries, with their substitution parameters at the validation values.
pub const QUERIES: &[Query] = queries![
    "q1", "q2", "q3", "q4", "q5", "q6", "q7", "q8", "q9", "q10", "q11", "q12", "q13", "q14", "q15",
    "q16", "q17", "q18", "q19", "q20", "q21", "q22"
];

/// The tables, referenced ones first.
pub const TABLES: [&str; 8] = [
    "region", "nation", "supplier", "part", "partsupp", "customer", "orders", "lineitem",
];

/// Copies rows in the generator's own format, which ends each row with a separator.
fn copy<T: Display>(
    client: &mut Client,
    table: &str,
    rows: impl Iterator<Item = T>,
) -> Result<u64, LoadError> {
    let mut writer = client.copy_in(&format!(
        "COPY {table} FROM STDIN WITH (FORMAT text, DELIMITER '|')"
    ))?;
    let mut line = String::new();
    for row in rows {
        line.clear();
        std::fmt::Write::write_fmt(&mut line, format_args!("{row}"))?;
        writer.write_all(line.strip_suffix('|').unwrap_or(&line).as_bytes())?;
        writer.write_all(b"\n")?;
    }
    Ok(writer.finish()?)
}

/// What can go wrong while loading.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    #[error("the server says: {0}")]
    Server(#[from] Error),
    #[error("the connection broke while copying: {0}")]
    Io(#[from] std::io::Error),
    #[error("a row could not be written as text: {0}")]
    Format(#[from] std::fmt::Error),
}

/// Creates and fills the eight tables at this scale factor (1.0 ≈ 6 million lineitems), in the
/// first schema of the search path; calls `progress` with each table and its rows.
pub fn load(
    client: &mut Client,
    scale: f64,
    mut progress: impl FnMut(&str, u64),
) -> Result<(), LoadError> {
    client.batch_execute(SCHEMA)?;
    for table in TABLES {
        let rows = match table {
            "region" => copy(client, table, RegionGenerator::new(scale, 1, 1).iter()),
            "nation" => copy(client, table, NationGenerator::new(scale, 1, 1).iter()),
            "supplier" => copy(client, table, SupplierGenerator::new(scale, 1, 1).iter()),
            "part" => copy(client, table, PartGenerator::new(scale, 1, 1).iter()),
            "partsupp" => copy(client, table, PartSuppGenerator::new(scale, 1, 1).iter()),
            "customer" => copy(client, table, CustomerGenerator::new(scale, 1, 1).iter()),
            "orders" => copy(client, table, OrderGenerator::new(scale, 1, 1).iter()),
            _ => copy(client, table, LineItemGenerator::new(scale, 1, 1).iter()),
        }?;
        progress(table, rows);
    }
    client.batch_execute(INDEXES)?;
    client.batch_execute("ANALYZE")?;
    Ok(())
}
