//! Circles of several shapes under random changes: after each, the least fixed point.

use super::{Circle, Member, NODES, REACH, THREE};
use spec::tape::Tape;

/// Circles over the tables of [`NODES`]; whether copies are counted, for which the graph must have no
/// loops; and whether all sources are read with the query.
const SHAPES: [(&[Member], bool, bool); 7] = [
    (&REACH, false, true),
    (&THREE, false, false),
    (
        &[(
            "tc",
            "SELECT a, b FROM edge",
            "SELECT a, b FROM edge UNION SELECT x.a, y.b FROM tc x JOIN tc y ON y.a = x.b",
        )],
        false,
        true,
    ),
    (
        &[
            (
                "even",
                "SELECT n FROM start",
                "SELECT n FROM start UNION SELECT e.b FROM odd o JOIN edge e ON e.a = o.n
                 UNION SELECT n + 10 FROM common",
            ),
            (
                "odd",
                "SELECT DISTINCT e.b AS n FROM even v JOIN edge e ON e.a = v.n",
                "SELECT DISTINCT e.b AS n FROM even v JOIN edge e ON e.a = v.n",
            ),
            (
                "common",
                "SELECT n FROM odd WHERE n IN (SELECT n FROM even)",
                "SELECT n FROM odd WHERE n IN (SELECT n FROM even)",
            ),
        ],
        false,
        true,
    ),
    (
        &[(
            "path",
            "SELECT a, b FROM edge",
            "SELECT a, b FROM edge UNION ALL SELECT p.a, e.b FROM path p JOIN edge e ON e.a = p.b",
        )],
        true,
        true,
    ),
    (
        &[
            (
                "often",
                "SELECT a, b FROM edge",
                "SELECT a, b FROM edge GROUP BY a, b HAVING count(*) > 1
                 UNION SELECT a, b FROM further",
            ),
            (
                "further",
                "SELECT o.a, c.b FROM often o JOIN often c ON c.a = o.b",
                "SELECT o.a, c.b FROM often o JOIN often c ON c.a = o.b AND c.b NOT IN (SELECT n FROM closed)",
            ),
        ],
        false,
        false,
    ),
    (
        &[
            (
                "seen",
                "SELECT n FROM start",
                "SELECT n FROM start UNION ALL SELECT n FROM ahead",
            ),
            (
                "ahead",
                "SELECT e.b AS n FROM seen s JOIN edge e ON e.a = s.n",
                "SELECT e.b AS n FROM seen s JOIN edge e ON e.a = s.n JOIN (SELECT DISTINCT n FROM start) t ON t.n < e.b",
            ),
        ],
        true,
        true,
    ),
];

/// A statement, and whether it only adds rows.
fn statement(random: &mut Tape, acyclic: bool) -> (String, bool) {
    let n = |random: &mut Tape| random.below(7);
    let (a, mut b) = (n(random), n(random));
    if acyclic {
        b = a + 1 + random.below(3);
    }
    match random.below(14) {
        0..5 => (format!("INSERT INTO edge VALUES ({a}, {b})"), true),
        5 => (
            format!("INSERT INTO edge SELECT {a}, {b} FROM generate_series(1, 2)"),
            true,
        ),
        6 => (format!("INSERT INTO start VALUES ({a})"), true),
        7 => (format!("DELETE FROM edge WHERE a = {a}"), false),
        8 => (
            format!("DELETE FROM edge WHERE ctid = (SELECT ctid FROM edge WHERE a >= {a} LIMIT 1)"),
            false,
        ),
        9 if acyclic => (format!("UPDATE edge SET b = b + 1 WHERE a = {a}"), false),
        9 => (format!("UPDATE edge SET b = {b} WHERE a = {a}"), false),
        10 => (format!("DELETE FROM start WHERE n = {a}"), false),
        11 => (
            format!("INSERT INTO closed VALUES ({a}); INSERT INTO label VALUES ({b}, 'x')"),
            false,
        ),
        12 => (
            format!("DELETE FROM closed WHERE n <= {a}; DELETE FROM label WHERE n = {b}"),
            false,
        ),
        _ if random.below(4) == 0 => ("TRUNCATE edge".into(), false),
        _ => (
            format!(
                "INSERT INTO edge VALUES ({a}, {b}); DELETE FROM edge WHERE (a, b) = ({a}, {b})"
            ),
            false,
        ),
    }
}

/// From the seed `PGT_RANDOM_SEED`.
fn at_random(shapes: std::ops::Range<usize>, batches: usize) {
    let base = std::env::var("PGT_RANDOM_SEED");
    let base: u64 = base.map_or(0, |seed| seed.parse().expect("a number"));
    for (shape, (members, acyclic, is_with)) in SHAPES.iter().enumerate() {
        if !shapes.contains(&shape) {
            continue;
        }
        let nodes = match acyclic {
            true => NODES.replace(", (3, 1)", ""),
            false => NODES.to_owned(),
        };
        let mut circle = Circle::new(&nodes, members);
        if shape % 2 == 1 {
            let name = members[0].0;
            circle.run(&format!(
                "SELECT pgtrickle.alter_stream_table('{name}', refresh_mode => 'AUTO');
                 SELECT pgtrickle.refresh_stream_table('{name}')"
            ));
        }
        // A batch reads twenty numbers at most.
        let mut random = Tape::seeded(base + shape as u64, 20 * batches);
        let mut incremental = 0;
        for batch in 0..batches {
            let mut grows = true;
            let mut changes = vec![];
            for _ in 0..1 + random.below(4) {
                let (statement, more) = statement(&mut random, *acyclic);
                grows &= more;
                changes.push(statement);
            }
            let changes = changes.join("; ");
            let what = format!("{shape} from {base}: batch {batch}: {changes}");
            circle.run(&changes);
            let by = members[random.below(members.len())].0;
            circle.run(&format!("SELECT pgtrickle.refresh_stream_table('{by}')"));
            circle.check(&what);
            let actions = circle.actions();
            let is_incremental = |a: &String| ["DIFFERENTIAL", "NO_DATA"].contains(&a.as_str());
            if actions.iter().all(is_incremental) {
                incremental += 1;
            } else {
                assert!(!grows || !is_with, "{what}: {actions:?}");
            }
        }
        assert!(incremental > 0, "{shape} from {base}");
    }
}

#[test]
fn circles_at_random_sets() {
    at_random(0..3, 40);
}

#[test]
fn circles_at_random_bags() {
    at_random(3..SHAPES.len(), 40);
}
