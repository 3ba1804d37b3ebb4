//! Stream tables on a schema, and batches of changes to it.

use harness::law::describe;
use harness::{Database, last_refresh, law, law_by_equality};
use postgres::Client;

type Law = fn(&mut Client, &str);

pub struct World {
    pub client: Client,
    tables: Vec<(String, Law)>,
    /// Dropped last.
    db: Database,
}

impl World {
    /// A database with the tables that `schema` makes.
    #[track_caller]
    pub fn new(schema: &str) -> World {
        let db = Database::new();
        let mut client = db.connect();
        run(&mut client, schema);
        World {
            client,
            tables: vec![],
            db,
        }
    }

    /// Another session.
    pub fn connect(&self) -> Client {
        self.db.connect()
    }

    #[track_caller]
    pub fn run(&mut self, sql: &str) {
        run(&mut self.client, sql);
    }

    /// A stream table in DIFFERENTIAL mode, which each batch refreshes.
    #[track_caller]
    pub fn keep(&mut self, name: &str, query: &str) {
        self.keep_by(name, query, law);
    }

    /// One where any of several equal values may stand for all of them.
    #[track_caller]
    pub fn keep_equal(&mut self, name: &str, query: &str) {
        self.keep_by(name, query, law_by_equality);
    }

    #[track_caller]
    fn keep_by(&mut self, name: &str, query: &str, law: Law) {
        self.run(&creation(name, query, "DIFFERENTIAL"));
        law(&mut self.client, name);
        self.tables.push((name.to_owned(), law));
    }

    /// One batch: the statements, in one transaction, and a refresh of every stream table.
    #[track_caller]
    pub fn batch(&mut self, sql: &str) {
        self.run(sql);
        self.refresh(sql);
    }

    /// Refreshes every stream table: none in another way than DIFFERENTIAL (or not at all, where
    /// no change of its sources waits), at least one DIFFERENTIAL; and the law holds.
    #[track_caller]
    pub fn refresh(&mut self, batch: &str) {
        let mut differential = 0;
        for (table, law) in &self.tables {
            let refresh = format!("SELECT pgtrickle.refresh_stream_table('{table}')");
            self.client
                .batch_execute(&refresh)
                .unwrap_or_else(|e| panic!("refreshing {table} after {batch}: {}", describe(&e)));
            let done = last_refresh(&mut self.client, table);
            match (done.action.as_str(), done.status.as_str()) {
                ("DIFFERENTIAL", "COMPLETED") => differential += 1,
                ("NO_DATA", "COMPLETED") => {}
                _ => panic!("{table} after {batch}: {done:?}"),
            }
            law(&mut self.client, table);
        }
        assert!(differential > 0, "nothing was refreshed after {batch}");
    }

    /// The rows of a query as text.
    #[track_caller]
    pub fn rows(&mut self, query: &str) -> Vec<String> {
        let sql = format!("SELECT the_row::text FROM ({query}) AS the_row ORDER BY 1");
        self.client
            .query(&sql, &[])
            .unwrap_or_else(|error| panic!("{query}: {}", describe(&error)))
            .iter()
            .map(|row| row.get(0))
            .collect()
    }

    /// SQLSTATE and message with which a statement fails.
    #[track_caller]
    pub fn fails(&mut self, sql: &str) -> (String, String) {
        let error = self
            .client
            .batch_execute(sql)
            .expect_err(&format!("must fail: {sql}"));
        match error.as_db_error() {
            Some(db) => (db.code().code().to_owned(), db.message().to_owned()),
            None => panic!("{sql}: {error}"),
        }
    }
}

/// The call that creates a stream table.
pub fn creation(name: &str, query: &str, mode: &str) -> String {
    format!("SELECT pgtrickle.create_stream_table('{name}', $q${query}$q$, '1h', '{mode}')")
}

#[track_caller]
pub fn run(client: &mut Client, sql: &str) {
    client
        .batch_execute(sql)
        .unwrap_or_else(|error| panic!("{sql}: {}", describe(&error)));
}
