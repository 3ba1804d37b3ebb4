//! The functions to look with: on an empty installation, and with stream tables; names, arguments
//! and comments.

#[path = "looking/graph.rs"]
mod graph;
#[path = "looking/health.rs"]
mod health;
#[path = "looking/history.rs"]
mod history;
#[path = "looking/metrics.rs"]
mod metrics;
#[path = "looking/staleness.rs"]
mod staleness;
#[path = "looking/telling.rs"]
mod telling;

use harness::law::describe;
use harness::{Database, refresh};
use postgres::Client;

/// Functions without arguments that return rows, and the views.
const TABLES: &[(&str, &str)] = &[
    (
        "pgt_status()",
        "name, status, refresh_mode, is_populated, consecutive_errors, schedule, data_timestamp, staleness, scc_id",
    ),
    (
        "refresh_timeline()",
        "start_time, stream_table, action, status, rows_inserted, rows_deleted, duration_ms, error_message",
    ),
    (
        "st_refresh_stats()",
        "pgt_name, pgt_schema, status, refresh_mode, is_populated, total_refreshes, successful_refreshes, failed_refreshes, total_rows_inserted, total_rows_deleted, avg_duration_ms, last_refresh_action, last_refresh_status, last_refresh_at, staleness_secs, stale",
    ),
    (
        "dependency_tree()",
        "tree_line, node, node_type, depth, status, refresh_mode",
    ),
    ("health_check()", "check_name, severity, detail"),
    (
        "change_buffer_sizes()",
        "stream_table, source_table, source_oid, cdc_mode, pending_rows, buffer_bytes",
    ),
    (
        "trigger_inventory()",
        "source_table, source_oid, trigger_name, trigger_type, present, enabled",
    ),
    (
        "slot_health()",
        "slot_name, source_relid, active, retained_wal_bytes, wal_status",
    ),
    (
        "check_cdc_health()",
        "source_relid, source_table, cdc_mode, slot_name, lag_bytes, confirmed_lsn, alert",
    ),
    (
        "missing_indexes()",
        "stream_table, source_table, columns, source_bytes, create_index",
    ),
    (
        "pgt_cdc_status",
        "source_relid, source_table, cdc_mode, slot_name, buffer_table, buffer_bytes, stream_tables",
    ),
    (
        "quick_health",
        "total_stream_tables, error_tables, stale_tables, scheduler_running, status",
    ),
];

fn query(client: &mut Client, sql: &str) -> Vec<postgres::Row> {
    client
        .query(sql, &[])
        .unwrap_or_else(|error| panic!("{sql}: {}", describe(&error)))
}

fn texts(client: &mut Client, sql: &str) -> Vec<String> {
    query(client, sql).iter().map(|row| row.get(0)).collect()
}

fn run(client: &mut Client, sql: &str) {
    client
        .batch_execute(sql)
        .unwrap_or_else(|error| panic!("{sql}: {}", describe(&error)));
}

fn two_stream_tables(client: &mut Client) {
    client
        .batch_execute(
            "CREATE TABLE customers (id int PRIMARY KEY, region text NOT NULL);
             CREATE TABLE orders (id int PRIMARY KEY, customer int NOT NULL, amount numeric);
             INSERT INTO customers SELECT i, 'r' || i % 3 FROM generate_series(1, 10) i;
             INSERT INTO orders SELECT i, i % 10 + 1, i FROM generate_series(1, 100) i;
             SELECT pgtrickle.create_stream_table('by_region', 'SELECT region, sum(amount) AS total
                 FROM orders JOIN customers c ON c.id = customer GROUP BY region', '1m');
             SELECT pgtrickle.create_stream_table('rich',
                 'SELECT region FROM by_region WHERE total > 10', '1m')",
        )
        .unwrap_or_else(|error| panic!("{}", describe(&error)));
}

#[test]
fn an_empty_installation() {
    let db = Database::new();
    let mut client = db.connect();
    for (table, columns) in TABLES {
        let rows = query(
            &mut client,
            &format!("SELECT {columns} FROM pgtrickle.{table}"),
        );
        let expected = match *table {
            "health_check()" => 13,
            "quick_health" => 1,
            _ => 0,
        };
        assert_eq!(rows.len(), expected, "{table}");
        let statement = client
            .prepare(&format!("SELECT * FROM pgtrickle.{table}"))
            .expect("it can be prepared");
        let names: Vec<&str> = statement.columns().iter().map(|c| c.name()).collect();
        assert_eq!(names.join(", "), *columns, "{table}");
    }
    for view in ["stream_tables_info", "pg_stat_stream_tables"] {
        assert!(query(&mut client, &format!("SELECT * FROM pgtrickle.{view}")).is_empty());
    }
    assert_eq!(
        texts(&mut client, "SELECT status FROM pgtrickle.quick_health"),
        ["EMPTY"]
    );
    let unwell = texts(
        &mut client,
        "SELECT check_name FROM pgtrickle.health_check() WHERE severity <> 'OK'",
    );
    assert_eq!(unwell, Vec::<String>::new());
}

/// Whatever can be called without naming a stream table can be called; what names one says that there
/// is none.
#[test]
fn everything_can_be_called_on_an_empty_installation() {
    let db = Database::new();
    let mut client = db.connect();
    let functions = query(
        &mut client,
        "SELECT proname::text, coalesce((SELECT string_agg(format('NULL::%s', t::regtype), ', ')
             FROM unnest(proargtypes[0:pronargs - pronargdefaults - 1]) AS t), ''),
             coalesce(proargnames[1], '') = 'name' AND pronargs > 0
         FROM pg_proc WHERE pronamespace = 'pgtrickle'::regnamespace AND proname NOT LIKE '\\_%'
         AND prorettype NOT IN ('trigger'::regtype, 'event_trigger'::regtype)
         AND NOT prosrc LIKE 'pgt\\_%'",
    );
    assert!(functions.len() >= 25, "{}", functions.len());
    for row in functions {
        let (name, nulls, names_one): (String, String, bool) = (row.get(0), row.get(1), row.get(2));
        if name.contains("create_") {
            continue;
        }
        let arguments = if names_one {
            "'nobody'".to_owned()
        } else {
            nulls
        };
        let outcome = client.query(&format!("SELECT * FROM pgtrickle.{name}({arguments})"), &[]);
        match outcome {
            Ok(_) => assert!(!names_one, "{name} knows nobody"),
            Err(error) => {
                let error = describe(&error);
                assert!(
                    names_one && error.contains("\"nobody\" does not exist"),
                    "{name}: {error}"
                );
            }
        }
    }
}

#[test]
fn two_stream_tables_are_seen() {
    let db = Database::new();
    let mut client = db.connect();
    two_stream_tables(&mut client);
    assert_eq!(
        texts(
            &mut client,
            "SELECT tree_line FROM pgtrickle.dependency_tree()"
        ),
        [
            "public.rich",
            "`-- public.by_region",
            "    |-- public.customers [src]",
            "    `-- public.orders [src]"
        ]
    );
    assert_eq!(
        texts(
            &mut client,
            "SELECT concat_ws(' ', name, status, refresh_mode, is_populated, consecutive_errors, schedule, staleness < '1 minute') FROM pgtrickle.pgt_status()"
        ),
        [
            "public.by_region ACTIVE AUTO t 0 1m t",
            "public.rich ACTIVE AUTO t 0 1m t"
        ]
    );
    assert_eq!(
        texts(
            &mut client,
            "SELECT concat_ws(' ', source_table, source_type, cdc_mode, columns_used) FROM pgtrickle.list_sources('by_region')"
        ),
        [
            "public.customers TABLE trigger {id,region}",
            "public.orders TABLE trigger {customer,amount}"
        ]
    );
    assert_eq!(
        texts(
            &mut client,
            "SELECT concat_ws(' ', source_table, source_type, cdc_mode) FROM pgtrickle.list_sources('rich')"
        ),
        ["public.by_region STREAM_TABLE refresh"]
    );
    assert_eq!(
        texts(
            &mut client,
            "SELECT concat_ws(' ', source_table, trigger_name, present, enabled) FROM pgtrickle.trigger_inventory()"
        ),
        [
            "public.customers pgt_capture_row t t",
            "public.customers pgt_capture_truncate t t",
            "public.orders pgt_capture_row t t",
            "public.orders pgt_capture_truncate t t"
        ]
    );
    client
        .batch_execute("UPDATE orders SET amount = amount + 1 WHERE id <= 2")
        .expect("an update");
    let pending = "SELECT concat_ws(' ', stream_table, source_table, pending_rows) FROM pgtrickle.change_buffer_sizes()";
    assert_eq!(
        texts(&mut client, pending),
        [
            "public.by_region public.customers 0",
            "public.by_region public.orders 4",
            "public.rich public.by_region 0"
        ]
    );
    refresh(&mut client, "by_region", "DIFFERENTIAL");
    assert_eq!(
        texts(&mut client, pending)[1],
        "public.by_region public.orders 0"
    );
    assert_eq!(
        texts(
            &mut client,
            "SELECT concat_ws(' ', action, status, delta_rows, initiated_by) FROM pgtrickle.get_refresh_history('by_region')"
        ),
        [
            "DIFFERENTIAL COMPLETED 4 MANUAL",
            "FULL COMPLETED 0 INITIAL"
        ]
    );
    assert_eq!(
        texts(
            &mut client,
            "SELECT concat_ws(' ', stream_table, action) FROM pgtrickle.refresh_timeline(1)"
        ),
        ["public.by_region DIFFERENTIAL"]
    );
    assert_eq!(
        texts(
            &mut client,
            "SELECT concat_ws(' ', pgt_name, total_refreshes, successful_refreshes, failed_refreshes, last_refresh_action, stale) FROM pgtrickle.st_refresh_stats()"
        ),
        ["by_region 2 2 0 DIFFERENTIAL f", "rich 1 1 0 FULL f"]
    );
    let seconds: f64 = query(&mut client, "SELECT pgtrickle.get_staleness('rich')")[0].get(0);
    assert!((0.0..60.0).contains(&seconds), "{seconds}");
    let properties = texts(
        &mut client,
        "SELECT property FROM pgtrickle.explain_st('by_region')",
    );
    assert_eq!(properties.len(), 21, "{properties:?}");
    assert_eq!(
        texts(
            &mut client,
            "SELECT value FROM pgtrickle.explain_st('by_region') WHERE property IN ('incremental', 'sources')"
        ),
        ["yes", "public.customers, public.orders"]
    );
}

#[test]
fn where_auto_turns_to_full() {
    let db = Database::new();
    let mut client = db.connect();
    two_stream_tables(&mut client);
    let mut threshold = |name: &str| -> Option<f64> {
        run(
            &mut client,
            "ANALYZE orders, customers;
             UPDATE orders SET amount = amount + 1 WHERE id <= 2;
             SELECT pgtrickle.refresh_stream_table('by_region')",
        );
        query(
            &mut client,
            &format!("SELECT pgtrickle.st_auto_threshold('{name}')"),
        )[0]
        .get(0)
    };
    // From the first fill, and a refresh by the changes.
    let part = threshold("by_region").expect("both are in the history");
    assert!(part > 0.0 && part <= 1.0, "{part}");
    assert_eq!(threshold("rich"), None);
}

#[test]
fn reasons_have_codes_and_places() {
    let db = Database::new();
    let mut client = db.connect();
    two_stream_tables(&mut client);
    let none = query(
        &mut client,
        "SELECT * FROM pgtrickle.validate_query('SELECT region, count(*) FROM customers GROUP BY region')",
    );
    assert!(none.is_empty(), "{none:?}");
    // All at once, where they are.
    let reasons = texts(
        &mut client,
        "SELECT concat_ws(' ', code, severity, line, col) FROM pgtrickle.validate_query(
            E'SELECT id, random() AS x\nFROM customers\nORDER BY id LIMIT (SELECT 3)') ORDER BY line",
    );
    assert_eq!(reasons.len(), 2, "{reasons:?}");
    assert_eq!(reasons[0], "PGT0121 NOT INCREMENTAL 1 12");
    assert!(
        reasons[1].starts_with("PGT0111 NOT INCREMENTAL 3 "),
        "{reasons:?}"
    );
    let refused = texts(
        &mut client,
        "SELECT code FROM pgtrickle.validate_query('DELETE FROM customers')",
    );
    assert_eq!(refused, ["PGT0001"]);

    assert_eq!(
        texts(
            &mut client,
            "SELECT concat_ws(' ', configured_mode, effective_mode, code) FROM pgtrickle.explain_refresh_mode('rich')"
        ),
        ["AUTO DIFFERENTIAL or FULL, by cost"]
    );
    client
        .batch_execute("SELECT pgtrickle.create_stream_table('lucky', 'SELECT id, random() AS x FROM customers')")
        .expect("AUTO takes it");
    assert_eq!(
        texts(
            &mut client,
            "SELECT concat_ws(' ', configured_mode, effective_mode, code, fragment) FROM pgtrickle.explain_refresh_mode('lucky')"
        ),
        ["AUTO FULL PGT0121 random"]
    );
}

#[test]
fn delta_programs_are_shown() {
    let db = Database::new();
    let mut client = db.connect();
    two_stream_tables(&mut client);
    for format in ["text", "json", "sql", "dot", "svg"] {
        let shown = texts(
            &mut client,
            &format!("SELECT pgtrickle.explain_delta('by_region', '{format}')"),
        );
        assert!(shown[0].len() > 200, "{format}: {}", shown[0]);
    }
    // All of its sources, as long as no changes wait; else those that have some.
    let both = texts(&mut client, "SELECT pgtrickle.explain_delta('by_region')");
    client
        .batch_execute("UPDATE orders SET amount = 7 WHERE id = 1")
        .expect("an update");
    let one = texts(&mut client, "SELECT pgtrickle.explain_delta('by_region')");
    assert_ne!(both, one);
    let wrong = client
        .query("SELECT pgtrickle.explain_delta('by_region', 'poem')", &[])
        .expect_err("no such format");
    assert!(
        describe(&wrong).contains("invalid value for format"),
        "{}",
        describe(&wrong)
    );
    client
        .batch_execute("SELECT pgtrickle.create_stream_table('lucky', 'SELECT id, random() AS x FROM customers')")
        .expect("AUTO takes it");
    let reasons = texts(&mut client, "SELECT pgtrickle.explain_delta('lucky')");
    assert!(reasons[0].contains("PGT0121"), "{}", reasons[0]);
}

/// Everything that users can see says what it is.
#[test]
fn everything_has_a_comment() {
    let db = Database::new();
    let mut client = db.connect();
    let silent = texts(
        &mut client,
        "SELECT p.oid::regprocedure::text FROM pg_proc p
         WHERE p.pronamespace = 'pgtrickle'::regnamespace AND obj_description(p.oid, 'pg_proc') IS NULL
         UNION ALL
         SELECT c.oid::regclass::text FROM pg_class c
         WHERE c.relnamespace = 'pgtrickle'::regnamespace AND c.relkind IN ('r', 'v')
         AND obj_description(c.oid, 'pg_class') IS NULL ORDER BY 1",
    );
    assert_eq!(silent, Vec::<String>::new());
}

/// The interface that scripts know: names of arguments and results of the functions that exist.
#[test]
fn names_are_what_scripts_know() {
    let db = Database::new();
    let mut client = db.connect();
    let create = "name, query, schedule, refresh_mode, initialize, diamond_consistency, diamond_schedule_policy, cdc_mode, append_only, pooler_compatibility_mode";
    let expected = [
        ("create_stream_table", create),
        ("create_stream_table_if_not_exists", create),
        ("create_or_replace_stream_table", create),
        (
            "alter_stream_table",
            "name, query, schedule, refresh_mode, status, diamond_consistency, diamond_schedule_policy, cdc_mode, append_only, pooler_compatibility_mode, tier",
        ),
        ("drop_stream_table", "name, cascade"),
        ("refresh_stream_table", "name"),
        ("resume_stream_table", "name"),
        ("version", ""),
        ("get_refresh_history", "name, max_rows"),
        ("refresh_timeline", "max_rows"),
        ("get_staleness", "name"),
        ("explain_st", "name"),
        ("explain_delta", "name, format"),
        ("explain_refresh_mode", "name"),
        ("validate_query", "query"),
        ("list_sources", "name"),
        ("verify", "name"),
        ("pgt_status", ""),
        ("st_refresh_stats", ""),
        ("dependency_tree", ""),
        ("health_check", ""),
        ("change_buffer_sizes", ""),
        ("trigger_inventory", ""),
        ("st_auto_threshold", "name"),
        ("slot_health", ""),
        ("check_cdc_health", ""),
        ("rebuild_cdc_triggers", ""),
    ];
    let mut seen = 0;
    for (name, arguments) in expected {
        let found = client
            .query(
                "SELECT array_to_string((proargnames)[1:pronargs], ', ') FROM pg_proc
                 WHERE pronamespace = 'pgtrickle'::regnamespace AND proname = $1",
                &[&name],
            )
            .expect("the catalog");
        for row in &found {
            let actual: Option<String> = row.get(0);
            assert_eq!(actual.unwrap_or_default(), arguments, "{name}");
            seen += 1;
        }
    }
    assert!(seen >= 18, "only {seen} of them exist");
}
