//! Circles: stream tables that read each other hold the least fixed point of their queries.
//!
//! What that is, is found by plain SQL in another session: temporary tables of the same names hide
//! the members from their own queries, and are filled again and again, from nothing, until they come
//! to rest.

use crate::support::{enabled, number, refused, rows, run, text, wait};
use harness::history::Refresh;
use harness::{Database, last_refresh, law, refresh};
use postgres::Client;

#[path = "circles/random.rs"]
mod random;

struct Circle {
    db: Database,
    client: Client,
    oracle: Client,
    members: Vec<(&'static str, &'static str)>,
}

/// A member, the query that it is created with, and the one that it has then.
type Member = (&'static str, &'static str, &'static str);

impl Circle {
    /// The last members are created first to last with their first queries, and then get their others.
    fn new(schema: &str, members: &[Member]) -> Circle {
        Circle::on(Database::new(), schema, members)
    }

    fn on(db: Database, schema: &str, members: &[Member]) -> Circle {
        let mut client = db.connect();
        run(&mut client, schema);
        run(&mut client, "SET pg_trickle.allow_circular = on");
        for (name, first, _) in members {
            run(
                &mut client,
                &format!(
                    "SELECT pgtrickle.create_stream_table('{name}', $q${first}$q$, '1s', 'DIFFERENTIAL')"
                ),
            );
        }
        for (name, first, then) in members {
            if first != then {
                run(
                    &mut client,
                    &format!(
                        "SELECT pgtrickle.alter_stream_table('{name}', query => $q${then}$q$)"
                    ),
                );
            }
        }
        let mut oracle = db.connect();
        for (name, ..) in members {
            run(
                &mut oracle,
                &format!("CREATE TEMP TABLE {name} AS SELECT * FROM public.{name} LIMIT 0"),
            );
        }
        let members = members.iter().map(|(name, _, then)| (*name, *then));
        let mut this = Circle {
            db,
            client,
            oracle,
            members: members.collect(),
        };
        this.check("as it was closed");
        this
    }

    fn run(&mut self, sql: &str) {
        run(&mut self.client, sql);
    }

    /// The law, and the least fixed point.
    #[track_caller]
    fn check(&mut self, after: &str) {
        for (name, _) in &self.members {
            run(&mut self.oracle, &format!("DELETE FROM pg_temp.{name}"));
        }
        for round in 0.. {
            assert!(round < 200, "no fixed point: {after}");
            let mut rest = true;
            for (name, query) in &self.members {
                let size = format!("SELECT count(*) FROM pg_temp.{name}");
                let before = number(&mut self.oracle, &size);
                run(
                    &mut self.oracle,
                    &format!(
                        "CREATE TEMP TABLE found AS {query};
                         DELETE FROM pg_temp.{name};
                         INSERT INTO pg_temp.{name} SELECT * FROM found;
                         DROP TABLE found"
                    ),
                );
                rest &= number(&mut self.oracle, &size) == before;
            }
            if rest {
                break;
            }
        }
        for (name, _) in &self.members {
            law(&mut self.client, name);
            let wrong = rows(
                &mut self.oracle,
                &format!(
                    "(SELECT 'too much', * FROM public.{name} EXCEPT ALL SELECT 'too much', * FROM pg_temp.{name})
                     UNION ALL
                     (SELECT 'missing', * FROM pg_temp.{name} EXCEPT ALL SELECT 'missing', * FROM public.{name})"
                ),
            );
            assert_eq!(wrong, Vec::<String>::new(), "{name}: {after}");
        }
    }

    /// Refreshes the circle by one of its members, which is to be done by `action`.
    #[track_caller]
    fn refresh(&mut self, member: usize, action: &str) -> Refresh {
        let name = self.members[member].0;
        let done = refresh(&mut self.client, name, action);
        self.check(action);
        done
    }

    #[track_caller]
    fn after(&mut self, change: &str, action: &str) -> Refresh {
        self.run(change);
        self.refresh(0, action)
    }

    #[track_caller]
    fn actions(&mut self) -> Vec<String> {
        let each = self.members.iter();
        each.map(|(name, _)| last_refresh(&mut self.client, name).action)
            .collect()
    }

    fn rounds(&mut self) -> i64 {
        number(
            &mut self.client,
            "SELECT last_iterations::int8 FROM pgtrickle.pgt_scc_status()",
        )
    }

    fn reason(&mut self, name: &str) -> String {
        text(
            &mut self.client,
            &format!("SELECT reason FROM pgtrickle.get_refresh_history('{name}', 1)"),
        )
    }
}

const GRAPH: &str = "CREATE TABLE edge (a int NOT NULL, b int NOT NULL);
    INSERT INTO edge VALUES (1, 2), (2, 3), (3, 4)";

const REACH: [Member; 2] = [
    (
        "reach",
        "SELECT a, b FROM edge",
        "SELECT a, b FROM edge UNION SELECT a, b FROM step",
    ),
    (
        "step",
        "SELECT r.a, e.b FROM reach r JOIN edge e ON e.a = r.b",
        "SELECT r.a, e.b FROM reach r JOIN edge e ON e.a = r.b",
    ),
];

#[test]
fn more_rows_are_followed_by_the_change_alone() {
    let mut circle = Circle::new(GRAPH, &REACH);
    let done = circle.after("INSERT INTO edge VALUES (4, 5)", "DIFFERENTIAL");
    assert_eq!((done.rows_inserted, done.rows_deleted), (4, 0));
    assert_eq!(circle.actions(), ["DIFFERENTIAL", "DIFFERENTIAL"]);
    assert!((2..=4).contains(&circle.rounds()), "{}", circle.rounds());
    assert!(circle.reason("step").contains("a circle, in "));
    // A cycle in the data, a chain that comes at once, what comes and goes, and nothing.
    circle.after("INSERT INTO edge VALUES (5, 1)", "DIFFERENTIAL");
    circle.after(
        "INSERT INTO edge SELECT i, i + 1 FROM generate_series(10, 30) i",
        "DIFFERENTIAL",
    );
    assert!(circle.rounds() > 10);
    circle.after(
        "INSERT INTO edge VALUES (7, 8), (8, 9); DELETE FROM edge WHERE a = 8; INSERT INTO edge VALUES (9, 7)",
        "DIFFERENTIAL",
    );
    circle.refresh(1, "NO_DATA");
    // Many times in one transaction.
    circle.run(
        "BEGIN; INSERT INTO edge VALUES (50, 51); SELECT pgtrickle.refresh_stream_table('step');
         INSERT INTO edge VALUES (51, 52); SELECT pgtrickle.refresh_stream_table('reach'); COMMIT",
    );
    circle.check("twice in a transaction");
    assert_eq!(circle.actions(), ["DIFFERENTIAL", "DIFFERENTIAL"]);
    // Under an older snapshot, and what is undone in between.
    circle.run(
        "BEGIN ISOLATION LEVEL REPEATABLE READ; INSERT INTO edge VALUES (52, 53), (53, 50);
         SELECT pgtrickle.refresh_stream_table('reach'); SAVEPOINT s;
         DELETE FROM edge WHERE a = 50; SELECT pgtrickle.refresh_stream_table('step'); ROLLBACK TO s;
         INSERT INTO edge VALUES (53, 54); SELECT pgtrickle.refresh_stream_table('step'); COMMIT",
    );
    circle.check("in REPEATABLE READ");
    assert_eq!(circle.actions(), ["DIFFERENTIAL", "DIFFERENTIAL"]);
}

#[test]
fn rows_do_not_support_themselves() {
    let mut circle = Circle::new(GRAPH, &REACH);
    circle.after(
        "INSERT INTO edge VALUES (1, 3), (4, 2), (9, 2)",
        "DIFFERENTIAL",
    );
    // Another derivation is left.
    let done = circle.after("DELETE FROM edge WHERE (a, b) = (1, 2)", "FULL");
    assert_eq!((done.rows_inserted, done.rows_deleted), (0, 0));
    assert!(
        circle
            .reason("reach")
            .contains("public.edge lost rows: a circle, computed anew in"),
        "{}",
        circle.reason("reach")
    );
    // Only a loop in the data is left, which nothing leads to any more but itself.
    let done = circle.after("DELETE FROM edge WHERE a IN (1, 9)", "FULL");
    assert!(done.rows_deleted > 0);
    circle.after("UPDATE edge SET b = 7 WHERE b = 2", "FULL");
    // By their ordinary programs again.
    circle.after("INSERT INTO edge VALUES (7, 8)", "DIFFERENTIAL");
    circle.after("TRUNCATE edge", "REINITIALIZE");
    assert_eq!(number(&mut circle.client, "SELECT count(*) FROM reach"), 0);
    circle.after("INSERT INTO edge VALUES (1, 2), (2, 1)", "DIFFERENTIAL");
}

/// The edge to v goes and a loop at v comes: what v loses and gains cancels out, and counted, v would
/// hold itself.
#[test]
fn a_change_that_cancels_out() {
    let mut circle = Circle::new(
        "CREATE TABLE start (n int NOT NULL); CREATE TABLE edge (a int NOT NULL, b int NOT NULL);
         INSERT INTO start VALUES (1); INSERT INTO edge VALUES (1, 2)",
        &[
            (
                "reached",
                "SELECT n FROM start",
                "SELECT n FROM start UNION ALL SELECT n FROM next",
            ),
            (
                "next",
                "SELECT e.b AS n FROM reached r JOIN edge e ON e.a = r.n",
                "SELECT e.b AS n FROM reached r JOIN edge e ON e.a = r.n",
            ),
        ],
    );
    assert_eq!(
        rows(&mut circle.client, "SELECT n FROM reached ORDER BY 1"),
        ["(1)", "(2)"]
    );
    circle.after("DELETE FROM edge; INSERT INTO edge VALUES (2, 2)", "FULL");
    assert_eq!(rows(&mut circle.client, "SELECT n FROM reached"), ["(1)"]);
    // What nothing leads to has taken nothing along.
    circle.after("UPDATE edge SET b = 3", "NO_DATA");
    assert_eq!(circle.actions(), ["NO_DATA", "DIFFERENTIAL"]);
    // Copies are counted.
    circle.after(
        "INSERT INTO edge VALUES (1, 2), (1, 2), (2, 4)",
        "DIFFERENTIAL",
    );
    assert_eq!(
        number(
            &mut circle.client,
            "SELECT count(*) FROM reached WHERE n = 4"
        ),
        2
    );
    circle.after(
        "DELETE FROM edge WHERE ctid = (SELECT min(ctid) FROM edge WHERE (a, b) = (1, 2))",
        "FULL",
    );
}

/// What has left is looked at before anything is computed anew: what it had no part in stays.
#[test]
fn what_is_not_in_doubt_stays() {
    let mut circle = Circle::new(
        NODES,
        &[
            (
                "reached",
                "SELECT n FROM start",
                "SELECT n FROM start UNION SELECT n FROM next",
            ),
            (
                "next",
                "SELECT e.b AS n FROM reached r JOIN edge e ON e.a = r.n",
                "SELECT e.b AS n FROM reached r JOIN edge e ON e.a = r.n",
            ),
        ],
    );
    circle.after(
        "INSERT INTO edge VALUES (10, 11), (11, 12), (12, 11)",
        "NO_DATA",
    );
    // Together with what comes, from there and from elsewhere.
    let done = circle.after(
        "DELETE FROM edge WHERE a = 10; UPDATE edge SET b = 13 WHERE a = 12; INSERT INTO edge VALUES (3, 4)",
        "DIFFERENTIAL",
    );
    assert_eq!((done.rows_inserted, done.rows_deleted), (1, 0));
    circle.run("INSERT INTO start SELECT 20; INSERT INTO edge SELECT i, i + 1 FROM generate_series(20, 79) i");
    circle.refresh(1, "DIFFERENTIAL");
    assert!(circle.rounds() > 50);
    // Of a long chain the end.
    let done = circle.after("DELETE FROM edge WHERE a >= 77", "FULL");
    assert_eq!((done.rows_inserted, done.rows_deleted), (0, 3));
    assert!(circle.rounds() <= 3, "{}", circle.rounds());
    // And the middle, behind which there is another way.
    circle.run("INSERT INTO edge VALUES (21, 61)");
    circle.refresh(0, "DIFFERENTIAL");
    let done = circle.after("DELETE FROM edge WHERE a = 60", "FULL");
    assert_eq!((done.rows_inserted, done.rows_deleted), (0, 0));
}

#[test]
fn what_has_no_end_is_an_error() {
    let mut circle = Circle::new(
        "CREATE TABLE edge (a int NOT NULL, b int NOT NULL); INSERT INTO edge VALUES (1, 2), (2, 3)",
        &[(
            "path",
            "SELECT a, b FROM edge",
            "SELECT a, b FROM edge UNION ALL SELECT p.a, e.b FROM path p JOIN edge e ON e.a = p.b",
        )],
    );
    circle.run("INSERT INTO edge VALUES (3, 1)");
    for _ in 0..2 {
        let (code, message, hint) = refused(
            &mut circle.client,
            "SELECT pgtrickle.refresh_stream_table('path')",
        );
        assert_eq!(code, "54001", "{message}");
        assert!(
            message.contains("public.path") && message.contains("100 rounds"),
            "{message}"
        );
        assert!(
            hint.contains("pg_trickle.max_fixpoint_iterations"),
            "{hint}"
        );
        assert_eq!(number(&mut circle.client, "SELECT count(*) FROM path"), 3);
    }
    // Also from nothing.
    circle.run("DELETE FROM edge WHERE a = 1; INSERT INTO edge VALUES (2, 2)");
    let call = "SELECT pgtrickle.refresh_stream_table('path')";
    assert_eq!(refused(&mut circle.client, call).0, "54001");
    circle.after("DELETE FROM edge WHERE b = 2", "FULL");
    // As many rounds as there are, and one fewer.
    circle.run("INSERT INTO edge SELECT i, i + 1 FROM generate_series(10, 20) i");
    circle.run("SET pg_trickle.max_fixpoint_iterations = 3");
    assert_eq!(refused(&mut circle.client, call).0, "54001");
    circle.run("RESET pg_trickle.max_fixpoint_iterations");
    circle.refresh(0, "DIFFERENTIAL");
    let rounds = circle.rounds();
    circle.run("INSERT INTO edge SELECT i, i + 1 FROM generate_series(110, 120) i");
    circle.run(&format!(
        "SET pg_trickle.max_fixpoint_iterations = {}",
        rounds - 1
    ));
    assert_eq!(refused(&mut circle.client, call).0, "54001");
    circle.run(&format!(
        "SET pg_trickle.max_fixpoint_iterations = {rounds}"
    ));
    circle.refresh(0, "DIFFERENTIAL");
}

#[test]
fn one_that_reads_itself_twice() {
    let mut circle = Circle::new(
        GRAPH,
        &[(
            "tc",
            "SELECT a, b FROM edge",
            "SELECT a, b FROM edge UNION SELECT x.a, y.b FROM tc x JOIN tc y ON y.a = x.b",
        )],
    );
    circle.after(
        "INSERT INTO edge VALUES (4, 5), (5, 6), (6, 7), (7, 8)",
        "DIFFERENTIAL",
    );
    assert!(circle.rounds() <= 5, "{}", circle.rounds());
    circle.after("INSERT INTO edge VALUES (8, 1)", "DIFFERENTIAL");
    circle.after("DELETE FROM edge WHERE a = 1", "FULL");
    circle.after("DELETE FROM edge WHERE a = 8", "FULL");
    let status = "SELECT scc_id IS NOT NULL FROM pgtrickle.pgt_status()";
    assert_eq!(rows(&mut circle.client, status), ["(t)"]);
}

/// Joins of members with each other, states of their own, and sources that are read in every way.
const THREE: [Member; 3] = [
    (
        "open",
        "SELECT n FROM start",
        "SELECT n FROM start UNION SELECT n FROM free",
    ),
    (
        "next",
        "SELECT e.b AS n, e.a AS via FROM open o JOIN edge e ON e.a = o.n",
        "SELECT e.b AS n, e.a AS via FROM open o JOIN edge e ON e.a = o.n",
    ),
    (
        "free",
        "SELECT n FROM next",
        "SELECT DISTINCT x.n FROM next x LEFT JOIN label l ON l.n = x.n
         WHERE NOT EXISTS (SELECT FROM closed c WHERE c.n = x.n)
           AND EXISTS (SELECT FROM open o WHERE o.n = x.via)
           AND x.n < (SELECT max(n) FROM label)",
    ),
];

const NODES: &str =
    "CREATE TABLE start (n int NOT NULL); CREATE TABLE edge (a int NOT NULL, b int NOT NULL);
    CREATE TABLE closed (n int NOT NULL); CREATE TABLE label (n int NOT NULL, label text);
    INSERT INTO start VALUES (0); INSERT INTO edge VALUES (0, 1), (1, 2), (2, 3), (3, 1);
    INSERT INTO closed VALUES (2); INSERT INTO label VALUES (100, 'last')";

#[test]
fn three_members_and_other_sources() {
    let mut circle = Circle::new(NODES, &THREE);
    circle.after("INSERT INTO edge VALUES (1, 4), (4, 5)", "DIFFERENTIAL");
    // Fewer that are closed are more that are reached.
    circle.after("DELETE FROM closed", "DIFFERENTIAL");
    circle.after("INSERT INTO closed VALUES (3)", "FULL");
    assert!(circle.reason("free").contains("public.closed gained rows"));
    circle.after("INSERT INTO label VALUES (4, 'four')", "FULL");
    assert!(circle.reason("open").contains("public.label has changed"));
    circle.after("UPDATE label SET n = 3 WHERE n = 100", "FULL");
    circle.after("INSERT INTO start VALUES (7)", "DIFFERENTIAL");
    circle.after("DELETE FROM start WHERE n = 0", "FULL");
    assert_eq!(
        number(
            &mut circle.client,
            "SELECT count(*) FROM pgtrickle.pgt_scc_status() WHERE member_count = 3"
        ),
        1
    );
}

#[test]
fn readers_are_told_of_the_difference_alone() {
    let mut circle = Circle::new(GRAPH, &REACH);
    circle.run(
        "SELECT pgtrickle.create_stream_table('ends', 'SELECT a, count(*) AS n FROM reach GROUP BY a', '1s', 'DIFFERENTIAL');
         INSERT INTO edge VALUES (2, 4)",
    );
    refresh(&mut circle.client, "ends", "NO_DATA");
    circle.run("INSERT INTO edge VALUES (4, 6)");
    refresh(&mut circle.client, "ends", "DIFFERENTIAL");
    let read = "SELECT delta_rows FROM pgtrickle.get_refresh_history('ends', 1)";
    assert_eq!(number(&mut circle.client, read), 4);
    circle.run("DELETE FROM edge WHERE a = 1");
    let done = refresh(&mut circle.client, "ends", "DIFFERENTIAL");
    assert_eq!(number(&mut circle.client, read), 4);
    assert_eq!((done.rows_inserted, done.rows_deleted), (0, 1));
    assert_eq!(last_refresh(&mut circle.client, "reach").rows_deleted, 4);
    circle.run("DELETE FROM edge WHERE (a, b) = (2, 4)");
    refresh(&mut circle.client, "ends", "NO_DATA");
    circle.check("with a reader");
}

#[test]
fn what_is_not_monotone_is_refused_by_name() {
    let db = Database::new();
    let mut client = db.connect();
    run(
        &mut client,
        &format!(
            "{GRAPH}; CREATE TABLE price (n numeric NOT NULL);
             SELECT pgtrickle.create_stream_table('reach', 'SELECT a, b FROM edge', '1s');
             SELECT pgtrickle.create_stream_table('step', 'SELECT r.a, e.b FROM reach r JOIN edge e ON e.a = r.b', '1s');
             SELECT pgtrickle.create_stream_table('many', 'SELECT a, count(*)::int AS b FROM reach GROUP BY a', '1s');
             SELECT pgtrickle.create_stream_table('anew', 'SELECT a, b FROM reach', '1s', 'FULL');
             SELECT pgtrickle.create_stream_table('prices', 'SELECT n FROM price', '1s')"
        ),
    );
    let alter = |query: &str| {
        format!("SELECT pgtrickle.alter_stream_table('reach', query => $q${query}$q$)")
    };
    let union = "SELECT a, b FROM edge UNION SELECT a, b FROM step";
    let (code, message, hint) = refused(&mut client, &alter(union));
    assert_eq!(code, "42P17");
    assert!(
        message.contains("would read itself, through public.step"),
        "{message}"
    );
    assert!(hint.contains("pg_trickle.allow_circular"), "{hint}");
    run(&mut client, "SET pg_trickle.allow_circular = on");
    for (query, expect) in [
        (
            "SELECT a, max(b) AS b FROM (SELECT a, b FROM edge UNION ALL SELECT a, b FROM step) AS x GROUP BY a",
            "public.reach cannot be in a circle: its query is not monotone in public.step: an aggregate",
        ),
        (
            "SELECT e.a, s.b FROM edge e LEFT JOIN step s ON s.a = e.a",
            "public.step: the optional side of an outer join",
        ),
        (
            "SELECT a, b FROM edge WHERE NOT EXISTS (SELECT FROM step s WHERE s.a = edge.b)",
            "public.step: NOT EXISTS, NOT IN or EXCEPT",
        ),
        (
            "SELECT a, b FROM edge EXCEPT ALL SELECT a, b FROM step",
            "public.step: ",
        ),
        (
            "SELECT a, b FROM (SELECT a, b, row_number() OVER (ORDER BY a, b) AS n FROM step) AS x WHERE n > 0",
            "public.step: a window function",
        ),
        (
            "SELECT a, b FROM edge UNION SELECT a, b FROM many",
            "public.many cannot be in a circle: its query is not monotone in public.reach: an aggregate",
        ),
        (
            "SELECT a, b FROM edge UNION SELECT a, b FROM anew",
            "public.anew cannot be in a circle: its refresh_mode is FULL",
        ),
        (
            "SELECT a, b FROM step WHERE now() > '2020-01-01'",
            "public.reach cannot be in a circle: its query asks for the time",
        ),
        (
            "SELECT a, b FROM step WHERE random() < 2",
            "public.reach cannot be in a circle: its query cannot be incremental",
        ),
    ] {
        let (code, message, hint) = refused(&mut client, &alter(query));
        assert_eq!(code, "0A000", "{query}: {message}");
        assert!(message.contains(expect), "{query}: {message}");
        assert!(hint.contains("least fixed point"), "{hint}");
    }
    let (_, message, _) = refused(
        &mut client,
        "SELECT pgtrickle.alter_stream_table('prices', query => 'SELECT n FROM price UNION SELECT n + 1 FROM prices WHERE n < 9')",
    );
    assert!(
        message.contains("type numeric, of which equal ones can look different"),
        "{message}"
    );
    // Nothing has happened; and then it is closed, and stays what it can be.
    refresh(&mut client, "step", "NO_DATA");
    run(&mut client, &alter(union));
    for (mode, expect) in [
        ("FULL", "public.step cannot be in a circle"),
        ("IMMEDIATE", "the stream table cannot be IMMEDIATE"),
    ] {
        let (code, message, _) = refused(
            &mut client,
            &format!("SELECT pgtrickle.alter_stream_table('step', refresh_mode => '{mode}')"),
        );
        assert_eq!(code, "0A000", "{message}");
        assert!(message.contains(expect), "{message}");
    }
    let (_, message, _) = refused(
        &mut client,
        "SELECT pgtrickle.alter_stream_table('step', query => 'SELECT a, count(*)::int AS b FROM reach GROUP BY a')",
    );
    assert!(
        message.contains("public.step cannot be in a circle"),
        "{message}"
    );
    // What is closed goes on without the setting.
    run(
        &mut client,
        "RESET pg_trickle.allow_circular; INSERT INTO edge VALUES (4, 1)",
    );
    refresh(&mut client, "reach", "DIFFERENTIAL");
}

/// All that walks from stream table to stream table comes to an end.
#[test]
fn everything_else_goes_on() {
    let mut circle = Circle::new(GRAPH, &REACH);
    let client = &mut circle.client;
    let scc = number(
        client,
        "SELECT scc_id::int8 FROM pgtrickle.pgt_scc_status()",
    );
    assert_eq!(
        rows(
            client,
            "SELECT member_count, members, last_iterations > 0, last_converged_at <= now() FROM pgtrickle.pgt_scc_status()"
        ),
        ["(2,\"{public.reach,public.step}\",t,t)"]
    );
    assert_eq!(
        rows(client, "SELECT name, scc_id FROM pgtrickle.pgt_status()"),
        [
            format!("(public.reach,{scc})"),
            format!("(public.step,{scc})")
        ]
    );
    let tree = rows(client, "SELECT tree_line FROM pgtrickle.dependency_tree()");
    assert!(
        tree.iter().any(|line| line.contains("see above")),
        "{tree:?}"
    );
    assert!(text(client, "SELECT pgtrickle.dependency_graph()").contains("reach"));
    assert_eq!(
        rows(client, "SELECT * FROM pgtrickle.verify('reach')"),
        Vec::<String>::new()
    );
    assert!(number(client, "SELECT count(*) FROM pgtrickle.health_check()") > 0);
    assert!(text(client, "SELECT pgtrickle.explain_delta('step')").contains("reach"));
    run(
        client,
        "SELECT pgtrickle.create_watermark_group('g', ARRAY['edge', 'reach']);
         SELECT * FROM pgtrickle.watermark_status(); SELECT pgtrickle.drop_watermark_group('g');
         SELECT * FROM pgtrickle.diamond_groups()",
    );
    // Schedules: nobody asks for anything, one member does, a reader does.
    let seconds = "SELECT string_agg(schedule_seconds::text, ' ' ORDER BY name) FROM pgtrickle.stream_tables_info";
    run(
        client,
        "SELECT pgtrickle.alter_stream_table('reach', schedule => 'calculated');
         SELECT pgtrickle.alter_stream_table('step', schedule => 'calculated')",
    );
    assert_eq!(text(client, seconds), "1 1");
    run(
        client,
        "SELECT pgtrickle.alter_stream_table('step', schedule => '70s')",
    );
    assert_eq!(text(client, seconds), "70 70");
    run(client, "CALL pgtrickle.run_due()");
    // DDL on a source, and on the members.
    run(
        client,
        "ALTER TABLE edge RENAME b TO c; ALTER TABLE edge ADD d int; ALTER TABLE step SET SCHEMA public;
         INSERT INTO edge VALUES (4, 5)",
    );
    refresh_only(client, "reach", "DIFFERENTIAL");
    run(
        client,
        "ALTER TABLE edge RENAME c TO b; ALTER TABLE edge ALTER b TYPE bigint; ALTER TABLE edge ALTER b TYPE int;
         DELETE FROM edge WHERE a = 1",
    );
    refresh_only(client, "reach", "REINITIALIZE");
    circle.check("after DDL");
    circle.after("INSERT INTO edge VALUES (5, 1)", "DIFFERENTIAL");
    // One that is suspended holds the others up.
    circle.run("SELECT pgtrickle.alter_stream_table('step', status => 'SUSPENDED'); DELETE FROM edge WHERE a = 2");
    let (code, message, _) = refused(
        &mut circle.client,
        "SELECT pgtrickle.refresh_stream_table('reach')",
    );
    assert_eq!(code, "55000");
    assert!(message.contains("public.step is suspended"), "{message}");
    circle.run("CALL pgtrickle.run_due()");
    circle.run("SELECT pgtrickle.resume_stream_table('step')");
    circle.refresh(1, "FULL");
    // Dropping.
    let (code, ..) = refused(
        &mut circle.client,
        "SELECT pgtrickle.drop_stream_table('step')",
    );
    assert_eq!(code, "2BP01");
    // Opened again, and closed.
    circle.run("SELECT pgtrickle.alter_stream_table('reach', query => 'SELECT a, b FROM edge')");
    assert_eq!(
        number(
            &mut circle.client,
            "SELECT count(*) FROM pgtrickle.pgt_scc_status()"
        ),
        0
    );
    circle.run("DELETE FROM edge WHERE a = 3; INSERT INTO edge VALUES (1, 5)");
    for table in ["reach", "step"] {
        refresh(&mut circle.client, table, "DIFFERENTIAL");
    }
    circle.run(&format!(
        "SELECT pgtrickle.create_or_replace_stream_table('reach', $q${}$q$, '1s', 'DIFFERENTIAL')",
        REACH[0].2
    ));
    circle.check("closed again");
    circle.run("SELECT pgtrickle.drop_stream_table('step', cascade => true)");
    assert_eq!(
        number(
            &mut circle.client,
            "SELECT count(*) FROM pgtrickle.pgt_stream_tables"
        ),
        0
    );
    assert_eq!(
        number(
            &mut circle.client,
            "SELECT count(*) FROM pgtrickle.pgt_circles"
        ),
        0
    );
}

#[track_caller]
fn refresh_only(client: &mut Client, name: &str, action: &str) {
    run(
        client,
        &format!("SELECT pgtrickle.refresh_stream_table('{name}')"),
    );
    assert_eq!(last_refresh(client, name).action, action);
}

/// With keys that follow from each other, and one that is not filled yet.
#[test]
fn keys_of_members_are_not_proved_by_each_other() {
    let mut circle = Circle::new(
        "CREATE TABLE start (n int PRIMARY KEY); INSERT INTO start VALUES (1), (2)",
        &[
            (
                "one",
                "SELECT DISTINCT n FROM start",
                "SELECT n FROM start UNION ALL SELECT n + 1 FROM two WHERE n < 5",
            ),
            (
                "two",
                "SELECT DISTINCT n FROM one",
                "SELECT DISTINCT n FROM one",
            ),
        ],
    );
    circle.after("INSERT INTO start VALUES (3)", "DIFFERENTIAL");
    circle.after("DELETE FROM start WHERE n = 2", "FULL");
    let db = Database::new();
    let mut client = db.connect();
    run(
        &mut client,
        &format!(
            "{GRAPH}; SET pg_trickle.allow_circular = on;
             SELECT pgtrickle.create_stream_table('reach', 'SELECT a, b FROM edge', '1s', initialize => false);
             SELECT pgtrickle.create_stream_table('step', 'SELECT r.a, e.b FROM reach r JOIN edge e ON e.a = r.b', '1s', initialize => false);
             SELECT pgtrickle.alter_stream_table('reach', query => 'SELECT a, b FROM edge UNION SELECT a, b FROM step')"
        ),
    );
    run(&mut client, "SELECT pgtrickle.refresh_stream_table('step')");
    assert_eq!(number(&mut client, "SELECT count(*) FROM reach"), 6);
    law(&mut client, "reach");
    law(&mut client, "step");
    refresh(&mut client, "reach", "NO_DATA");
}

#[test]
fn the_example_of_the_documentation() {
    let page = include_str!("../../../docs/pipelines.md");
    let section = page.split("## Circles").nth(1).expect("a section");
    let example = section.split("```").nth(1).expect("an example");
    let db = Database::new();
    let mut client = db.connect();
    run(&mut client, example.strip_prefix("sql").expect("in SQL"));
    let size = "SELECT count(*) FROM reachable";
    assert_eq!(number(&mut client, size), 12);
    run(&mut client, "DELETE FROM links WHERE source = 2");
    refresh(&mut client, "further", "FULL");
    assert_eq!(
        rows(&mut client, "SELECT * FROM reachable ORDER BY 1, 2"),
        ["(1,2)", "(3,1)", "(3,2)", "(3,4)"]
    );
}

#[test]
fn the_scheduler_refreshes_a_circle() {
    let server = enabled("circles", "");
    let mut circle = Circle::on(Database::on(&server), GRAPH, &REACH);
    circle.run(
        "SELECT pgtrickle.create_stream_table('ends', 'SELECT a, count(*) AS n FROM reach GROUP BY a', '1s', 'DIFFERENTIAL');
         INSERT INTO edge SELECT i, i + 1 FROM generate_series(4, 20) i",
    );
    wait(&mut circle.client, "SELECT n = 20 FROM ends WHERE a = 1");
    circle.check("by the scheduler");
    circle.run("DELETE FROM edge WHERE a = 10");
    wait(&mut circle.client, "SELECT n = 9 FROM ends WHERE a = 1");
    circle.check("by the scheduler");
    // Nothing to do, nothing done.
    let count = "SELECT count(*) FROM pgtrickle.pgt_refresh_history";
    let before = number(&mut circle.client, count);
    std::thread::sleep(std::time::Duration::from_secs(3));
    assert_eq!(number(&mut circle.client, count), before);
    let failed = "SELECT h FROM pgtrickle.pgt_refresh_history h WHERE status = 'FAILED'";
    assert_eq!(rows(&mut circle.client, failed), Vec::<String>::new());
    // A frozen member freezes the circle, and one that fails stops it.
    circle.run("SELECT pgtrickle.alter_stream_table('step', tier => 'frozen'); INSERT INTO edge VALUES (10, 11)");
    std::thread::sleep(std::time::Duration::from_secs(3));
    assert_eq!(
        number(&mut circle.client, "SELECT n FROM ends WHERE a = 1"),
        9
    );
    circle.run("SELECT pgtrickle.alter_stream_table('step', tier => 'hot')");
    wait(&mut circle.client, "SELECT n = 20 FROM ends WHERE a = 1");
    circle.check("thawed");
    circle.run(
        "SELECT pgtrickle.create_stream_table('tc', 'SELECT a, b FROM edge', '1s', 'DIFFERENTIAL');
         SELECT pgtrickle.alter_stream_table('tc', query =>
             'SELECT a, b FROM edge UNION SELECT x.a, y.b FROM tc x JOIN tc y ON y.a = x.b');
         INSERT INTO edge VALUES (30, 1)",
    );
    wait(
        &mut circle.client,
        "SELECT count(*) = 21 FROM tc WHERE a = 30",
    );
    law(&mut circle.client, "tc");
    assert_eq!(
        last_refresh(&mut circle.client, "tc").action,
        "DIFFERENTIAL"
    );
    drop(circle.db);
}

/// Refreshed by either member, while somebody writes.
#[test]
fn two_refreshers_of_a_circle() {
    let mut circle = Circle::new(GRAPH, &REACH);
    std::thread::scope(|scope| {
        for (name, writes) in [("reach", true), ("step", true), ("step", false)] {
            let mut client = circle.db.connect();
            scope.spawn(move || {
                for i in 0..12 {
                    if writes {
                        let (a, b) = (i % 5, (i * 3 + name.len()) % 6);
                        run(&mut client, &format!("INSERT INTO edge VALUES ({a}, {b})"));
                        run(
                            &mut client,
                            &format!("DELETE FROM edge WHERE (a, b) = ({b}, {a})"),
                        );
                    }
                    run(
                        &mut client,
                        &format!("SELECT pgtrickle.refresh_stream_table('{name}')"),
                    );
                }
            });
        }
    });
    circle.run("SELECT pgtrickle.refresh_stream_table('reach')");
    circle.check("by several at a time");
}

/// Two that would close a circle from both sides at once.
#[test]
fn closed_from_both_sides() {
    let db = Database::new();
    let (mut one, mut other) = (db.connect(), db.connect());
    run(
        &mut one,
        &format!(
            "{GRAPH}; SELECT pgtrickle.create_stream_table('x', 'SELECT a, b FROM edge', '1s');
             SELECT pgtrickle.create_stream_table('y', 'SELECT a, b FROM edge', '1s');
             SELECT pgtrickle.create_stream_table('x2', 'SELECT a, b FROM x', '1s');
             SELECT pgtrickle.create_stream_table('y2', 'SELECT a, b FROM y', '1s')"
        ),
    );
    run(
        &mut one,
        "BEGIN; SELECT pgtrickle.alter_stream_table('x', query => 'SELECT a, b FROM y2')",
    );
    let second = std::thread::spawn(move || {
        refused(
            &mut other,
            "SELECT pgtrickle.alter_stream_table('y', query => 'SELECT a, b FROM x2')",
        )
    });
    std::thread::sleep(std::time::Duration::from_millis(500));
    run(&mut one, "COMMIT");
    let (code, message, _) = second.join().expect("refused");
    assert_eq!(code, "42P17", "{message}");
    refresh(&mut one, "x2", "NO_DATA");
}
