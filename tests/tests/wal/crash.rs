//! Processes and servers that are killed.

use crate::support::{TABLES, in_background, run, until_blocked};
use crate::{create, setup_on};
use harness::crash::{STOPPING, kill_stopped, reconnect, recovered};
use harness::{Server, law, refresh};

/// A refresh that has drained and stops before it is done; its backend is killed, and then the
/// postmaster, with asynchronous commits under way. Nothing is lost, and nothing twice.
#[test]
fn killed() {
    let server = Server::private("walcrash", "");
    let (db, mut client) = setup_on(&server);
    run(&mut client, STOPPING);
    create(
        &mut client,
        "slow",
        "SELECT kind, sum(stopping(amount)) AS s FROM item GROUP BY kind",
    );
    let all = || TABLES.into_iter().chain(["slow"]);
    run(
        &mut client,
        "UPDATE item SET amount = amount + 1, kind = 'k2' WHERE id < 20",
    );
    run(&mut client, "SELECT pg_advisory_lock(1)");
    let refreshing = in_background(&db, "SELECT pgtrickle.refresh_stream_table('slow')");
    until_blocked(&mut client);
    kill_stopped(&mut client);
    assert!(refreshing.join().expect("the thread ends").is_err());
    let mut client = recovered(&db, client);
    for name in all() {
        refresh(&mut client, name, "DIFFERENTIAL");
    }
    for round in 0..4 {
        // Some of it will be lost with the server, and the refreshes with it.
        run(&mut client, "SET synchronous_commit = off");
        for i in 0..20 {
            let id = 5000 + round * 100 + i;
            run(
                &mut client,
                &format!("INSERT INTO item VALUES ({id}, 'k{}', {id}, '')", i % 5),
            );
            if i % 3 == round % 3 {
                run(
                    &mut client,
                    "SELECT pgtrickle.refresh_stream_table('large')",
                );
            }
        }
        let mut writer = db.connect();
        run(&mut writer, "BEGIN; DELETE FROM item WHERE id % 2 = 0");
        match round % 2 {
            0 => server.stop("immediate").expect("stopped"),
            _ => server.kill().expect("killed"),
        }
        server.start().expect("started");
        client = reconnect(&db);
        run(
            &mut client,
            "UPDATE item SET amount = amount + 1, kind = 'k' || (id + 1) % 5",
        );
        for name in all() {
            run(
                &mut client,
                &format!("SELECT pgtrickle.refresh_stream_table('{name}')"),
            );
            let action = harness::last_refresh(&mut client, name).action;
            assert!(
                ["DIFFERENTIAL", "NO_DATA"].contains(&action.as_str()),
                "{name}: {action}"
            );
            law(&mut client, name);
        }
    }
}
