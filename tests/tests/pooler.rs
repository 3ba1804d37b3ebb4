//! PgBouncer between clients and the server, pooling transactions: no call leaves anything behind in
//! a session, nor looks for anything there.

#[path = "time/support.rs"]
#[allow(dead_code)]
mod support;

use harness::law::describe;
use harness::{Database, Pooler, Server, law};
use postgres::fallible_iterator::FallibleIterator;
use postgres::types::Type;
use postgres::{Client, SimpleQueryMessage};
use std::collections::BTreeSet;
use std::time::{Duration, Instant};
use support::{count, fails, run};

/// The first value of what a statement returns; by the simple protocol.
#[track_caller]
fn value(client: &mut Client, sql: &str) -> String {
    let messages = client
        .simple_query(sql)
        .unwrap_or_else(|error| panic!("{sql}: {}", describe(&error)));
    let rows = messages.iter().filter_map(|message| match message {
        SimpleQueryMessage::Row(row) => Some(row.get(0).unwrap_or_default().to_owned()),
        _ => None,
    });
    rows.last().unwrap_or_default()
}

/// Clients that take turns, over two connections that do, too.
struct Clients {
    _pooler: Pooler,
    all: Vec<Client>,
    next: usize,
}

impl Clients {
    fn new(db: &Database) -> Clients {
        let pooler = Pooler::before(db.server(), 2);
        let mut all: Vec<Client> = (0..3).map(|_| pooler.connect(db.name())).collect();
        // Both connections are opened when both are asked for.
        all[..2].iter_mut().for_each(|c| run(c, "BEGIN"));
        all[..2].iter_mut().for_each(|c| run(c, "COMMIT"));
        Clients {
            _pooler: pooler,
            all,
            next: 0,
        }
    }

    #[track_caller]
    fn run(&mut self, sql: &str) -> String {
        self.next = (self.next + 1) % self.all.len();
        value(&mut self.all[self.next], sql)
    }
}

/// What a session has beyond its transactions.
const STATE: &str = "SELECT concat_ws('; ',
    (SELECT string_agg(name, ', ') FROM pg_prepared_statements),
    (SELECT string_agg(c, ', ') FROM pg_listening_channels() c),
    (SELECT string_agg(mode, ', ') FROM pg_locks WHERE locktype = 'advisory' AND pid = pg_backend_pid()),
    (SELECT string_agg(relname, ', ') FROM pg_class WHERE relnamespace = pg_my_temp_schema()),
    (SELECT string_agg(name || ' = ' || setting, ', ' ORDER BY name) FROM pg_settings
        WHERE source = 'session' AND name <> 'application_name'),
    current_user, session_user)";

const SCHEMA: &str = "
    CREATE TABLE kind (kind text PRIMARY KEY, label text NOT NULL);
    CREATE TABLE item (id int PRIMARY KEY, kind text, amount numeric(12,2));
    CREATE TABLE entry (id int PRIMARY KEY, kind text, amount int);
    INSERT INTO kind SELECT 'k' || i, 'label ' || i FROM generate_series(0, 4) i;
    INSERT INTO item SELECT i, 'k' || i % 5, i FROM generate_series(1, 50) i;
    INSERT INTO entry SELECT i, 'k' || i % 5, i FROM generate_series(1, 50) i;";

/// Every function, and what makes it do something.
const CALLS: &str = "
    SELECT pgtrickle.version();
    SELECT pgtrickle.parse_duration_seconds('1h30m');
    SELECT * FROM pgtrickle.validate_query('SELECT random() FROM item');
    SELECT pgtrickle.create_stream_table('totals', 'SELECT k.label, sum(i.amount) AS total, count(*) AS n FROM item i JOIN kind k ON k.kind = i.kind GROUP BY k.label', '1s', 'DIFFERENTIAL');
    SELECT pgtrickle.create_stream_table('large', 'SELECT label, total FROM totals WHERE total > 100', '1s');
    SELECT pgtrickle.create_stream_table('listed', 'SELECT id, amount FROM item', '1s', 'FULL');
    SELECT pgtrickle.create_stream_table('held', 'SELECT kind, count(*) AS n, max(amount) AS high FROM entry GROUP BY kind', refresh_mode => 'IMMEDIATE');
    SELECT pgtrickle.create_stream_table('pairs', 'SELECT a.id AS a, b.id AS b FROM entry a JOIN entry b ON a.kind = b.kind AND a.amount < b.amount', refresh_mode => 'IMMEDIATE', pooler_compatibility_mode => true);
    SELECT pgtrickle.create_stream_table('log', 'SELECT id, amount FROM entry', '1s', 'DIFFERENTIAL', append_only => true);
    SELECT pgtrickle.create_stream_table('later', 'SELECT kind FROM kind', initialize => false);
    SELECT pgtrickle.create_stream_table_if_not_exists('later', 'SELECT kind FROM kind');
    SELECT pgtrickle.create_or_replace_stream_table('later', 'SELECT kind, label FROM kind', '1s');
    INSERT INTO entry VALUES (100, 'k1', 100);
    SELECT pgtrickle.refresh_stream_table('log');
    SELECT pgtrickle.alter_stream_table('log', append_only => false);
    UPDATE entry SET amount = amount + 1 WHERE id < 10;
    DELETE FROM entry WHERE id = 20;
    INSERT INTO item VALUES (100, 'k1', 1000);
    UPDATE kind SET label = 'first' WHERE kind = 'k1';
    SELECT pgtrickle.explain_delta('large');
    SELECT pgtrickle.explain_delta('totals', 'json');
    SELECT pgtrickle.refresh_stream_table('large');
    SELECT pgtrickle.refresh_stream_table('listed');
    SELECT pgtrickle.alter_stream_table('large', 'SELECT label, total FROM totals WHERE total > 50');
    SELECT pgtrickle.alter_stream_table('large', schedule => '2s', tier => 'warm');
    SELECT pgtrickle.alter_stream_table('large', status => 'SUSPENDED');
    SELECT pgtrickle.resume_stream_table('large');
    SELECT pgtrickle.alter_stream_table('held', refresh_mode => 'DIFFERENTIAL');
    DELETE FROM entry WHERE id = 21;
    SELECT pgtrickle.alter_stream_table('held', refresh_mode => 'IMMEDIATE');
    SELECT pgtrickle.alter_stream_table('pairs', pooler_compatibility_mode => false);
    DELETE FROM entry WHERE id = 22;
    SELECT * FROM pgtrickle.pgt_status();
    SELECT * FROM pgtrickle.get_refresh_history('large');
    SELECT * FROM pgtrickle.refresh_timeline();
    SELECT * FROM pgtrickle.st_refresh_stats();
    SELECT pgtrickle.get_staleness('large');
    SELECT pgtrickle.st_auto_threshold('large');
    SELECT * FROM pgtrickle.explain_st('held');
    SELECT * FROM pgtrickle.explain_refresh_mode('listed');
    SELECT * FROM pgtrickle.list_sources('totals');
    SELECT * FROM pgtrickle.dependency_tree();
    SELECT pgtrickle.dependency_graph();
    SELECT * FROM pgtrickle.health_check();
    SELECT * FROM pgtrickle.missing_indexes();
    SELECT * FROM pgtrickle.change_buffer_sizes();
    SELECT * FROM pgtrickle.trigger_inventory();
    SELECT pgtrickle.rebuild_cdc_triggers();
    SELECT * FROM pgtrickle.slot_health();
    SELECT * FROM pgtrickle.check_cdc_health();
    SELECT * FROM pgtrickle.worker_pool_status();
    SELECT * FROM pgtrickle.parallel_job_status();
    SELECT * FROM pgtrickle.diamond_groups();
    SELECT * FROM pgtrickle.pgt_scc_status();
    SELECT pgtrickle.gate_source('item');
    SELECT * FROM pgtrickle.source_gates();
    SELECT * FROM pgtrickle.bootstrap_gate_status();
    SELECT pgtrickle.ungate_source('item');
    SELECT pgtrickle.advance_watermark('item', '2026-01-01 10:05:00Z');
    SELECT * FROM pgtrickle.watermarks();
    SELECT pgtrickle.create_watermark_group('load', ARRAY['item', 'kind'], 60);
    SELECT * FROM pgtrickle.watermark_groups();
    SELECT * FROM pgtrickle.watermark_status();
    SELECT pgtrickle.drop_watermark_group('load');
    SELECT pgtrickle.create_refresh_group('both', ARRAY['log', 'listed']);
    SELECT * FROM pgtrickle.refresh_groups();
    SELECT pgtrickle.drop_refresh_group('both');
    INSERT INTO item VALUES (101, 'k2', 7);
    CALL pgtrickle.run_due();
    SELECT * FROM pgtrickle.verify('totals');
    SELECT pgtrickle.restore_stream_tables();
    SELECT * FROM pgtrickle.quick_health;
    SELECT pgtrickle.drop_stream_table('later');
    SELECT pgtrickle.drop_stream_table('totals', true);
    SELECT pgtrickle.create_stream_table('totals', 'SELECT kind, sum(amount) AS total FROM item GROUP BY kind', '1s');
    TRUNCATE item;
    SELECT pgtrickle.refresh_stream_table('totals');
    INSERT INTO item VALUES (1, 'k1', 1)";

#[test]
fn trap_pooler() {
    let db = Database::new();
    let mut direct = db.connect();
    let mut clients = Clients::new(&db);
    run(&mut direct, SCHEMA);
    let clean = clients.run(STATE);
    let mut sessions = BTreeSet::new();
    for call in CALLS.split(";\n").map(str::trim) {
        clients.run(call);
        // Of both connections.
        for _ in 0..2 {
            assert_eq!(clients.run(STATE), clean, "{call}");
            sessions.insert(clients.run("SELECT pg_backend_pid()"));
        }
    }
    assert_eq!(sessions.len(), 2, "{sessions:?}");
    let functions = direct
        .query(
            "SELECT proname::text FROM pg_proc WHERE pronamespace = 'pgtrickle'::regnamespace
             AND proname NOT LIKE '\\_%' AND prorettype NOT IN ('trigger'::regtype, 'event_trigger'::regtype)
             AND proname NOT IN ('image_hash', 'row_image')",
            &[],
        )
        .expect("the functions");
    for name in functions.iter().map(|row| row.get::<_, String>(0)) {
        assert!(CALLS.contains(&format!("pgtrickle.{name}(")), "{name}");
    }
    for name in ["totals", "log", "listed"] {
        clients.run(&format!("SELECT pgtrickle.refresh_stream_table('{name}')"));
    }
    for name in ["totals", "log", "listed", "held", "pairs"] {
        law(&mut direct, name);
    }
}

/// Transactions of clients that share the connections, in each other's midst.
#[test]
fn trap_pooler_interleaved() {
    let db = Database::new();
    let mut direct = db.connect();
    run(&mut direct, SCHEMA);
    for (name, query, mode) in [
        (
            "totals",
            "SELECT kind, sum(amount) AS total FROM item GROUP BY kind",
            "DIFFERENTIAL",
        ),
        (
            "high",
            "SELECT kind, total FROM totals WHERE total > 200",
            "DIFFERENTIAL",
        ),
        (
            "held",
            "SELECT kind, count(*) AS n, sum(amount) AS s FROM entry GROUP BY kind",
            "IMMEDIATE",
        ),
        (
            "pairs",
            "SELECT a.id AS a, b.id AS b FROM entry a JOIN entry b ON a.kind = b.kind AND a.amount < b.amount",
            "IMMEDIATE",
        ),
    ] {
        support::create(&mut direct, name, query, mode);
    }
    let pooler = Pooler::before(db.server(), 2);
    // By hand: a savepoint and a refresh of own changes, between others' statements.
    let [mut a, mut b] = [(); 2].map(|()| pooler.connect(db.name()));
    run(&mut a, "BEGIN");
    run(&mut a, "UPDATE item SET amount = amount + 1 WHERE id < 10");
    run(&mut b, "INSERT INTO entry VALUES (200, 'k0', 3)");
    run(&mut a, "SELECT pgtrickle.refresh_stream_table('high')");
    run(&mut b, "UPDATE item SET kind = 'k3' WHERE id = 40");
    run(&mut a, "SAVEPOINT s");
    run(&mut a, "DELETE FROM item WHERE id < 5");
    run(&mut a, "SELECT pgtrickle.refresh_stream_table('high')");
    run(&mut b, "DELETE FROM entry WHERE id = 3");
    run(&mut a, "ROLLBACK TO s");
    run(&mut a, "DELETE FROM item WHERE id = 6");
    run(&mut a, "COMMIT");
    run(&mut b, "SELECT pgtrickle.refresh_stream_table('high')");
    for name in ["totals", "high", "held", "pairs"] {
        law(&mut direct, name);
    }
    // And a crowd.
    let until = Instant::now() + Duration::from_secs(5);
    let crowd: Vec<_> = (0..6)
        .map(|n| {
            let mut client = pooler.connect(db.name());
            std::thread::spawn(move || write(&mut client, n, until))
        })
        .collect();
    let done: Vec<u32> = crowd.into_iter().map(|c| c.join().expect("ends")).collect();
    assert!(done.iter().all(|n| *n > 0), "{done:?}");
    run(&mut b, "SELECT pgtrickle.refresh_stream_table('high')");
    for name in ["totals", "high", "held", "pairs"] {
        law(&mut direct, name);
    }
    let others = "pgtrickle.pgt_refresh_history JOIN pgtrickle.pgt_stream_tables USING (pgt_id)
         WHERE initiated_by <> 'INITIAL' AND action NOT IN ('DIFFERENTIAL', 'NO_DATA')";
    assert_eq!(count(&mut direct, others), 0);
}

/// Transactions of one client of a crowd, until the time is over; says how many.
fn write(client: &mut Client, n: u32, until: Instant) -> u32 {
    let mut done = 0;
    while Instant::now() < until {
        let (id, kind) = (n * 7 % 45 + 1 + done % 5, (n + done) % 5);
        let other = format!("of_{n}");
        let transaction: Vec<String> = match (n + done) % 6 {
            0 => vec![
                format!("UPDATE entry SET amount = amount + 1 WHERE id = {id}"),
                format!("UPDATE entry SET kind = 'k{kind}' WHERE id = {id}"),
            ],
            1 => vec![
                format!("DELETE FROM item WHERE id = {id}"),
                "SELECT pgtrickle.refresh_stream_table('totals')".into(),
                format!("INSERT INTO item VALUES ({id}, 'k{kind}', {done})"),
            ],
            2 => vec![
                format!(
                    "SELECT pgtrickle.create_stream_table('{other}', 'SELECT count(*) AS n FROM kind', '1h')"
                ),
                format!("SELECT pgtrickle.drop_stream_table('{other}')"),
            ],
            3 => vec!["SELECT pgtrickle.refresh_stream_table('high')".into()],
            4 => vec![
                format!(
                    "SELECT pgtrickle.alter_stream_table('high', schedule => '{}s')",
                    done + 1
                ),
                "SELECT * FROM pgtrickle.pgt_status()".into(),
            ],
            _ => vec![format!(
                "UPDATE item SET amount = amount + 1 WHERE kind = 'k{kind}'"
            )],
        };
        let statements = ["BEGIN".to_owned()].into_iter().chain(transaction);
        for sql in statements.chain(["COMMIT".to_owned()]) {
            if let Err(error) = client.batch_execute(&sql) {
                // Rows and stream tables locked in different orders.
                assert_eq!(
                    error.code().map(|c| c.code()),
                    Some("40P01"),
                    "{sql}: {}",
                    describe(&error)
                );
                client.batch_execute("ROLLBACK").expect("rolled back");
                break;
            }
        }
        done += 1;
    }
    done
}

/// Statements with parameters, without a name; and settings that last as long as a transaction.
#[test]
fn trap_pooler_protocol() {
    let db = Database::new();
    let mut direct = db.connect();
    let mut clients = Clients::new(&db);
    run(&mut direct, SCHEMA);
    run(
        &mut direct,
        "CREATE SCHEMA other; CREATE TABLE other.item (id int, amount numeric); INSERT INTO other.item VALUES (1, 5)",
    );
    let create = "SELECT pgtrickle.create_stream_table($1, $2, $3, $4)";
    for client in &mut clients.all {
        run(
            client,
            "BEGIN; SET LOCAL search_path = other; SET LOCAL TimeZone = 'Asia/Tokyo'",
        );
        let name = format!(
            "of_{}",
            count_typed(client, "SELECT count(*) FROM pgtrickle.pgt_stream_tables")
        );
        let query =
            "SELECT id, amount, timestamptz '2026-01-01' AS since FROM item WHERE amount > 3";
        client
            .query_typed(
                create,
                &[
                    (&name, Type::TEXT),
                    (&query, Type::TEXT),
                    (&"1h", Type::TEXT),
                    (&"DIFFERENTIAL", Type::TEXT),
                ],
            )
            .unwrap_or_else(|error| panic!("{}", describe(&error)));
        run(client, "COMMIT");
    }
    clients.run("INSERT INTO other.item VALUES (2, 7), (3, 1)");
    for n in 0..3 {
        let name = format!("other.of_{n}");
        let client = &mut clients.all[(n + 1) % 3];
        client
            .query_typed(
                "SELECT pgtrickle.refresh_stream_table($1)",
                &[(&name, Type::TEXT)],
            )
            .unwrap_or_else(|error| panic!("{}", describe(&error)));
        assert_eq!(
            harness::last_refresh(&mut direct, &name).action,
            "DIFFERENTIAL"
        );
        assert_eq!(
            count(&mut direct, &format!("pgtrickle.verify('{name}')")),
            0
        );
        // In Tokyo the day begins earlier.
        let early = format!("{name} WHERE since = '2025-12-31 15:00Z'");
        assert_eq!(count(&mut direct, &early), 2);
    }
}

fn count_typed(client: &mut Client, sql: &str) -> i64 {
    client.query_typed(sql, &[]).expect("a number")[0].get(0)
}

/// How many plans this session keeps that name a stream table; that of this question is not kept.
fn plans(client: &mut Client, name: &str) -> i64 {
    let sql = format!(
        "SELECT count(*) FROM pg_backend_memory_contexts WHERE name = 'CachedPlanSource' AND ident LIKE '%{name}%'"
    );
    value(client, &sql).parse().expect("a number")
}

/// What is not kept in sessions, whoever's they are.
#[test]
fn pooler_compatibility_mode_keeps_no_plans() {
    let db = Database::new();
    let mut client = db.connect();
    run(&mut client, SCHEMA);
    for (name, pooled) in [("kept", false), ("unkept", true)] {
        run(
            &mut client,
            &format!(
                "SELECT pgtrickle.create_stream_table('{name}_held', 'SELECT kind, count(*) AS n FROM entry GROUP BY kind',
                     refresh_mode => 'IMMEDIATE', pooler_compatibility_mode => {pooled})"
            ),
        );
    }
    let shown = |client: &mut Client, name: &str| {
        let sql = format!(
            "SELECT value FROM pgtrickle.explain_st('{name}') WHERE property = 'pooler_compatibility_mode'"
        );
        value(client, &sql)
    };
    assert_eq!(shown(&mut client, "unkept_held"), "true");
    assert_eq!(shown(&mut client, "kept_held"), "false");
    run(&mut client, "INSERT INTO entry VALUES (100, 'k1', 1)");
    assert!(plans(&mut client, ".kept_held") > 0);
    assert_eq!(plans(&mut client, ".unkept_held"), 0);
    // Both ways, also in sessions that have kept some.
    let mut other = db.connect();
    run(
        &mut other,
        "SELECT pgtrickle.alter_stream_table('kept_held', pooler_compatibility_mode => true);
         SELECT pgtrickle.alter_stream_table('unkept_held', pooler_compatibility_mode => false)",
    );
    run(
        &mut client,
        "DELETE FROM entry WHERE id < 8; UPDATE entry SET kind = 'k0' WHERE id = 9",
    );
    assert_eq!(plans(&mut client, ".kept_held"), 0);
    assert!(plans(&mut client, ".unkept_held") > 0);
    for name in ["kept_held", "unkept_held"] {
        law(&mut client, name);
    }
    assert_eq!(
        count(
            &mut client,
            "pgtrickle.pgt_refresh_history WHERE initiated_by <> 'INITIAL'"
        ),
        0
    );
}

/// Nobody can listen through a pooler: what there is to tell stands in tables.
#[test]
fn pooler_compatibility_mode_notifies_nobody() {
    let server = Server::private(
        "silent",
        "pg_trickle.enabled = on\npg_trickle.max_consecutive_errors = 1",
    );
    let db = Database::on(&server);
    let mut client = db.connect();
    let mut listener = db.connect();
    run(&mut listener, "LISTEN pg_trickle_alert");
    run(
        &mut client,
        "CREATE TABLE t (x int);
         SELECT pgtrickle.create_stream_table('silent', 'SELECT 10 / x AS y FROM t', '1s', pooler_compatibility_mode => true);
         SELECT pgtrickle.create_stream_table('told', 'SELECT 10 / x AS y FROM t', '1s');
         INSERT INTO t VALUES (1)",
    );
    let wait = |client: &mut Client, relation: &str, rows: i64| {
        let limit = Instant::now() + Duration::from_secs(60);
        while count(client, relation) != rows {
            assert!(Instant::now() < limit, "not in time: {rows} of {relation}");
            std::thread::sleep(Duration::from_millis(50));
        }
    };
    for name in ["silent", "told"] {
        wait(&mut client, name, 1);
    }
    run(&mut client, "INSERT INTO t VALUES (0)");
    wait(
        &mut client,
        "pgtrickle.pgt_alerts WHERE event = 'auto_suspended'",
        2,
    );
    let mut heard = vec![];
    let mut notifications = listener.notifications();
    let mut iter = notifications.timeout_iter(Duration::from_secs(2));
    while let Some(told) = iter.next().expect("a connection") {
        heard.push(told.payload().to_owned());
    }
    for event in ["refresh_completed", "refresh_failed", "auto_suspended"] {
        let of = |name: &str| {
            let of = |h: &&String| h.contains(event) && h.contains(name);
            heard.iter().filter(of).count()
        };
        assert_eq!(
            (of("public.silent"), of("public.told")),
            (0, 1),
            "{event}: {heard:#?}"
        );
    }
    let failed = "pgtrickle.pgt_refresh_history WHERE status = 'FAILED'";
    assert_eq!(count(&mut client, failed), 2);
    let (code, _) = fails(
        &mut client,
        "SELECT pgtrickle.refresh_stream_table('silent')",
    );
    assert_eq!(code.code(), "55000");
}
