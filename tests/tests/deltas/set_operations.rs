//! UNION, INTERSECT and EXCEPT.

use crate::support::World;

const SCHEMA: &str = "
    CREATE TABLE a (k int, s text);
    CREATE TABLE b (k int, s text);
    CREATE TABLE c (id int PRIMARY KEY, k int, s text);
    INSERT INTO a VALUES (1, 'x'), (1, 'x'), (1, 'x'), (2, 'y'), (NULL, NULL), (NULL, NULL), (3, NULL);
    INSERT INTO b VALUES (1, 'x'), (2, 'y'), (2, 'y'), (NULL, NULL), (4, 'z');
    INSERT INTO c VALUES (1, 1, 'x'), (2, 3, NULL), (3, NULL, NULL), (4, 5, 'w')";

/// Every change of how often a row is on either side: from none, past the other side, back to
/// none; of both sides at once; of rows that cancel.
const BATCHES: [&str; 14] = [
    "INSERT INTO b VALUES (1, 'x')",
    "INSERT INTO b VALUES (1, 'x'), (1, 'x'), (3, NULL), (NULL, NULL), (NULL, NULL)",
    "DELETE FROM a WHERE k = 1",
    "INSERT INTO a VALUES (1, 'x'); DELETE FROM b WHERE k = 1; INSERT INTO c VALUES (5, 4, 'z')",
    "DELETE FROM b WHERE ctid = (SELECT min(ctid) FROM b WHERE k = 2)",
    "UPDATE a SET k = 2, s = 'y' WHERE k = 1; UPDATE b SET k = 1, s = 'x' WHERE k = 2",
    "INSERT INTO a VALUES (9, 'new'); DELETE FROM a WHERE k = 9; INSERT INTO b VALUES (9, 'new')",
    "UPDATE a SET s = 'n' WHERE k IS NULL; UPDATE c SET k = NULL, s = NULL WHERE id < 3",
    "DELETE FROM b; INSERT INTO b SELECT * FROM a",
    "DELETE FROM a; INSERT INTO a SELECT k, s FROM c",
    "UPDATE c SET k = id % 2, s = 'x'; UPDATE a SET k = 1, s = 'x'",
    "DELETE FROM a WHERE ctid = (SELECT min(ctid) FROM a); DELETE FROM c WHERE id = 1",
    "DELETE FROM a; DELETE FROM b; DELETE FROM c",
    "INSERT INTO a VALUES (1, 'x'), (1, 'x'); INSERT INTO b VALUES (1, 'x')",
];

#[test]
fn trap_set_op_multiplicity() {
    let mut w = World::new(SCHEMA);
    for (name, word) in [
        ("united", "UNION"),
        ("united_all", "UNION ALL"),
        ("common", "INTERSECT"),
        ("common_all", "INTERSECT ALL"),
        ("rest", "EXCEPT"),
        ("rest_all", "EXCEPT ALL"),
    ] {
        w.keep(
            name,
            &format!("SELECT k, s FROM a {word} SELECT k, s FROM b"),
        );
        w.keep(
            &format!("{name}_of_itself"),
            &format!("SELECT k FROM a {word} SELECT k FROM a WHERE s IS NOT NULL"),
        );
    }
    for batch in BATCHES {
        w.batch(batch);
    }
    assert_eq!(w.rows("SELECT * FROM common_all"), ["(1,x)"]);
    assert_eq!(w.rows("SELECT * FROM rest_all"), ["(1,x)"]);
    assert_eq!(w.rows("SELECT * FROM rest").len(), 0);
    // Only visible rows are stored.
    assert_eq!(w.rows("SELECT * FROM united"), ["(1,x)"]);
}

/// In each other, with parentheses and without.
#[test]
fn trap_set_op_nested() {
    let mut w = World::new(SCHEMA);
    for (name, query) in [
        (
            "left_first",
            "SELECT k FROM a UNION ALL SELECT k FROM b UNION SELECT k FROM c",
        ),
        (
            "all_last",
            "SELECT k FROM a UNION SELECT k FROM b UNION ALL SELECT k FROM c",
        ),
        (
            "parentheses",
            "SELECT k FROM a UNION ALL (SELECT k FROM b UNION SELECT k FROM c)",
        ),
        (
            "binds_tighter",
            "SELECT k FROM a UNION SELECT k FROM b INTERSECT SELECT k FROM c",
        ),
        (
            "together",
            "(SELECT k FROM a UNION SELECT k FROM b) INTERSECT SELECT k FROM c",
        ),
        (
            "chain",
            "SELECT k FROM a EXCEPT ALL SELECT k FROM b EXCEPT ALL SELECT k FROM c",
        ),
        (
            "chain_right",
            "SELECT k FROM a EXCEPT ALL (SELECT k FROM b EXCEPT ALL SELECT k FROM c)",
        ),
        (
            "mixed",
            "(SELECT k FROM a EXCEPT SELECT k FROM c) UNION ALL (SELECT k FROM b INTERSECT ALL SELECT k FROM a) UNION ALL SELECT id FROM c",
        ),
        (
            "difference",
            "(SELECT k, s FROM a EXCEPT ALL SELECT k, s FROM b) UNION ALL (SELECT k, s FROM b EXCEPT ALL SELECT k, s FROM a)",
        ),
        (
            "of_distinct",
            "(SELECT DISTINCT k FROM a UNION SELECT k FROM c) EXCEPT ALL SELECT DISTINCT k FROM b",
        ),
        (
            "five",
            "SELECT k FROM a INTERSECT (SELECT k FROM b UNION (SELECT k FROM c EXCEPT (SELECT k FROM a INTERSECT ALL SELECT id FROM c)))",
        ),
    ] {
        w.keep(name, query);
    }
    for batch in BATCHES {
        w.batch(batch);
    }
    assert_eq!(w.rows("SELECT * FROM chain_right"), ["(1)"]);
}

/// Under and over everything else.
#[test]
fn trap_set_op_among_others() {
    let mut w = World::new(SCHEMA);
    w.run(
        "CREATE TABLE n (x numeric, m numeric(6,2), f float8);
         CREATE TABLE o (x numeric, m numeric(6,1), f float8);
         INSERT INTO n VALUES (1.0, 1, 0), (1.00, 2.5, '-0'), (2, 3, 1.5);
         INSERT INTO o VALUES (1, 1, 0), (2.0, 2.5, 'NaN');
         CREATE VIEW either AS SELECT k, s FROM a UNION SELECT k, s FROM c",
    );
    for (name, query) in [
        (
            "counted",
            "SELECT k, count(*) AS n FROM (SELECT k FROM a EXCEPT ALL SELECT k FROM b) AS x GROUP BY k",
        ),
        (
            "summed",
            "SELECT sum(k) AS s, max(k) AS m, count(*) AS n FROM (SELECT k FROM a INTERSECT ALL SELECT k FROM b) AS x",
        ),
        (
            "joined",
            "SELECT c.id, x.s FROM c JOIN (SELECT k, s FROM a EXCEPT SELECT k, s FROM b) AS x ON x.k = c.k",
        ),
        (
            "joined_all",
            "SELECT c.id, x.s FROM (SELECT k, s FROM a EXCEPT ALL SELECT k, s FROM b) AS x, c WHERE x.k = c.k AND x.k > 0",
        ),
        (
            "padded",
            "SELECT c.id, x.s FROM c LEFT JOIN (SELECT k, s FROM a EXCEPT ALL SELECT k, s FROM b) AS x ON x.k = c.k",
        ),
        (
            "padded_all",
            "SELECT x.k, c.id, y.s FROM (SELECT k FROM a INTERSECT ALL SELECT k FROM b) AS x FULL JOIN c ON c.k = x.k LEFT JOIN (SELECT k, s FROM a UNION SELECT k, s FROM b) AS y ON y.k = c.k",
        ),
        (
            "both",
            "SELECT x.k, y.s FROM (SELECT k FROM a INTERSECT ALL SELECT k FROM b) AS x JOIN (SELECT k, s FROM b EXCEPT ALL SELECT k, s FROM c) AS y USING (k)",
        ),
        (
            "of_groups",
            "SELECT k, count(*) AS n FROM a GROUP BY k EXCEPT SELECT k, count(*) FROM b GROUP BY k",
        ),
        (
            "of_joins",
            "SELECT a.k FROM a JOIN c USING (k) INTERSECT ALL SELECT b.k FROM b JOIN c USING (k)",
        ),
        (
            "filtered",
            "SELECT k FROM (SELECT k, s FROM a EXCEPT ALL SELECT k, s FROM b) AS x WHERE s = 'x' OR k IS NULL",
        ),
        (
            "distinct_of",
            "SELECT DISTINCT s FROM (SELECT k, s FROM a INTERSECT ALL SELECT k, s FROM b) AS x",
        ),
        (
            "raising",
            "SELECT 10 / k AS q FROM (SELECT k FROM a EXCEPT ALL SELECT k FROM b) AS x WHERE k <> 0",
        ),
        (
            "through_view",
            "SELECT e.k, count(*) AS n FROM either e JOIN a ON a.k = e.k GROUP BY e.k",
        ),
        (
            "twice",
            "WITH x AS (SELECT k FROM a EXCEPT ALL SELECT k FROM b) SELECT k, 1 AS w FROM x UNION ALL SELECT p.k, 2 FROM x AS p JOIN x AS q ON p.k = q.k",
        ),
        (
            "values_too",
            "SELECT k, s FROM a EXCEPT ALL VALUES (1, 'x'), (NULL, NULL), (7, 'q')",
        ),
        (
            "no_columns",
            "SELECT count(*) AS n FROM (SELECT FROM a EXCEPT ALL SELECT FROM b) AS x",
        ),
        (
            "no_columns_common",
            "SELECT count(*) AS n FROM (SELECT FROM a INTERSECT SELECT FROM b) AS x",
        ),
    ] {
        w.keep(name, query);
    }
    for (name, query) in [
        ("numbers", "SELECT x FROM n UNION SELECT x FROM o"),
        (
            "numbers_common",
            "SELECT x FROM n INTERSECT SELECT x FROM o",
        ),
        (
            "numbers_common_all",
            "SELECT x FROM n INTERSECT ALL SELECT x FROM o",
        ),
        ("numbers_rest", "SELECT x FROM n EXCEPT SELECT x FROM o"),
        (
            "numbers_rest_all",
            "SELECT x FROM n EXCEPT ALL SELECT x FROM o",
        ),
        ("typmods", "SELECT m FROM n EXCEPT ALL SELECT m FROM o"),
        ("floats", "SELECT f FROM n EXCEPT SELECT f FROM o"),
        (
            "floats_and_integers",
            "SELECT k FROM a INTERSECT SELECT f FROM n",
        ),
        (
            "counted_numbers",
            "SELECT x, count(*) AS n FROM (SELECT x FROM n EXCEPT ALL SELECT x FROM o) AS r GROUP BY x",
        ),
    ] {
        w.keep_equal(name, query);
    }
    for batch in BATCHES {
        w.batch(batch);
    }
    for batch in [
        "INSERT INTO o VALUES (1.000, 3, '-0'), (3, NULL, NULL); DELETE FROM n WHERE x = 2",
        "UPDATE n SET x = 1.0000, f = 'NaN' WHERE m = 1; INSERT INTO n VALUES (3.0, NULL, NULL)",
        "DELETE FROM o WHERE x = 1; UPDATE n SET m = m + 0.5",
        "INSERT INTO o SELECT * FROM n; DELETE FROM n WHERE f = 0",
        "DELETE FROM n; INSERT INTO n VALUES (NULL, 1, NULL), (1, 1, 1)",
        "DELETE FROM o",
    ] {
        w.batch(batch);
    }
}
