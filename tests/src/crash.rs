//! Backends that are killed in the middle of something, and servers that recover.

use crate::Database;
use postgres::Client;
use std::time::{Duration, Instant};

/// A function that waits, wherever it is evaluated, while somebody holds the advisory lock 1.
pub const STOPPING: &str = "CREATE FUNCTION stopping(x numeric) RETURNS numeric LANGUAGE plpgsql IMMUTABLE AS $$
    BEGIN PERFORM pg_advisory_lock_shared(1); PERFORM pg_advisory_unlock_shared(1); RETURN x; END $$";

const LIMIT: Duration = Duration::from_secs(60);

/// Kills the backend of the database that waits in [`STOPPING`].
pub fn kill_stopped(client: &mut Client) {
    let pid: i32 = client
        .query_one(
            "SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND wait_event = 'advisory'",
            &[],
        )
        .expect("who waits")
        .get(0);
    let killed = std::process::Command::new("kill")
        .args(["-9", &pid.to_string()])
        .status();
    assert!(killed.expect("kill runs").success());
}

/// The connection after the server has ended all its processes, which it does not at once, and
/// recovered.
pub fn recovered(db: &Database, mut client: Client) -> Client {
    let limit = Instant::now() + LIMIT;
    while client.simple_query("").is_ok() {
        assert!(Instant::now() < limit, "the server goes on");
        std::thread::sleep(Duration::from_millis(20));
    }
    reconnect(db)
}

/// A connection, as soon as the server takes any.
pub fn reconnect(db: &Database) -> Client {
    let limit = Instant::now() + LIMIT;
    loop {
        match db.config().connect(postgres::NoTls) {
            Ok(client) => return client,
            Err(error) => {
                assert!(Instant::now() < limit, "no recovery: {error}");
                std::thread::sleep(Duration::from_millis(50));
            }
        }
    }
}
