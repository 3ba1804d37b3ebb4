//! The harness of the end-to-end suites: private PostgreSQL 18 servers with the extension, a
//! database for each test, and the law that holds after every refresh.
//!
//! | module | what it gives |
//! |---|---|
//! | [`postgres18`] | the installation that tests use, and installing the extension into it |
//! | [`server`] | servers of our own: the one that tests share, and private ones to crash |
//! | [`database`] | a database per test, and connections |
//! | [`law`] | a stream table equals its query in one snapshot |
//! | [`history`] | what refreshes did |
//! | [`pooler`] | PgBouncer between clients and a server |
//! | [`random`] | random queries × random DML |
//! | [`topics`] | files of queries, and what is expected of each |
//! | [`suite`] | such a file, run over tables that change |
//!
//! A test panics with a message; it returns no errors.

pub mod crash;
pub mod database;
pub mod history;
pub mod law;
pub mod pooler;
pub mod postgres18;
pub mod random;
pub mod server;
pub mod suite;
pub mod topics;

pub use database::Database;
pub use history::{Refresh, last_refresh, refresh};
pub use law::{law, law_by_equality};
pub use pooler::Pooler;
pub use server::Server;

/// Errors of the harness itself.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("{what}: {source}")]
    Io {
        what: String,
        source: std::io::Error,
    },
    #[error("{command} failed:\n{output}")]
    Command { command: String, output: String },
    #[error("{}", law::describe(.0))]
    Postgres(#[from] postgres::Error),
    #[error("{0}")]
    Other(String),
}

pub type Result<T> = std::result::Result<T, Error>;

/// Names the file or action of an I/O error.
pub(crate) trait Context<T> {
    fn context(self, what: impl std::fmt::Display) -> Result<T>;
}

impl<T> Context<T> for std::io::Result<T> {
    fn context(self, what: impl std::fmt::Display) -> Result<T> {
        self.map_err(|source| Error::Io {
            what: what.to_string(),
            source,
        })
    }
}
