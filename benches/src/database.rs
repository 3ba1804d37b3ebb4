//! The database that a benchmark makes for itself.

use clap::Args;
use postgres::{Client, Error, NoTls};

/// Where the server is.
#[derive(Args, Debug)]
pub struct Connection {
    /// Connection string of a superuser, for instance `host=/tmp/socket user=postgres`.
    #[arg(long)]
    pub connect: String,
    /// The database to make and use; one of that name is dropped first.
    #[arg(long, default_value = "bench")]
    pub database: String,
}

impl Connection {
    pub fn client(&self) -> Result<Client, Error> {
        Client::connect(&format!("{} dbname={}", self.connect, self.database), NoTls)
    }
}

/// Makes the database anew, with the extension in it.
pub fn fresh(args: &Connection) -> Result<Client, Error> {
    let mut admin = Client::connect(&format!("{} dbname=postgres", args.connect), NoTls)?;
    let name = format!("\"{}\"", args.database.replace('"', "\"\""));
    admin.batch_execute(&format!("DROP DATABASE IF EXISTS {name} WITH (FORCE)"))?;
    admin.batch_execute(&format!("CREATE DATABASE {name}"))?;
    let mut client = args.client()?;
    client.batch_execute("SET client_min_messages = warning; CREATE EXTENSION pg_trickle")?;
    Ok(client)
}

/// An error and what caused it, on one line.
pub fn with_causes(error: &(dyn std::error::Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(inner) = cause {
        text.push_str(&format!(": {inner}"));
        cause = inner.source();
    }
    text
}
