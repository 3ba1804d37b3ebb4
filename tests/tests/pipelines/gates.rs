//! Gates and watermarks.

use crate::support::{enabled, number, refused, rows, run, wait};
use harness::Database;

#[test]
fn gates_hold_refreshes_up() {
    let server = enabled("gates", "");
    let db = Database::on(&server);
    let mut client = db.connect();
    run(
        &mut client,
        "CREATE TABLE a (x int); CREATE TABLE b (x int); CREATE VIEW va AS SELECT x FROM a;
         SELECT pgtrickle.create_stream_table('of_a', 'SELECT x FROM va', '1s');
         SELECT pgtrickle.create_stream_table('of_b', 'SELECT x FROM b', '1s');
         SELECT pgtrickle.gate_source('a');
         INSERT INTO a VALUES (1); INSERT INTO b VALUES (1)",
    );
    wait(&mut client, "SELECT count(*) = 1 FROM of_b");
    wait(
        &mut client,
        "SELECT count(*) = 1 FROM pgtrickle.get_refresh_history('of_a')
         WHERE action = 'SKIP' AND status = 'SKIPPED' AND reason = 'public.a is gated'",
    );
    // Said once, not in each cycle.
    std::thread::sleep(std::time::Duration::from_secs(2));
    let said = "SELECT count(*) FROM pgtrickle.get_refresh_history('of_a') WHERE action = 'SKIP'";
    assert_eq!(number(&mut client, said), 1);
    assert_eq!(number(&mut client, "SELECT count(*) FROM of_a"), 0);
    assert_eq!(
        rows(
            &mut client,
            "SELECT source_table, gated, gate_duration > interval '1 s', affected_stream_tables
             FROM pgtrickle.bootstrap_gate_status()"
        ),
        ["(a,t,t,public.of_a)"]
    );
    run(&mut client, "SELECT pgtrickle.ungate_source('a')");
    wait(&mut client, "SELECT count(*) = 1 FROM of_a");
    assert_eq!(
        rows(
            &mut client,
            "SELECT source_table, gated, ungated_at > gated_at FROM pgtrickle.source_gates()"
        ),
        ["(a,f,t)"]
    );
    // A refresh by hand is the user's own will.
    run(
        &mut client,
        "SELECT pgtrickle.gate_source('a'); INSERT INTO a VALUES (2);
         SELECT pgtrickle.refresh_stream_table('of_a')",
    );
    assert_eq!(number(&mut client, "SELECT count(*) FROM of_a"), 2);
    run(&mut client, "DROP TABLE a CASCADE");
    assert_eq!(
        number(
            &mut client,
            "SELECT count(*) FROM pgtrickle.pgt_source_gates"
        ),
        0
    );
}

#[test]
fn watermarks_hold_refreshes_up_until_they_meet() {
    let server = enabled("watermarks", "");
    let db = Database::on(&server);
    let mut client = db.connect();
    run(
        &mut client,
        "CREATE TABLE a (x int); CREATE TABLE b (x int);
         SELECT pgtrickle.create_stream_table('of_a', 'SELECT x FROM a', '1s');
         SELECT pgtrickle.create_stream_table('both', 'SELECT x FROM of_a JOIN b USING (x)', '1s');
         SELECT pgtrickle.create_watermark_group('load', ARRAY['a', 'b'], 60);
         INSERT INTO a VALUES (1); INSERT INTO b VALUES (1)",
    );
    // Who reads one of them alone does not wait.
    wait(&mut client, "SELECT count(*) = 1 FROM of_a");
    wait(
        &mut client,
        "SELECT count(*) = 1 FROM pgtrickle.get_refresh_history('both')
         WHERE action = 'SKIP' AND reason = 'watermark group load: public.a has no watermark yet'",
    );
    run(
        &mut client,
        "SELECT pgtrickle.advance_watermark('a', '2026-01-01 10:05Z');
         SELECT pgtrickle.advance_watermark('b', '2026-01-01 10:00Z')",
    );
    wait(
        &mut client,
        "SELECT count(*) = 1 FROM pgtrickle.get_refresh_history('both')
         WHERE action = 'SKIP' AND reason = 'watermark group load: the watermarks are more than 60 s apart'",
    );
    let status = "SELECT group_name, lag_secs, aligned, sources_with_watermark, sources_total FROM pgtrickle.watermark_status()";
    assert_eq!(rows(&mut client, status), ["(load,300,f,2,2)"]);
    // It takes effect with its transaction, forward only, and again without harm.
    run(
        &mut client,
        "BEGIN; SELECT pgtrickle.advance_watermark('b', '2027-01-01 10:00Z'); ROLLBACK;
         SELECT pgtrickle.advance_watermark('b', '2026-01-01 10:04Z');
         SELECT pgtrickle.advance_watermark('b', '2026-01-01 10:04Z')",
    );
    wait(&mut client, "SELECT count(*) = 1 FROM \"both\"");
    let (code, message, _) = refused(
        &mut client,
        "SELECT pgtrickle.advance_watermark('b', '2026-01-01 10:03Z')",
    );
    assert!(code == "22023" && message.contains("public.b"), "{message}");
    for (call, code) in [
        ("create_watermark_group('load', ARRAY['a', 'b'])", "42710"),
        ("create_watermark_group('one', ARRAY['a'])", "22023"),
        (
            "create_watermark_group('less', ARRAY['a', 'b'], -1)",
            "22023",
        ),
        (
            "create_watermark_group('none', ARRAY['a', 'nowhere'])",
            "42P01",
        ),
        ("drop_watermark_group('none')", "42704"),
    ] {
        let (seen, message, _) = refused(&mut client, &format!("SELECT pgtrickle.{call}"));
        assert_eq!(seen, code, "{call}: {message}");
    }
    run(&mut client, "SELECT pgtrickle.drop_watermark_group('load')");
    assert_eq!(rows(&mut client, status), Vec::<String>::new());
}

/// Who may not write to a source cannot speak for it, nor group what is not his.
#[test]
fn gates_are_not_for_everybody() {
    let db = Database::new();
    let mut client = db.connect();
    let role = format!("{}_loader", db.name());
    run(
        &mut client,
        &format!(
            "CREATE TABLE a (x int); CREATE TABLE b (x int);
             SELECT pgtrickle.create_stream_table('st', 'SELECT x FROM a');
             SELECT pgtrickle.create_stream_table('su', 'SELECT x FROM b');
             CREATE ROLE {role}; GRANT INSERT ON a TO {role}; SET ROLE {role};
             SELECT pgtrickle.gate_source('a'); SELECT pgtrickle.ungate_source('a');
             SELECT pgtrickle.advance_watermark('a', now())"
        ),
    );
    for call in [
        "gate_source('b')",
        "advance_watermark('b', now())",
        "create_watermark_group('g', ARRAY['a', 'b'])",
        "create_refresh_group('g', ARRAY['st', 'su'])",
    ] {
        let (code, message, _) = refused(&mut client, &format!("SELECT pgtrickle.{call}"));
        assert_eq!(code, "42501", "{call}: {message}");
    }
    assert_eq!(
        rows(
            &mut client,
            "SELECT gated, gated_by FROM pgtrickle.source_gates()"
        ),
        [format!("(f,{role})")]
    );
    run(
        &mut client,
        &format!("RESET ROLE; DROP OWNED BY {role}; DROP ROLE {role}"),
    );
}
