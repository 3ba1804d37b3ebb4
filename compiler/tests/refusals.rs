//! What is refused, and how: errors that PostgreSQL would raise for the same query, and constructs
//! that are not incremental, with their places.

use compiler::analyse::analyse;
use compiler::schema::load_schema;
use spec::Reason;
use spec::catalog::Catalog;
use spec::compiled::OutputColumn;

fn catalog() -> Catalog {
    let schema = include_str!("queries/schema.sql");
    load_schema(schema).expect("a schema").catalog
}

/// Code, message, the text at the span, and the hint: `PGT0003 …… @ text ? hint`.
fn line(sql: &str, reason: &Reason) -> String {
    let mut out = format!("{} {}", reason.code, reason.message);
    if let Some(span) = reason.span {
        out += &format!(" @ {}", &sql[span.start as usize..span.end as usize]);
    }
    if let Some(hint) = &reason.hint {
        out += &format!(" ? {hint}");
    }
    out
}

#[track_caller]
fn refused(sql: &str, expect: &[&str]) {
    let reasons = match analyse(sql, &catalog()) {
        Ok(analysis) => panic!("{sql} is not refused, but {analysis:?}"),
        Err(reasons) => reasons,
    };
    let lines: Vec<String> = reasons.iter().map(|r| line(sql, r)).collect();
    assert_eq!(lines, expect, "{sql}");
}

#[track_caller]
fn reported(sql: &str, expect: &[&str]) -> Option<Vec<OutputColumn>> {
    let analysis = match analyse(sql, &catalog()) {
        Ok(analysis) => analysis,
        Err(reasons) => panic!("{sql} is refused: {reasons:?}"),
    };
    let lines: Vec<String> = analysis.reasons.iter().map(|r| line(sql, r)).collect();
    assert_eq!(lines, expect, "{sql}");
    analysis.columns().map(<[_]>::to_vec)
}

#[track_caller]
fn accepted(sql: &str) {
    if let Err(reasons) = analyse(sql, &catalog()) {
        panic!("{sql} is refused: {reasons:?}");
    }
}

#[test]
fn names_that_mean_nothing() {
    refused(
        "SELECT amuont FROM orders",
        &["PGT0003 column \"amuont\" does not exist @ amuont ? Did you mean \"orders.amount\"?"],
    );
    refused(
        "SELECT o.custmer_id FROM orders o",
        &["PGT0003 column o.custmer_id does not exist @ o ? Did you mean \"o.customer_id\"?"],
    );
    refused(
        "SELECT id FROM ordes",
        &["PGT0003 relation \"ordes\" does not exist @ ordes ? Did you mean \"orders\"?"],
    );
    refused(
        "SELECT orders.id FROM orders o",
        &["PGT0003 missing FROM-clause entry for table \"orders\" @ orders"],
    );
    refused(
        "SELECT id FROM nowhere.orders",
        &[
            "PGT0003 relation \"nowhere.orders\" does not exist @ nowhere ? Did you mean \"orders\"?",
        ],
    );
    accepted("SELECT public.orders.id FROM public.orders");
    refused(
        "SELECT public.orders.id FROM public.orders o",
        &["PGT0003 missing FROM-clause entry for table \"public.orders\" @ public"],
    );
}

#[test]
fn names_that_mean_too_much() {
    refused(
        "SELECT id FROM orders, customers",
        &["PGT0003 column reference \"id\" is ambiguous @ id"],
    );
    refused(
        "SELECT o.id FROM orders o, customers o",
        &["PGT0003 table name \"o\" specified more than once @ customers"],
    );
    refused(
        "SELECT name FROM regions r JOIN customers c ON r.id = c.region_id",
        &["PGT0003 column reference \"name\" is ambiguous @ name"],
    );
    refused(
        "SELECT amount AS a, id AS a FROM orders ORDER BY a",
        &["PGT0003 ORDER BY \"a\" is ambiguous @ a"],
    );
    refused(
        "WITH a AS (SELECT 1), a AS (SELECT 2) SELECT * FROM a",
        &["PGT0003 WITH query name \"a\" specified more than once @ a"],
    );
    // A merged column is one.
    accepted("SELECT id FROM customers JOIN nodes USING (id) JOIN regions r USING (id, name)");
}

#[test]
fn joins_by_name() {
    refused(
        "SELECT * FROM regions JOIN orders USING (name)",
        &["PGT0003 column \"name\" specified in USING clause does not exist in right table @ JOIN"],
    );
    refused(
        "SELECT * FROM regions JOIN customers USING (id, id)",
        &["PGT0003 column name \"id\" appears more than once in USING @ JOIN"],
    );
    // The sides are hidden by an alias of the join, and ON sees only them.
    refused(
        "SELECT c.id FROM (customers c JOIN nodes n USING (id)) AS j",
        &["PGT0003 missing FROM-clause entry for table \"c\" @ c"],
    );
    refused(
        "SELECT a.id FROM orders o, customers a JOIN regions r ON r.id = o.id",
        &["PGT0003 missing FROM-clause entry for table \"o\" @ o"],
    );
    refused(
        "SELECT s.x FROM orders o, (SELECT o.id AS x) s",
        &["PGT0003 missing FROM-clause entry for table \"o\" @ o"],
    );
}

#[test]
fn grouping() {
    refused(
        "SELECT customer_id, amount, count(*) FROM orders GROUP BY customer_id",
        &[
            "PGT0004 column \"orders.amount\" must appear in the GROUP BY clause or be used in an \
           aggregate function @ amount",
        ],
    );
    refused(
        "SELECT customer_id FROM orders GROUP BY customer_id ORDER BY amount",
        &[
            "PGT0004 column \"orders.amount\" must appear in the GROUP BY clause or be used in an \
           aggregate function @ amount",
        ],
    );
    refused(
        "SELECT name FROM customers GROUP BY email",
        &[
            "PGT0004 column \"customers.name\" must appear in the GROUP BY clause or be used in an \
           aggregate function @ name",
        ],
    );
    refused(
        "SELECT id FROM orders WHERE count(*) > 1",
        &["PGT0004 aggregate functions are not allowed in WHERE @ count"],
    );
    refused(
        "SELECT sum(count(*)) FROM orders GROUP BY id",
        &["PGT0004 aggregate function calls cannot be nested @ count"],
    );
    refused(
        "SELECT count(*) AS n FROM orders GROUP BY n",
        &["PGT0004 aggregate functions are not allowed in GROUP BY @ n"],
    );
    refused(
        "SELECT status FROM orders GROUP BY 2",
        &["PGT0003 GROUP BY position 2 is not in select list @ 2"],
    );
    refused(
        "SELECT count(*) FROM kinds GROUP BY js",
        &["PGT0140 could not identify an equality operator for type json @ js"],
    );
    refused(
        "SELECT DISTINCT x FROM kinds",
        &["PGT0140 could not identify an equality operator for type xml @ x"],
    );
    refused(
        "SELECT DISTINCT id FROM orders ORDER BY amount",
        &["PGT0004 for SELECT DISTINCT, ORDER BY expressions must appear in select list @ amount"],
    );
    // Equal expressions are the key, whether a cast was written or implied.
    accepted("SELECT amount + 1::numeric FROM orders GROUP BY amount + 1");
    accepted("SELECT id, js FROM kinds GROUP BY id, u HAVING js IS NULL OR true");
}

#[test]
fn types() {
    refused(
        "SELECT id FROM orders WHERE amount",
        &["PGT0004 argument of WHERE must be type boolean, not type numeric @ amount"],
    );
    refused(
        "SELECT id FROM regions UNION ALL SELECT name FROM regions",
        &["PGT0004 UNION types integer and text cannot be matched @ UNION"],
    );
    refused(
        "SELECT id, name FROM regions UNION ALL SELECT id FROM regions",
        &["PGT0004 each UNION query must have the same number of columns @ UNION"],
    );
    refused(
        "VALUES (1, 2), (3)",
        &["PGT0004 VALUES lists must all be the same length @ 3"],
    );
    refused(
        "SELECT id FROM kinds ORDER BY js",
        &["PGT0140 could not identify an ordering operator for type json @ js"],
    );
}

#[test]
fn what_no_table_can_hold() {
    refused(
        "SELECT id, name AS id FROM regions",
        &[
            "PGT0007 output column \"id\" is specified more than once ? Give one of them another name \
           with AS.",
        ],
    );
    refused(
        "SELECT ROW(id, name) AS pair FROM regions",
        &[
            "PGT0008 output column \"pair\" has pseudo-type record ? Select its fields one by one, or \
           cast it to a type of its own.",
        ],
    );
    refused(
        "SELECT id AS ctid FROM regions",
        &[
            "PGT0003 output column name \"ctid\" conflicts with a system column ? Give it another \
           name with AS.",
        ],
    );
}

#[test]
fn what_is_no_query() {
    refused(
        "INSERT INTO regions VALUES (1, 'x')",
        &["PGT0001 only a SELECT, VALUES or WITH … SELECT can define a stream table"],
    );
    refused(
        "SELECT 1 AS a; SELECT 2 AS b",
        &["PGT0001 one query is wanted, not 2 statements"],
    );
    refused(
        "SELECT FROM WHERE",
        &["PGT0002 syntax error at or near \"WHERE\" @ WHERE"],
    );
    refused(
        "SELECT id FROM regions FOR NO KEY UPDATE",
        &["PGT0006 FOR UPDATE or FOR SHARE locks rows @ FOR NO KEY UPDATE"],
    );
    refused(
        "WITH gone AS (DELETE FROM regions RETURNING id) SELECT id FROM gone",
        &["PGT0006 WITH query \"gone\" modifies data @ gone"],
    );
    refused(
        "SELECT id INTO copy FROM regions",
        &["PGT0006 SELECT INTO @ copy"],
    );
}

#[test]
fn limits() {
    refused(
        "SELECT id FROM regions LIMIT 3",
        &[
            "PGT0009 LIMIT without ORDER BY picks rows at random @ LIMIT ? Add an ORDER BY that tells \
           which rows are meant.",
        ],
    );
    reported(
        "SELECT id FROM orders ORDER BY id LIMIT (SELECT 3)",
        &["PGT0111 LIMIT that is not a constant @ LIMIT"],
    );
    reported(
        "SELECT id FROM orders o WHERE EXISTS (SELECT 1 FROM items ORDER BY line OFFSET o.id)",
        &["PGT0111 OFFSET that is not a constant @ OFFSET"],
    );
    reported(
        "SELECT id FROM orders ORDER BY id LIMIT 2 - 3",
        &["PGT0111 LIMIT must not be negative @ 2"],
    );
    refused(
        "SELECT DISTINCT ON (status) id FROM orders ORDER BY id, status",
        &[
            "PGT0004 SELECT DISTINCT ON expressions must match initial ORDER BY expressions @ status",
        ],
    );
    refused(
        "SELECT DISTINCT ON (status, id) id FROM orders ORDER BY status, placed",
        &[
            "PGT0004 SELECT DISTINCT ON expressions must match initial ORDER BY expressions @ placed",
        ],
    );
    refused(
        "SELECT id FROM orders ORDER BY amount USING = LIMIT 1",
        &[
            "PGT0004 operator = is not a valid ordering operator @ = ? Ordering operators must be \"<\" or \">\" members of btree operator families.",
        ],
    );
    accepted("SELECT DISTINCT ON (status, id) id FROM orders ORDER BY id, status, placed");
    accepted("SELECT DISTINCT ON (status, id) id FROM orders ORDER BY id");
    accepted("SELECT DISTINCT ON (1) status AS a, id, status AS b FROM orders ORDER BY 1, 2, 3");
    accepted("SELECT id FROM orders ORDER BY id LIMIT NULL OFFSET NULL");
    assert!(reported("SELECT id FROM orders LIMIT ALL OFFSET 0", &[]).is_some());
}

#[test]
fn every_construct_is_named_at_once() {
    let sql = "SELECT c.id, any_value(o.note) AS notes, (SELECT max(id) FROM regions) AS top \
               FROM customers c LEFT OUTER JOIN orders o ON o.customer_id = c.id \
               GROUP BY c.id";
    let columns = reported(
        sql,
        &["PGT0203 any_value shows any one of several values @ any_value"],
    );
    let columns = columns.expect("they can be inferred");
    let names: Vec<&str> = columns.iter().map(|c| c.name.as_str()).collect();
    assert_eq!(names, ["id", "notes", "top"]);
}

#[test]
fn subqueries_are_bound_for_errors() {
    refused(
        "SELECT id FROM orders o WHERE EXISTS (SELECT 1 FROM items i WHERE i.order = o.id)",
        &["PGT0003 column i.order does not exist @ i"],
    );
    refused(
        "SELECT id FROM orders WHERE id IN (SELECT order_id, line FROM items)",
        &["PGT0004 subquery has too many columns @ IN"],
    );
    let columns = reported(
        "SELECT (SELECT o.amount FROM items WHERE order_id = o.id) AS a FROM orders o",
        &[],
    );
    assert_eq!(columns.map(|c| c[0].ty.ty.typmod), Some((12 << 16) + 2 + 4));
    // Columns of an enclosing query, behind its grouping.
    refused(
        "SELECT o.status, (SELECT count(*) FROM items i WHERE i.order_id = o.id) AS n FROM orders o GROUP BY o.status",
        &[
            "PGT0004 column \"o.id\" must appear in the GROUP BY clause or be used in an aggregate function @ (",
        ],
    );
    accepted(
        "SELECT o.id, o.status, (SELECT count(*) FROM items i WHERE i.order_id = o.id AND o.status = 'a') AS n FROM orders o GROUP BY o.id",
    );
    accepted(
        "SELECT status FROM orders o GROUP BY status HAVING EXISTS (SELECT 1 FROM items i WHERE i.order_id = max(o.id))",
    );
}

#[test]
fn places_in_views_are_told_by_name() {
    reported(
        "SELECT at FROM lucky",
        &["PGT0121 in view public.lucky: function random() is VOLATILE"],
    );
}

#[test]
fn depth_is_bounded() {
    let nest = |n: usize| {
        let mut sql = String::from("SELECT id FROM regions");
        for _ in 0..n {
            sql = format!("SELECT id FROM ({sql}) s");
        }
        sql
    };
    accepted(&nest(40));
    refused(&nest(60), &["PGT0005 queries are nested too deeply"]);
    let unions = vec!["SELECT id FROM regions"; 100].join(" UNION ALL ");
    accepted(&unions);
}

#[test]
fn aggregates_of_a_query_around_where_it_has_none() {
    refused(
        "SELECT id FROM orders o WHERE EXISTS (SELECT 1 FROM nodes n HAVING max(o.id) > 1)",
        &["PGT0004 aggregate functions are not allowed in WHERE @ max"],
    );
    refused(
        "SELECT sum((SELECT max(o.id))) FROM orders o",
        &["PGT0004 aggregate function calls cannot be nested @ max"],
    );
    refused(
        "SELECT x.m FROM orders o, LATERAL (SELECT max(o.id) AS m) AS x",
        &[
            "PGT0004 aggregate functions are not allowed in FROM clause of their own query level @ max",
        ],
    );
    refused(
        "SELECT (SELECT max(o.id)), o.note FROM orders o",
        &[
            "PGT0004 column \"o.note\" must appear in the GROUP BY clause or be used in an aggregate function @ o",
        ],
    );
    accepted("SELECT customer_id, (SELECT max(o.id)) AS m FROM orders o GROUP BY customer_id");
    reported(
        "SELECT (SELECT max((SELECT o.id)) FROM nodes) AS m FROM orders o",
        &["PGT0106 an aggregate of the query around, of a subquery @ max"],
    );
}
