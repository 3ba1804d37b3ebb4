//! Sources that are captured from the WAL.

#[allow(dead_code)]
#[path = "time/support.rs"]
mod support;

#[path = "wal/changes.rs"]
mod changes;
#[path = "wal/crash.rs"]
mod crash;
#[path = "wal/ddl.rs"]
mod ddl;
#[path = "wal/lost.rs"]
mod lost;
#[path = "wal/random.rs"]
mod random;
#[path = "wal/refused.rs"]
mod refused;
#[path = "wal/schedule.rs"]
mod schedule;
#[path = "wal/soak.rs"]
mod soak;
#[path = "wal/values.rs"]
mod values;
#[path = "wal/ways.rs"]
mod ways;

use harness::{Database, Server};
use postgres::Client;
use support::{SCHEMA, run};

const IDENTITY: &str =
    "ALTER TABLE item REPLICA IDENTITY FULL; ALTER TABLE kind REPLICA IDENTITY FULL";

/// The stream tables of [`support::create_all`], their sources captured from the WAL.
fn setup() -> (Database, Client) {
    setup_on(Server::shared())
}

fn setup_on(server: &Server) -> (Database, Client) {
    let db = Database::on(server);
    let mut client = db.connect();
    run(&mut client, SCHEMA);
    run(&mut client, IDENTITY);
    for (name, query) in [
        ("large", "SELECT kind, amount FROM item WHERE amount > 20"),
        (
            "totals",
            "SELECT k.label, sum(i.amount) AS total, count(*) AS n
             FROM item i JOIN kind k ON k.kind = i.kind GROUP BY k.label",
        ),
        ("kinds", "SELECT DISTINCT kind FROM item"),
    ] {
        create(&mut client, name, query);
    }
    (db, client)
}

#[track_caller]
fn create(client: &mut Client, name: &str, query: &str) {
    run(
        client,
        &format!(
            "SELECT pgtrickle.create_stream_table('{name}', $q${query}$q$, '1h', 'DIFFERENTIAL', \
             cdc_mode => 'wal')"
        ),
    );
}

/// The slot of the database.
fn slot(client: &mut Client) -> String {
    let row = client.query_one(
        "SELECT 'pg_trickle_' || oid FROM pg_database WHERE datname = current_database()",
        &[],
    );
    row.expect("the database").get(0)
}
