//! Binding chooses what the server chooses.
//!
//! Each expression is made a view on the server, whose column says the type, typmod and collation,
//! and whose analysed tree says which functions, operators and aggregates were chosen; the compiler
//! binds the same text over a snapshot of the same catalog. Both must agree, also on what is an
//! error. The expressions are those of `typing/expressions.sql`, and all pairs of columns under
//! common operators and beside subqueries, all casts between their types, and all functions of one
//! argument.

use compiler::bind::context::{AggregateCall, BindError, Context, SublinkKind};
use compiler::bind::expr::{ExprPosition, bind_expr};
use compiler::parse::parse;
use compiler::typing::Typing;
use harness::Database;
use pg_query::NodeEnum;
use pg_query::protobuf::Node;
use postgres::{Client, NoTls};
use spec::catalog::{Catalog, Objects, Relation, SNAPSHOT_SQL, TypeKind, Volatility};
use spec::types::{Oid, SqlType};
use spec::{Expr, Reason, ReasonCode, Span};

const SCHEMA: &str = include_str!("typing/schema.sql");
const SUBQUERIES: &str = include_str!("typing/subqueries.sql");
const EXPRESSIONS: &str = include_str!("typing/expressions.sql");

/// What one side says about an expression.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Bound {
    ty: SqlType,
    functions: Vec<u32>,
    operators: Vec<u32>,
    aggregates: Vec<u32>,
}

type Answer = Result<Bound, String>;

/// A connection to a database with the schema: a new one of the shared server, or, to try
/// something out, the one that `PGT_TYPING_DATABASE` names.
struct Server {
    client: Client,
    _database: Option<Database>,
}

impl Server {
    fn new() -> Server {
        let (mut client, database) = match std::env::var("PGT_TYPING_DATABASE") {
            Ok(url) => (Client::connect(&url, NoTls).expect("a connection"), None),
            Err(_) => {
                let database = Database::new();
                (database.connect(), Some(database))
            }
        };
        let setup = "DROP SCHEMA IF EXISTS other CASCADE; DROP SCHEMA IF EXISTS typing CASCADE;
             CREATE SCHEMA typing; SET search_path = typing;";
        client.batch_execute(setup).expect("a schema");
        client.batch_execute(SCHEMA).expect("the schema");
        client.batch_execute(PROBE).expect("the probe");
        Server {
            client,
            _database: database,
        }
    }

    fn catalog(&mut self) -> Catalog {
        let sql = "SELECT oid FROM pg_class WHERE relname = 't0' AND relnamespace = 'typing'::regnamespace";
        let table: u32 = self.client.query_one(sql, &[]).expect("the table").get(0);
        self.client
            .batch_execute("SET search_path = ''")
            .expect("a search path");
        let none: Vec<u32> = vec![];
        let path = vec!["typing"];
        let row = self
            .client
            .query_one(
                &format!("SELECT ({SNAPSHOT_SQL})::text"),
                &[&vec![table], &12_000_u32, &u32::MAX, &none, &path],
            )
            .expect("a snapshot");
        self.client
            .batch_execute("SET search_path = typing")
            .expect("a search path");
        let objects: Objects = serde_json::from_str(row.get(0)).expect("a readable snapshot");
        Catalog::new(objects)
    }

    fn answers(&mut self, expressions: &[String]) -> Vec<Answer> {
        let rows = self
            .client
            .query(
                "SELECT p.type::int8, p.typmod, p.collation::int8, p.tree, p.error
                   FROM unnest($1::text[]) WITH ORDINALITY AS e(sql, i)
                  CROSS JOIN LATERAL typing.probe(e.sql) p ORDER BY e.i",
                &[&expressions],
            )
            .expect("answers");
        let oid = |value: i64| Oid(u32::try_from(value).expect("an oid"));
        rows.iter()
            .map(|row| match row.get::<_, Option<String>>(4) {
                Some(error) => Err(error),
                None => {
                    let tree: &str = row.get(3);
                    let mut functions = numbers(tree, ":funcid ");
                    functions.extend(numbers(tree, ":winfnoid "));
                    functions.sort_unstable();
                    let mut operators = numbers(tree, ":opno ");
                    operators.extend(lists(tree, ":opnos "));
                    operators.sort_unstable();
                    Ok(Bound {
                        ty: SqlType {
                            oid: oid(row.get(0)),
                            typmod: row.get(1),
                            collation: oid(row.get(2)),
                        },
                        functions,
                        operators,
                        aggregates: numbers(tree, ":aggfnoid "),
                    })
                }
            })
            .collect()
    }
}

/// Makes a view of an expression, reads what became of it, and takes it back.
const PROBE: &str = r#"
CREATE FUNCTION typing.probe(sql text, OUT type oid, OUT typmod int4, OUT collation oid,
                             OUT tree text, OUT error text)
LANGUAGE plpgsql AS $$
BEGIN
    BEGIN
        EXECUTE 'CREATE VIEW typing.probed AS SELECT ' || sql || E'\n AS x FROM typing.t0';
        SELECT a.atttypid, a.atttypmod, a.attcollation, r.ev_action::text
          INTO type, typmod, collation, tree
          FROM pg_attribute a JOIN pg_rewrite r ON r.ev_class = a.attrelid
         WHERE a.attrelid = 'typing.probed'::regclass AND a.attname = 'x';
        RAISE EXCEPTION USING ERRCODE = 'PGT00';
    EXCEPTION
        WHEN SQLSTATE 'PGT00' THEN NULL;
        WHEN OTHERS THEN error := SQLSTATE || ' ' || SQLERRM;
    END;
END $$;
"#;

/// The numbers that follow a key of a node tree, sorted.
fn numbers(tree: &str, key: &str) -> Vec<u32> {
    let number = |rest: &str| {
        let digits: String = rest.chars().take_while(char::is_ascii_digit).collect();
        digits.parse().ok()
    };
    let mut found: Vec<u32> = tree.split(key).skip(1).filter_map(number).collect();
    found.sort_unstable();
    found
}

/// The members of OID lists, `(o 1 2 3)`.
fn lists(tree: &str, key: &str) -> Vec<u32> {
    let members = |rest: &str| -> Vec<u32> {
        let list = rest.strip_prefix("(o ").and_then(|r| r.split(')').next());
        list.unwrap_or_default()
            .split(' ')
            .filter_map(|n| n.parse().ok())
            .collect()
    };
    tree.split(key).skip(1).flat_map(members).collect()
}

/// The clause `SELECT … FROM t0`.
struct Clause<'a> {
    catalog: &'a Catalog,
    table: &'a Relation,
    reported: bool,
    in_aggregate: bool,
}

impl Context for Clause<'_> {
    fn column(&mut self, name: &[String], span: Option<Span>) -> Result<Expr, BindError> {
        let missing = |message: String| {
            Err(BindError(Box::new(Reason {
                code: ReasonCode::Name,
                message,
                span,
                hint: None,
            })))
        };
        let name = match name {
            [name] => name,
            [table, name] if table == "t0" => name,
            _ => return missing("no such table".into()),
        };
        if let Some(i) = self.table.columns.iter().position(|c| c.name == *name) {
            return Ok(Expr::column(i, self.table.columns[i].ty));
        }
        if name == "t0" {
            return Ok(Expr::column(
                1000,
                self.catalog.sql_type(self.table.row_type, -1),
            ));
        }
        missing(format!("column {name} does not exist"))
    }

    fn star(
        &mut self,
        qualifier: &[String],
        span: Option<Span>,
    ) -> Result<Vec<(String, Expr)>, BindError> {
        if qualifier.is_empty() || qualifier == ["t0"] {
            let columns = self.table.columns.iter().enumerate();
            return Ok(columns
                .map(|(i, c)| (c.name.clone(), Expr::column(i, c.ty)))
                .collect());
        }
        self.column(&["no such table".to_owned()], span)
            .map(|_| vec![])
    }

    fn window(&mut self, call: compiler::bind::context::WindowCall) -> Result<Expr, BindError> {
        Ok(Expr::null(call.ty))
    }

    fn aggregate(&mut self, call: AggregateCall) -> Result<Expr, BindError> {
        Ok(Expr::column(2000, call.ty))
    }

    fn grouping(&mut self, _: Vec<Expr>, _: Option<Span>) -> Result<Expr, BindError> {
        unreachable!("no grouping sets here")
    }

    fn enter_aggregate(&mut self, span: Option<Span>) -> Result<(), BindError> {
        if self.in_aggregate {
            return self
                .column(&["nested aggregates".to_owned()], span)
                .map(|_| ());
        }
        self.in_aggregate = true;
        Ok(())
    }

    fn leave_aggregate(&mut self) {
        self.in_aggregate = false;
    }

    fn sublink(&mut self, _: SublinkKind, _: &Node, _: Option<Span>) -> Result<Expr, BindError> {
        unreachable!("no subqueries here")
    }

    fn report(&mut self, _: Reason) {
        self.reported = true;
    }

    fn volatility(&mut self, _: &str, _: Volatility, _: Option<Span>) {}
}

/// What the compiler says; none where it reports the expression as beyond it.
fn bind(sql: &str, catalog: &Catalog) -> Option<Answer> {
    let table = catalog.relation_named(None, "t0").expect("the table");
    let text = format!("SELECT {sql}");
    let tree = match parse(&text) {
        Ok(tree) => tree,
        Err(e) => return Some(Err(e.to_string())),
    };
    let statement = tree
        .stmts
        .first()
        .and_then(|s| s.stmt.as_ref())
        .and_then(|s| s.node.as_ref());
    let Some(NodeEnum::SelectStmt(select)) = statement else {
        panic!("not a SELECT: {sql}");
    };
    let Some(NodeEnum::ResTarget(target)) =
        select.target_list.first().and_then(|t| t.node.as_ref())
    else {
        panic!("no expression: {sql}");
    };
    let value = target.val.as_ref().expect("a value");
    let typing = Typing::new(catalog, Some(&text));
    let mut clause = Clause {
        catalog,
        table,
        reported: false,
        in_aggregate: false,
    };
    let bound = bind_expr(value, ExprPosition::SelectList, &mut clause, &typing);
    if clause.reported {
        return None;
    }
    let expr = match bound {
        Ok(expr) => typing.resolve_unknown(expr),
        Err(e) if e.0.code == ReasonCode::Unsupported => return None,
        Err(e) => return Some(Err(e.to_string())),
    };
    // What a view's column may not be.
    let ty = expr.ty();
    if catalog
        .ty(ty.oid)
        .is_some_and(|t| t.kind == TypeKind::Pseudo)
    {
        return Some(Err("a pseudo-type".into()));
    }
    if catalog.type_collation(ty.oid).is_valid() && !ty.collation.is_valid() {
        return Some(Err("no collation".into()));
    }
    let bindings = typing.bindings();
    let plain = |oids: &[Oid]| oids.iter().map(|o| o.0).collect();
    Some(Ok(Bound {
        ty,
        functions: plain(&bindings.functions),
        operators: plain(&bindings.operators),
        aggregates: plain(&bindings.aggregates),
    }))
}

/// What the compiler says of the query that has the expression for its output.
fn bind_query(sql: &str, catalog: &Catalog) -> Option<Answer> {
    let text = format!("SELECT {sql}\n AS x FROM t0");
    let analysis = match compiler::analyse::analyse(&text, catalog) {
        Ok(analysis) => analysis,
        Err(reasons) => {
            let beyond = reasons.iter().any(|r| r.code == ReasonCode::Unsupported);
            let refused = reasons.iter().map(|r| r.message.clone());
            return (!beyond).then(|| Err(refused.collect::<Vec<_>>().join("; ")));
        }
    };
    let ty = analysis.columns()?.first()?.ty.ty;
    let plain = |oids: &[Oid]| oids.iter().map(|o| o.0).collect();
    Some(Ok(Bound {
        ty,
        functions: plain(&analysis.bindings.functions),
        operators: plain(&analysis.bindings.operators),
        aggregates: plain(&analysis.bindings.aggregates),
    }))
}

type Bind = fn(&str, &Catalog) -> Option<Answer>;

/// Compares; returns how many were bound alike, and the differences.
fn compare(
    server: &mut Server,
    catalog: &Catalog,
    expressions: &[String],
    bind: Bind,
) -> (usize, Vec<String>) {
    let (mut alike, mut beyond, mut different) = (0, 0, vec![]);
    for chunk in expressions.chunks(500) {
        for (sql, theirs) in chunk.iter().zip(server.answers(chunk)) {
            match (bind(sql, catalog), theirs) {
                (None, _) => beyond += 1,
                (Some(Err(_)), Err(_)) => {}
                (Some(Ok(ours)), Ok(theirs)) if ours == theirs => alike += 1,
                // The server reads literals when it analyses; not all types are read by us.
                (Some(Ok(_)), Err(e))
                    if ["22P02 ", "22007 ", "22008 ", "0A000 "]
                        .iter()
                        .any(|c| e.starts_with(c)) =>
                {
                    beyond += 1;
                }
                (Some(ours), theirs) => {
                    different.push(format!("{sql}\n  ours   {ours:?}\n  server {theirs:?}"));
                }
            }
        }
    }
    eprintln!(
        "{} expressions: {alike} bound alike, {beyond} beyond us, {} different",
        expressions.len(),
        different.len()
    );
    (alike, different)
}

fn assert_alike(expressions: &[String], at_least: usize) {
    let mut server = Server::new();
    let catalog = server.catalog();
    check(&mut server, &catalog, expressions, at_least);
}

fn check(server: &mut Server, catalog: &Catalog, expressions: &[String], at_least: usize) {
    check_by(server, catalog, expressions, at_least, bind);
}

fn check_by(
    server: &mut Server,
    catalog: &Catalog,
    expressions: &[String],
    at_least: usize,
    bind: Bind,
) {
    let (alike, different) = compare(server, catalog, expressions, bind);
    let shown: Vec<&str> = different.iter().take(60).map(String::as_str).collect();
    assert!(
        different.is_empty(),
        "{} differ:\n{}",
        different.len(),
        shown.join("\n")
    );
    assert!(
        alike >= at_least,
        "only {alike} of {} mean anything",
        expressions.len()
    );
}

fn columns() -> Vec<String> {
    let table = SCHEMA.split("CREATE TABLE t0 (").nth(1).expect("the table");
    let body = table.split(");").next().expect("its end");
    let mut columns = vec![];
    let mut depth = 0;
    let mut start = true;
    let mut name = String::new();
    for c in body.chars() {
        match c {
            '(' => depth += 1,
            ')' => depth -= 1,
            ',' if depth == 0 => {
                columns.push(std::mem::take(&mut name));
                start = true;
                continue;
            }
            c if c.is_whitespace() && start && name.is_empty() => continue,
            c if c.is_whitespace() => start = false,
            _ => {}
        }
        if start {
            name.push(c);
        }
    }
    columns.push(name);
    columns
}

#[test]
fn listed_expressions() {
    let lines = EXPRESSIONS
        .lines()
        .filter(|l| !l.starts_with("--") && !l.trim().is_empty());
    let expressions: Vec<String> = lines.map(str::to_owned).collect();
    assert!(expressions.len() > 900, "{}", expressions.len());
    assert_alike(&expressions, 650);
}

#[test]
fn pairs_of_columns() {
    let columns = columns();
    let mut expressions = vec![];
    for a in &columns {
        for b in &columns {
            for form in [
                "A = B",
                "A < B",
                "A + B",
                "A - B",
                "A * B",
                "A || B",
                "COALESCE(A, B)",
                "A @> B",
            ] {
                expressions.push(
                    form.replace('A', a)
                        .replace('B', b)
                        .replace(&format!("CO{a}LESCE"), "COALESCE"),
                );
            }
        }
    }
    assert_alike(&expressions, 1500);
}

/// Subqueries of all kinds: the operators that ANY and ALL choose, and the types of values.
#[test]
fn subqueries() {
    let mut server = Server::new();
    let catalog = server.catalog();
    let columns = columns();
    let mut expressions: Vec<String> = SUBQUERIES
        .lines()
        .filter(|l| !l.starts_with("--") && !l.trim().is_empty())
        .map(str::to_owned)
        .collect();
    assert!(expressions.len() > 50, "{}", expressions.len());
    for a in &columns {
        expressions.push(format!("(SELECT s.{a} FROM t0 s LIMIT ALL)"));
        expressions.push(format!("ARRAY(SELECT s.{a} FROM t0 s)"));
        expressions.push(format!("({a}, '1') = (SELECT s.{a}, s.i4 FROM t0 s)"));
        expressions.push(format!("{a} IN (SELECT NULL)"));
        expressions.push(format!("'1' <> ALL (SELECT s.{a} FROM t0 s)"));
        expressions.push(format!("({a}, '1') > ANY (SELECT s.{a}, s.i4 FROM t0 s)"));
        for b in &columns {
            expressions.push(format!(
                "{a} IN (SELECT s.{b} FROM t0 s WHERE s.i4 = t0.i4)"
            ));
            expressions.push(format!("(i8, {a}) < ALL (SELECT s.i4, s.{b} FROM t0 s)"));
        }
    }
    check_by(&mut server, &catalog, &expressions, 650, bind_query);
}

#[test]
fn literals_beside_columns() {
    let mut expressions = vec![];
    for a in columns() {
        for literal in [
            "'1'",
            "NULL",
            "1",
            "1.5",
            "2147483648",
            "'{1}'",
            "'2024-01-01'",
        ] {
            for operator in ["=", "<", "+", "-", "*", "||", "LIKE", "->", "@>"] {
                expressions.push(format!("{a} {operator} {literal}"));
                expressions.push(format!("{literal} {operator} {a}"));
            }
            expressions.push(format!("{a} IN ({literal}, NULL)"));
            expressions.push(format!("CASE WHEN b THEN {a} ELSE {literal} END"));
            expressions.push(format!("NULLIF({a}, {literal})"));
            expressions.push(format!("ARRAY[{a}, {literal}]"));
            expressions.push(format!("ROW({a}, 1) < ROW({literal}, 2)"));
        }
    }
    assert_alike(&expressions, 1500);
}

/// Columns of set operations: their types, typmods and collations, and what is an error.
#[test]
fn set_operations() {
    let mut server = Server::new();
    let catalog = server.catalog();
    let mut selects = vec![];
    for a in columns() {
        for b in columns() {
            for word in ["UNION ALL", "EXCEPT"] {
                selects.push(format!("{a} AS x FROM t0 {word} SELECT {b}"));
            }
        }
        for literal in ["'1'", "NULL", "1", "1.5", "'2024-01-01'"] {
            for word in ["UNION", "UNION ALL", "INTERSECT ALL"] {
                selects.push(format!("{a} AS x FROM t0 {word} SELECT {literal}"));
                selects.push(format!("{literal} AS x FROM t0 {word} SELECT {a}"));
                selects.push(format!(
                    "{literal} AS x FROM t0 {word} SELECT NULL FROM t0 UNION ALL SELECT {a}"
                ));
            }
        }
    }
    let answers = server.answers(&selects);
    let mut wrong = vec![];
    let mut fine = 0;
    for (select, answer) in selects.iter().zip(answers) {
        let sql = format!("SELECT {select} AS x FROM typing.t0");
        let found = match compiler::analyse::analyse(&sql, &catalog) {
            Ok(a) => a
                .columns()
                .and_then(|c| Some(c.first()?.ty.ty))
                .ok_or_else(|| "no column".to_owned()),
            Err(reasons) => Err(reasons.into_iter().map(|r| r.message).collect()),
        };
        let alike = match (&found, &answer) {
            (Ok(found), Ok(answer)) => *found == answer.ty,
            (Err(_), Err(_)) => true,
            // Literals are not parsed here.
            (Ok(_), Err(e)) => ["22P02", "22007", "22008"].contains(&&e[..5]),
            _ => false,
        };
        fine += usize::from(alike && answer.is_ok());
        if !alike {
            wrong.push(format!("{sql}\n    {found:?}\n    server: {answer:?}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(fine > 500, "{fine}");
}

#[test]
fn casts() {
    let types = [
        "int2",
        "int4",
        "int8",
        "float4",
        "float8",
        "numeric",
        "numeric(6,1)",
        "text",
        "varchar",
        "varchar(3)",
        "char(4)",
        "bpchar",
        "name",
        "\"char\"",
        "bool",
        "date",
        "time",
        "time(2)",
        "timetz",
        "timestamp",
        "timestamp(1)",
        "timestamptz",
        "interval",
        "interval(1)",
        "interval hour",
        "uuid",
        "jsonb",
        "json",
        "bytea",
        "bit(4)",
        "varbit(3)",
        "oid",
        "money",
        "point",
        "inet",
        "xml",
        "int4[]",
        "text[]",
        "numeric(5,1)[]",
        "varchar(2)[]",
        "int4range",
        "int4multirange",
        "mood",
        "mood[]",
        "addr",
        "posint",
        "label",
        "ints",
        "money2",
        "ctext",
    ];
    let mut expressions = vec![];
    for a in columns() {
        for ty in types {
            expressions.push(format!("{a}::{ty}"));
        }
    }
    assert_alike(&expressions, 600);
}

#[test]
fn functions_of_one_argument() {
    let mut server = Server::new();
    let catalog = server.catalog();
    // Only what may stand in a view's select list; some names are syntax when not quoted.
    let sql = "SELECT DISTINCT quote_ident(proname) FROM pg_proc
                WHERE pronargs - pronargdefaults <= 1 AND pronargs >= 1 AND prokind IN ('f', 'a')
                  AND prorettype NOT IN ('internal'::regtype, 'trigger'::regtype, 'event_trigger'::regtype)
                  AND NOT proretset AND proargtypes[0] NOT IN ('internal'::regtype, 'cstring'::regtype)
                ORDER BY 1";
    let names: Vec<String> = server
        .client
        .query(sql, &[])
        .expect("names")
        .iter()
        .map(|r| r.get(0))
        .collect();
    let mut expressions = vec![];
    for name in &names {
        for arg in [
            "i4", "i8", "n2", "t", "v", "'1'", "d", "tstz", "ia", "j", "r", "e", "pi",
        ] {
            expressions.push(format!("{name}({arg})"));
        }
    }
    check(&mut server, &catalog, &expressions, 1000);
}

#[test]
fn functions_of_two_arguments() {
    let mut server = Server::new();
    let catalog = server.catalog();
    let sql = "SELECT DISTINCT quote_ident(proname) FROM pg_proc
                WHERE pronargs - pronargdefaults <= 2 AND pronargs >= 2 AND prokind IN ('f', 'a')
                  AND prorettype NOT IN ('internal'::regtype, 'trigger'::regtype)
                  AND NOT proretset AND 'internal'::regtype <> ALL (proargtypes)
                ORDER BY 1";
    let names = server.client.query(sql, &[]).expect("names");
    let mut expressions = vec![];
    let args = ["i4", "n2", "v", "'1'", "d", "ia", "j"];
    for name in names.iter().map(|r| r.get::<_, String>(0)) {
        for a in args {
            for b in args {
                expressions.push(format!("{name}({a}, {b})"));
            }
        }
    }
    check(&mut server, &catalog, &expressions, 1000);
}

/// Values at the edges of types.
const EDGES: &[(&str, &[&str])] = &[
    ("bool", &["true", "false"]),
    ("\"char\"", &["", "a", "\\377"]),
    ("int2", &["-32768", "32767", "0", "-1"]),
    ("int4", &["-2147483648", "2147483647", "0", "-1"]),
    (
        "int8",
        &["-9223372036854775808", "9223372036854775807", "0", "-1"],
    ),
    ("oid", &["0", "4294967295"]),
    (
        "float4",
        &["NaN", "Infinity", "-Infinity", "-0", "3.4e38", "1e-45"],
    ),
    (
        "float8",
        &["NaN", "Infinity", "-Infinity", "-0", "1.7e308", "5e-324"],
    ),
    (
        "numeric",
        &["NaN", "Infinity", "-Infinity", "0", "1e131071", "-1e-16383"],
    ),
    ("money", &["-92233720368547758.08", "92233720368547758.07"]),
    ("text", &["", "a", "\\", "é%_"]),
    ("varchar", &["", "a"]),
    ("bpchar", &["", "a  "]),
    ("name", &["", "a"]),
    ("bytea", &["", "\\x00ff"]),
    (
        "date",
        &["-infinity", "infinity", "4714-11-24 BC", "5874897-12-31"],
    ),
    ("time", &["00:00", "24:00"]),
    ("timetz", &["00:00+15:59", "24:00-15:59"]),
    (
        "timestamp",
        &["-infinity", "infinity", "4714-11-24 BC", "294276-12-31"],
    ),
    (
        "timestamptz",
        &[
            "-infinity",
            "infinity",
            "4714-11-24 00:00:00+00 BC",
            "294276-12-31 23:59:59.999999+00",
        ],
    ),
    (
        "interval",
        &["0", "178000000 years", "-178000000 years", "infinity"],
    ),
    (
        "uuid",
        &[
            "00000000-0000-0000-0000-000000000000",
            "ffffffff-ffff-ffff-ffff-ffffffffffff",
        ],
    ),
    ("bit", &["1"]),
    ("varbit", &["", "101"]),
    ("inet", &["0.0.0.0/0", "::1"]),
    (
        "jsonb",
        &["null", "{}", "[]", "[1,2]", "\"a\"", "1e100", "{\"a\":[1]}"],
    ),
    ("mood", &["sad", "happy"]),
    ("tid", &["(0,0)", "(4294967295,65535)"]),
    ("xid", &["0", "4294967295"]),
    ("xid8", &["0", "18446744073709551615"]),
    ("cid", &["0", "4294967295"]),
    ("oidvector", &["", "1 4294967295"]),
    ("pg_lsn", &["0/0", "FFFFFFFF/FFFFFFFF"]),
    ("macaddr", &["00:00:00:00:00:00", "ff:ff:ff:ff:ff:ff"]),
    (
        "macaddr8",
        &["00:00:00:00:00:00:00:00", "ff:ff:ff:ff:ff:ff:ff:ff"],
    ),
    ("circle", &["<(0,0),0>", "<(0,0),1e300>"]),
    (
        "lseg",
        &["[(0,0),(0,0)]", "[(-1e308,-1e308),(1e308,1e308)]"],
    ),
];

/// What is held to raise no error raises none on values at the edges of its types.
#[test]
fn what_never_raises() {
    let mut server = Server::new();
    server
        .client
        .batch_execute(
            "CREATE OR REPLACE FUNCTION typing.raises(sql text) RETURNS text LANGUAGE plpgsql AS $$
         BEGIN EXECUTE sql; RETURN NULL; EXCEPTION WHEN OTHERS THEN RETURN SQLERRM; END $$",
        )
        .expect("a probe");
    let sql = "SELECT oid, oid::regproc::text, proargtypes::regtype[]::text[]
                 FROM pg_proc WHERE oid < 12000 AND prokind = 'f' AND pronargs BETWEEN 1 AND 2";
    let catalog = Catalog::builtin();
    let edges = |ty: &str| {
        let ty = match ty {
            "smallint" => "int2",
            "integer" => "int4",
            "bigint" => "int8",
            "boolean" => "bool",
            "real" => "float4",
            "double precision" => "float8",
            "character" => "bpchar",
            "character varying" => "varchar",
            "time without time zone" => "time",
            "time with time zone" => "timetz",
            "timestamp without time zone" => "timestamp",
            "timestamp with time zone" => "timestamptz",
            "bit varying" => "varbit",
            "anyenum" => "mood",
            other => other,
        };
        let found = EDGES.iter().find(|(name, _)| *name == ty);
        found.map(|(name, values)| {
            let typed = |v: &&str| format!("'{v}'::{name}");
            values
                .iter()
                .map(typed)
                .chain([format!("NULL::{name}")])
                .collect::<Vec<_>>()
        })
    };
    let mut calls: Vec<String> = vec![];
    let mut functions = 0;
    for row in server.client.query(sql, &[]).expect("functions") {
        let function = catalog.function(Oid(row.get(0)));
        if !function.is_some_and(compiler::expr_facts::never_raises) {
            continue;
        }
        let types: Vec<String> = row.get(2);
        let name: String = row.get(1);
        let Some(values) = types.iter().map(|t| edges(t)).collect::<Option<Vec<_>>>() else {
            panic!("{name}: no values of {types:?}");
        };
        functions += 1;
        for a in &values[0] {
            match values.get(1) {
                None => calls.push(format!("SELECT {name}({a})")),
                Some(others) => {
                    calls.extend(others.iter().map(|b| format!("SELECT {name}({a}, {b})")))
                }
            }
        }
    }
    let listed = calls.len();
    for (ty, values) in EDGES {
        let oid = catalog.type_named(Some("pg_catalog"), ty.trim_matches('"'));
        let oid = oid.map_or(Oid::INVALID, |t| t.oid);
        for value in *values {
            if compiler::expr_facts::HAVE_TEXT.contains(&oid) {
                calls.push(format!("SELECT '{value}'::{ty}::text"));
            }
            if matches!(oid.0, 1082 | 1114 | 1184) {
                for field in compiler::expr_facts::FIELDS {
                    calls.push(format!("SELECT extract({field} FROM '{value}'::{ty})"));
                }
            }
        }
    }
    assert!(calls.len() > listed + 100);
    let raised = server
        .client
        .query(
            "SELECT c, typing.raises(c) FROM unnest($1::text[]) c WHERE typing.raises(c) IS NOT NULL",
            &[&calls],
        )
        .expect("answers");
    let raised: Vec<(String, String)> = raised.iter().map(|r| (r.get(0), r.get(1))).collect();
    assert!(
        raised.is_empty(),
        "{} of {} raise: {raised:#?}",
        raised.len(),
        calls.len()
    );
    assert!(functions > 250, "{functions}");
    let sum = server
        .client
        .query_one("SELECT typing.raises('SELECT 2147483647 + 1')", &[])
        .expect("an answer");
    assert_eq!(sum.get::<_, &str>(0), "integer out of range");
}
