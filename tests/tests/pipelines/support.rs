//! Servers with a scheduler, and waiting for what it does.

use harness::Server;
use harness::law::describe;
use postgres::Client;
use std::time::{Duration, Instant};

/// For a loaded machine; what is asked for takes a second or two.
pub const PATIENCE: Duration = Duration::from_secs(60);

pub fn run(client: &mut Client, sql: &str) {
    client
        .batch_execute(sql)
        .unwrap_or_else(|error| panic!("{sql}: {}", describe(&error)));
}

/// What a statement is refused with: SQLSTATE, message and hint.
#[track_caller]
pub fn refused(client: &mut Client, sql: &str) -> (String, String, String) {
    let error = client.batch_execute(sql).expect_err(sql);
    let error = error.as_db_error().expect("of the server");
    (
        error.code().code().to_owned(),
        error.message().to_owned(),
        error.hint().unwrap_or_default().to_owned(),
    )
}

#[track_caller]
pub fn number(client: &mut Client, sql: &str) -> i64 {
    client
        .query_one(sql, &[])
        .unwrap_or_else(|error| panic!("{sql}: {}", describe(&error)))
        .get(0)
}

#[track_caller]
pub fn text(client: &mut Client, sql: &str) -> String {
    client
        .query_one(sql, &[])
        .unwrap_or_else(|error| panic!("{sql}: {}", describe(&error)))
        .get(0)
}

/// The rows of a query, each as one text.
#[track_caller]
pub fn rows(client: &mut Client, sql: &str) -> Vec<String> {
    client
        .query(&format!("SELECT (r)::text FROM ({sql}) r"), &[])
        .unwrap_or_else(|error| panic!("{sql}: {}", describe(&error)))
        .iter()
        .map(|row| row.get(0))
        .collect()
}

/// Waits until a query says true.
#[track_caller]
pub fn wait(client: &mut Client, sql: &str) {
    let started = Instant::now();
    loop {
        let row = client
            .query_one(sql, &[])
            .unwrap_or_else(|error| panic!("{sql}: {}", describe(&error)));
        if row.get::<_, Option<bool>>(0) == Some(true) {
            return;
        }
        if started.elapsed() > PATIENCE {
            let seen = rows(
                client,
                "SELECT h FROM pgtrickle.pgt_refresh_history h ORDER BY refresh_id DESC LIMIT 10",
            );
            panic!("not in time: {sql}\nhistory:\n{}", seen.join("\n"));
        }
        std::thread::sleep(Duration::from_millis(50));
    }
}

pub fn enabled(name: &str, settings: &str) -> impl std::ops::Deref<Target = Server> {
    Server::private(name, &format!("pg_trickle.enabled = on\n{settings}"))
}
