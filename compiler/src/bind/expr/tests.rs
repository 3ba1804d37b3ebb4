//! Expressions and what they are bound to, in a notation that shows every choice: functions and
//! operators with the types that they were chosen for, coercions, literals with their types.

use super::*;
use crate::bind::context::{AggregateCall, SublinkKind};
use spec::catalog::{Catalog, Volatility};
use spec::expr::{BoolTest, Coercion, ExprKind};

/// A table of one column each of some common types.
const COLUMNS: &[(&str, u32, i32, u32)] = &[
    ("i2", 21, -1, 0),
    ("i4", 23, -1, 0),
    ("i8", 20, -1, 0),
    ("f4", 700, -1, 0),
    ("f8", 701, -1, 0),
    ("n", 1700, -1, 0),
    ("n2", 1700, (10 << 16) + 2 + 4, 0),
    ("t", 25, -1, 100),
    ("tc", 25, -1, 950),
    ("tx", 25, -1, 951),
    ("v", 1043, 14, 100),
    ("c", 1042, 9, 100),
    ("b", 16, -1, 0),
    ("d", 1082, -1, 0),
    ("ts", 1114, -1, 0),
    ("tz", 1184, -1, 0),
    ("iv", 1186, -1, 0),
    ("ia", 1007, -1, 0),
    ("ta", 1009, -1, 100),
    ("j", 3802, -1, 0),
    ("js", 114, -1, 0),
    ("u", 2950, -1, 0),
    ("r", 3904, -1, 0),
    ("nm", 19, -1, 950),
];

#[derive(Default)]
struct Table {
    reports: Vec<Reason>,
    unsteady: Vec<String>,
    aggregates: Vec<AggregateCall>,
}

impl Context for Table {
    fn column(&mut self, name: &[String], span: Option<Span>) -> Result<Expr, BindError> {
        let name = match name {
            [name] => name,
            [table, name] if table == "t0" => name,
            _ => return Err(error(ReasonCode::Name, "no such table", span)),
        };
        let found = COLUMNS.iter().position(|c| c.0 == name);
        let i = found.ok_or_else(|| {
            error(
                ReasonCode::Name,
                format!("column \"{name}\" does not exist"),
                span,
            )
        })?;
        let (_, oid, typmod, collation) = COLUMNS[i];
        let ty = SqlType {
            oid: Oid(oid),
            typmod,
            collation: Oid(collation),
        };
        Ok(Expr::column(i, ty))
    }

    fn star(
        &mut self,
        qualifier: &[String],
        span: Option<Span>,
    ) -> Result<Vec<(String, Expr)>, BindError> {
        if qualifier.is_empty() || qualifier == ["t0"] {
            let column = |c: &(&str, u32, i32, u32)| {
                Ok((c.0.to_owned(), self.column(&[c.0.to_owned()], span)?))
            };
            return COLUMNS.iter().map(column).collect();
        }
        Err(error(ReasonCode::Name, "no such table", span))
    }

    fn window(&mut self, call: crate::bind::context::WindowCall) -> Result<Expr, BindError> {
        Ok(Expr::null(call.ty))
    }

    fn aggregate(&mut self, call: AggregateCall) -> Result<Expr, BindError> {
        let ty = call.ty;
        self.aggregates.push(call);
        Ok(Expr::column(100 + self.aggregates.len(), ty))
    }

    fn grouping(&mut self, _: Vec<Expr>, _: Option<Span>) -> Result<Expr, BindError> {
        Ok(Expr::null(SqlType::new(oids::INT4)))
    }

    fn enter_aggregate(&mut self, _: Option<Span>) -> Result<(), BindError> {
        Ok(())
    }

    fn leave_aggregate(&mut self) {}

    fn sublink(&mut self, _: SublinkKind, _: &Node, span: Option<Span>) -> Result<Expr, BindError> {
        self.report(Reason {
            code: ReasonCode::Subquery,
            message: "subquery".into(),
            span,
            hint: None,
        });
        Ok(Expr::null(SqlType::new(oids::BOOL)))
    }

    fn report(&mut self, reason: Reason) {
        self.reports.push(reason);
    }

    fn volatility(&mut self, what: &str, volatility: Volatility, _: Option<Span>) {
        self.unsteady.push(format!("{what}: {volatility:?}"));
    }
}

fn bind_in(sql: &str, catalog: &Catalog, table: &mut Table) -> Result<Expr, BindError> {
    let text = format!("SELECT {sql}");
    let tree = crate::parse::parse(&text).expect("the test's SQL parses");
    let statement = tree.stmts[0].stmt.as_ref().and_then(|s| s.node.as_ref());
    let Some(NodeEnum::SelectStmt(select)) = statement else {
        panic!("not a SELECT: {sql}");
    };
    let Some(NodeEnum::ResTarget(target)) = &select.target_list[0].node else {
        panic!("no target: {sql}");
    };
    let value = target.val.as_ref().expect("a value");
    let typing = Typing::new(catalog, Some(&text));
    bind_expr(value, ExprPosition::SelectList, table, &typing)
}

fn bind(sql: &str) -> Result<Expr, BindError> {
    bind_in(sql, &Catalog::builtin(), &mut Table::default())
}

/// For tests of other modules: an expression over the table.
pub(crate) fn bind_in_table(sql: &str) -> Expr {
    bind(sql).unwrap_or_else(|e| panic!("{sql}: {e}"))
}

/// The notation.
fn show(catalog: &Catalog, e: &Expr) -> String {
    let list = |args: &[Expr]| {
        args.iter()
            .map(|a| show(catalog, a))
            .collect::<Vec<_>>()
            .join(", ")
    };
    let ty = || crate::typing::Typing::new(catalog, None).full_type_name(e.ty());
    let types = |oids: &[Oid]| {
        let name = |o: &Oid| catalog.ty(*o).map_or("?".to_owned(), |t| t.name.clone());
        oids.iter().map(name).collect::<Vec<_>>().join(",")
    };
    let operator = |oid: Oid| {
        let o = catalog.operator(oid).expect("a known operator");
        if o.left.is_valid() {
            format!("{}[{}]", o.name, types(&[o.left, o.right]))
        } else {
            format!("{}[{}]", o.name, types(&[o.right]))
        }
    };
    match e.kind() {
        ExprKind::Column(i) => COLUMNS
            .get(*i)
            .map_or(format!("agg{i}"), |c| c.0.to_owned()),
        ExprKind::Const(None) => format!("NULL::{}", ty()),
        ExprKind::Const(Some(text)) => format!("'{text}'::{}", ty()),
        ExprKind::Call {
            function,
            args,
            variadic,
            ..
        } => {
            let f = catalog.function(*function).expect("a known function");
            let mut shown: Vec<String> = args.iter().map(|a| show(catalog, a)).collect();
            if let Some(last) = shown.last_mut().filter(|_| *variadic) {
                *last = format!("VARIADIC {last}");
            }
            format!("{}[{}]({})", f.name, types(&f.args), shown.join(", "))
        }
        ExprKind::Operator {
            operator: o, args, ..
        } => match args.as_slice() {
            [l, r] => format!(
                "({} {} {})",
                show(catalog, l),
                operator(*o),
                show(catalog, r)
            ),
            _ => format!("({} {})", operator(*o), list(args)),
        },
        ExprKind::And(args) => format!("AND({})", list(args)),
        ExprKind::Or(args) => format!("OR({})", list(args)),
        ExprKind::Not(arg) => format!("NOT {}", show(catalog, arg)),
        ExprKind::IsNull { arg, negated, row } => format!(
            "{} IS{} NULL{}",
            show(catalog, arg),
            if *negated { " NOT" } else { "" },
            if *row { " (row)" } else { "" }
        ),
        ExprKind::BoolTest { arg, test } => {
            let test = match test {
                BoolTest::IsTrue => "IS TRUE",
                other => return format!("{} {other:?}", show(catalog, arg)),
            };
            format!("{} {test}", show(catalog, arg))
        }
        ExprKind::Distinct {
            operator: o,
            args,
            negated,
            ..
        } => {
            let name = if *negated { "SAME" } else { "DISTINCT" };
            format!("{name}{}({})", operator(*o), list(args))
        }
        ExprKind::NullIf {
            operator: o, args, ..
        } => {
            format!("NULLIF{}({})", operator(*o), list(args))
        }
        ExprKind::ScalarArray {
            operator: o,
            any,
            left,
            array,
            ..
        } => format!(
            "({} {} {} {})",
            show(catalog, left),
            operator(*o),
            if *any { "ANY" } else { "ALL" },
            show(catalog, array)
        ),
        ExprKind::Case { whens, otherwise } => {
            let when =
                |(c, r): &(Expr, Expr)| format!("{} => {}", show(catalog, c), show(catalog, r));
            let whens: Vec<String> = whens.iter().map(when).collect();
            format!("CASE({}; {})", whens.join("; "), show(catalog, otherwise))
        }
        ExprKind::Coalesce(args) => format!("COALESCE({})", list(args)),
        ExprKind::MinMax { greatest, args, .. } => {
            format!(
                "{}({})",
                if *greatest { "GREATEST" } else { "LEAST" },
                list(args)
            )
        }
        ExprKind::Array(args) => format!("ARRAY[{}]", list(args)),
        ExprKind::Row { fields, .. } => format!("ROW({})", list(fields)),
        ExprKind::Field { arg, name, .. } => format!("({}).{name}", show(catalog, arg)),
        ExprKind::Subscript {
            container,
            subscripts,
            slice,
        } => {
            let one = |s: &Option<Expr>| s.as_ref().map_or(String::new(), |e| show(catalog, e));
            let each = |(l, u): &(Option<Expr>, Option<Expr>)| {
                if *slice {
                    format!("[{}:{}]", one(l), one(u))
                } else {
                    format!("[{}]", one(u))
                }
            };
            let all: String = subscripts.iter().map(each).collect();
            format!("{}{all}", show(catalog, container))
        }
        ExprKind::Cast { arg, coercion, .. } => {
            let how = match coercion {
                Coercion::Function(f) => {
                    format!(
                        " by {}",
                        catalog.function(*f).expect("a known function").name
                    )
                }
                Coercion::Array(f) if f.is_valid() => {
                    format!(
                        " each by {}",
                        catalog.function(*f).expect("a known function").name
                    )
                }
                Coercion::Array(_) => " each".into(),
                Coercion::Relabel => String::new(),
                Coercion::InOut => " by text".into(),
                other => format!(" by {other:?}"),
            };
            format!("CAST({} AS {}{how})", show(catalog, arg), ty())
        }
        ExprKind::Collate(arg) => {
            let name = catalog
                .collation(e.ty().collation)
                .map_or("?", |c| c.name.as_str());
            format!("({} COLLATE {name})", show(catalog, arg))
        }
        ExprKind::OneRow(arg) => format!("one row of {}", show(catalog, arg)),
        ExprKind::SessionValue(v) => format!("{v:?}"),
        ExprKind::Verbatim { .. } => "verbatim".into(),
    }
}

/// Each line: an expression, what it is bound to, its type.
fn check(cases: &[(&str, &str, &str)]) {
    let catalog = Catalog::builtin();
    let mut wrong = vec![];
    for (sql, bound, ty) in cases {
        let (got, got_type) = match bind(sql) {
            Ok(e) => (
                show(&catalog, &e),
                Typing::new(&catalog, None).full_type_name(e.ty()),
            ),
            Err(e) => (format!("error: {e}"), String::new()),
        };
        if got != *bound || got_type != *ty {
            wrong.push(format!(
                "{sql}\n  want {bound} : {ty}\n  got  {got} : {got_type}"
            ));
        }
    }
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}

fn check_errors(cases: &[(&str, &str)]) {
    for (sql, message) in cases {
        match bind(sql) {
            Ok(e) => panic!("{sql} is bound to {}", show(&Catalog::builtin(), &e)),
            Err(e) => assert_eq!(&e.to_string(), message, "{sql}"),
        }
    }
}

#[test]
fn literals_have_the_type_of_their_size() {
    check(&[
        ("1", "'1'::integer", "integer"),
        ("2147483647", "'2147483647'::integer", "integer"),
        ("2147483648", "'2147483648'::bigint", "bigint"),
        (
            "9223372036854775808",
            "'9223372036854775808'::numeric",
            "numeric",
        ),
        ("1.50", "'1.50'::numeric", "numeric"),
        ("1e3", "'1e3'::numeric", "numeric"),
        ("0x1F", "'31'::integer", "integer"),
        ("0xFFFFFFFF", "'4294967295'::bigint", "bigint"),
        ("1_000", "'1000'::integer", "integer"),
        ("-1", "'-1'::integer", "integer"),
        ("'x'", "'x'::unknown", "unknown"),
        ("NULL", "NULL::unknown", "unknown"),
        ("-2147483648", "'-2147483648'::integer", "integer"),
        ("-1.5", "'-1.5'::numeric", "numeric"),
        ("- i4", "(-[int4] i4)", "integer"),
        ("true", "'true'::boolean", "boolean"),
        ("b'101'", "'b101'::bit", "bit"),
    ]);
}

#[test]
fn operators_are_chosen_by_type() {
    check(&[
        ("i4 + 1", "(i4 +[int4,int4] '1'::integer)", "integer"),
        ("i2 + 1", "(i2 +[int2,int4] '1'::integer)", "integer"),
        ("i8 + i4", "(i8 +[int8,int4] i4)", "bigint"),
        (
            "i4 + 1.5",
            "(CAST(i4 AS numeric by numeric) +[numeric,numeric] '1.5'::numeric)",
            "numeric",
        ),
        ("i4 + '1'", "(i4 +[int4,int4] '1'::integer)", "integer"),
        (
            "f4 * n",
            "(f4 *[float4,float8] CAST(n AS double precision by float8))",
            "double precision",
        ),
        ("t || i4", "(t ||[text,anynonarray] i4)", "text"),
        ("t || 'x'", "(t ||[text,text] 'x'::text)", "text"),
        ("'a' || 'b'", "('a'::text ||[text,text] 'b'::text)", "text"),
        (
            "v = 'x'",
            "(CAST(v AS text) =[text,text] 'x'::text)",
            "boolean",
        ),
        ("c = 'x'", "(c =[bpchar,bpchar] 'x'::character)", "boolean"),
        (
            "v = c",
            "(CAST(v AS character) =[bpchar,bpchar] c)",
            "boolean",
        ),
        (
            "d = '2024-01-01'",
            "(d =[date,date] '2024-01-01'::date)",
            "boolean",
        ),
        ("d + 1", "(d +[date,int4] '1'::integer)", "date"),
        ("d - d", "(d -[date,date] d)", "integer"),
        (
            "ts + '1 day'",
            "(ts +[timestamp,interval] '1 day'::interval)",
            "timestamp without time zone",
        ),
        ("d = ts", "(d =[date,timestamp] ts)", "boolean"),
        ("j ->> 'a'", "(j ->>[jsonb,text] 'a'::text)", "text"),
        ("j -> 0", "(j ->[jsonb,int4] '0'::integer)", "jsonb"),
        (
            "ia || 1",
            "(ia ||[anycompatiblearray,anycompatible] '1'::integer)",
            "integer[]",
        ),
        (
            "ia || '{1}'",
            "(ia ||[anycompatiblearray,anycompatiblearray] '{1}'::integer[])",
            "integer[]",
        ),
        (
            "ia || 1.5",
            "(CAST(ia AS numeric[] each by numeric) ||[anycompatiblearray,anycompatible] '1.5'::numeric)",
            "numeric[]",
        ),
        (
            "r @> 3",
            "(r @>[anyrange,anyelement] '3'::integer)",
            "boolean",
        ),
        ("t LIKE 'a%'", "(t ~~[text,text] 'a%'::text)", "boolean"),
        (
            "t NOT ILIKE 'a%'",
            "(t !~~*[text,text] 'a%'::text)",
            "boolean",
        ),
        ("@ i4", "(@[int4] i4)", "integer"),
        ("nm = t", "(nm =[name,text] t)", "boolean"),
        (
            "t SIMILAR TO 'a'",
            "(t ~[text,text] similar_to_escape[text]('a'::text))",
            "boolean",
        ),
        (
            "i4 OPERATOR(pg_catalog.+) 1",
            "(i4 +[int4,int4] '1'::integer)",
            "integer",
        ),
    ]);
}

#[test]
fn functions_are_chosen_by_type() {
    check(&[
        ("upper(v)", "upper[text](CAST(v AS text))", "text"),
        ("length('x')", "length[text]('x'::text)", "integer"),
        (
            "round(n2, 1)",
            "round[numeric,int4](n2, '1'::integer)",
            "numeric",
        ),
        ("round(f8)", "round[float8](f8)", "double precision"),
        (
            "abs('1')",
            "abs[float8]('1'::double precision)",
            "double precision",
        ),
        ("text(v)", "CAST(v AS text)", "text"),
        ("date('2024-01-01')", "'2024-01-01'::date", "date"),
        ("int4(n)", "int4[numeric](n)", "integer"),
        ("concat(t, i4)", "concat[any](t, i4)", "text"),
        (
            "jsonb_build_object('a', i4)",
            "jsonb_build_object[any]('a'::unknown, i4)",
            "jsonb",
        ),
        (
            "make_interval(days => i4)",
            "make_interval[int4,int4,int4,int4,int4,int4,float8]('0'::integer, '0'::integer, '0'::integer, i4, '0'::integer, '0'::integer, CAST('0.0'::numeric AS double precision by float8))",
            "interval",
        ),
        (
            "array_append(ia, 5)",
            "array_append[anycompatiblearray,anycompatible](ia, '5'::integer)",
            "integer[]",
        ),
        (
            "array_length(ta, 1)",
            "array_length[anyarray,int4](ta, '1'::integer)",
            "integer",
        ),
        (
            "greatest(i4, n)",
            "GREATEST(CAST(i4 AS numeric by numeric), n)",
            "numeric",
        ),
        (
            "extract(year FROM d)",
            "extract[text,date]('year'::text, d)",
            "numeric",
        ),
        (
            "substring(t FROM 2 FOR 3)",
            "substring[text,int4,int4](t, '2'::integer, '3'::integer)",
            "text",
        ),
        (
            "position('a' IN t)",
            "position[text,text](t, 'a'::text)",
            "integer",
        ),
        ("trim(t)", "btrim[text](t)", "text"),
        (
            "overlay(t PLACING 'x' FROM 1)",
            "overlay[text,text,int4](t, 'x'::text, '1'::integer)",
            "text",
        ),
        (
            "ts AT TIME ZONE 'UTC'",
            "timezone[text,timestamp]('UTC'::text, ts)",
            "timestamp with time zone",
        ),
        ("lower(r)", "lower[anyrange](r)", "integer"),
        (
            "format('%s', VARIADIC ta)",
            "format[text,any]('%s'::text, VARIADIC ta)",
            "text",
        ),
    ]);
}

#[test]
fn alternatives_have_a_common_type() {
    check(&[
        (
            "CASE WHEN b THEN 1 ELSE 2.5 END",
            "CASE(b => CAST('1'::integer AS numeric by numeric); '2.5'::numeric)",
            "numeric",
        ),
        (
            "CASE i4 WHEN 1 THEN 'a' END",
            "CASE((i4 =[int4,int4] '1'::integer) => 'a'::text; NULL::text)",
            "text",
        ),
        (
            "CASE WHEN b THEN n2 ELSE n2 END",
            "CASE(b => n2; n2)",
            "numeric(10,2)",
        ),
        (
            "COALESCE(v, 'x')",
            "COALESCE(v, 'x'::character varying)",
            "character varying",
        ),
        (
            "COALESCE(i4, i8)",
            "COALESCE(CAST(i4 AS bigint by int8), i8)",
            "bigint",
        ),
        (
            "NULLIF(i4, 1.5)",
            "NULLIF=[numeric,numeric](CAST(i4 AS numeric by numeric), '1.5'::numeric)",
            "numeric",
        ),
        (
            "ARRAY[1, 2.5]",
            "ARRAY[CAST('1'::integer AS numeric by numeric), '2.5'::numeric]",
            "numeric[]",
        ),
        (
            "ARRAY[[1,2],[3,4]]",
            "ARRAY[ARRAY['1'::integer, '2'::integer], ARRAY['3'::integer, '4'::integer]]",
            "integer[]",
        ),
        ("ARRAY[]::text[]", "ARRAY[]", "text[]"),
        (
            "ARRAY['1','2']::int[]",
            "ARRAY['1'::integer, '2'::integer]",
            "integer[]",
        ),
        (
            "i4 IN (1, 2)",
            "(i4 =[int4,int4] ANY ARRAY['1'::integer, '2'::integer])",
            "boolean",
        ),
        (
            "i4 NOT IN (1, 2)",
            "(i4 <>[int4,int4] ALL ARRAY['1'::integer, '2'::integer])",
            "boolean",
        ),
        ("i4 IN (1)", "(i4 =[int4,int4] '1'::integer)", "boolean"),
        (
            "i4 IN (1, 2, i8)",
            "OR((i4 =[int4,int4] ANY ARRAY['1'::integer, '2'::integer]), (i4 =[int4,int8] i8))",
            "boolean",
        ),
        (
            "v IN ('a', 'b')",
            "(CAST(v AS text) =[text,text] ANY CAST(ARRAY['a'::character varying, 'b'::character varying] AS text[] each))",
            "boolean",
        ),
        ("i4 = ANY (ia)", "(i4 =[int4,int4] ANY ia)", "boolean"),
        (
            "i4 = ANY ('{1,2}')",
            "(i4 =[int4,int4] ANY '{1,2}'::integer[])",
            "boolean",
        ),
        (
            "i4 BETWEEN 1 AND 2",
            "AND((i4 >=[int4,int4] '1'::integer), (i4 <=[int4,int4] '2'::integer))",
            "boolean",
        ),
        (
            "i4 IS DISTINCT FROM 1",
            "DISTINCT=[int4,int4](i4, '1'::integer)",
            "boolean",
        ),
        ("i4 IS NOT DISTINCT FROM NULL", "i4 IS NULL", "boolean"),
        (
            "(i4, t) = (1, 'x')",
            "AND((i4 =[int4,int4] '1'::integer), (t =[text,text] 'x'::text))",
            "boolean",
        ),
        (
            "(i4, t) <> (1, 'x')",
            "OR((i4 <>[int4,int4] '1'::integer), (t <>[text,text] 'x'::text))",
            "boolean",
        ),
        (
            "(i4, t) <= (1, 'x')",
            "OR((i4 <[int4,int4] '1'::integer), AND((i4 =[int4,int4] '1'::integer), (t <=[text,text] 'x'::text)))",
            "boolean",
        ),
        (
            "(i4, i8, i2) > (1, 2, 3)",
            "OR((i4 >[int4,int4] '1'::integer), AND((i4 =[int4,int4] '1'::integer), OR((i8 >[int8,int4] '2'::integer), AND((i8 =[int8,int4] '2'::integer), (i2 >[int2,int4] '3'::integer)))))",
            "boolean",
        ),
    ]);
}

#[test]
fn casts_and_typmods() {
    check(&[
        (
            "'abc'::varchar(2)",
            "CAST('abc'::character varying AS character varying(2) by varchar)",
            "character varying(2)",
        ),
        ("n2::numeric", "CAST(n2 AS numeric)", "numeric"),
        ("n2::numeric(10,2)", "n2", "numeric(10,2)"),
        (
            "n2::numeric(12,3)",
            "CAST(n2 AS numeric(12,3) by numeric)",
            "numeric(12,3)",
        ),
        (
            "i4::numeric(12,3)",
            "CAST(CAST(i4 AS numeric by numeric) AS numeric(12,3) by numeric)",
            "numeric(12,3)",
        ),
        ("i4::text", "CAST(i4 AS text by text)", "text"),
        (
            "d::timestamptz",
            "CAST(d AS timestamp with time zone by timestamptz)",
            "timestamp with time zone",
        ),
        ("interval '1' year", "'1'::interval year", "interval year"),
        ("ia::text[]", "CAST(ia AS text[] each)", "text[]"),
        ("'{1,2}'::int[]", "'{1,2}'::integer[]", "integer[]"),
        ("ia[1]", "ia['1'::integer]", "integer"),
        ("ia[1:2]", "ia['1'::integer:'2'::integer]", "integer[]"),
        ("j['a']", "j['a'::text]", "jsonb"),
        ("n2 + n2", "(n2 +[numeric,numeric] n2)", "numeric"),
        (
            "c || t",
            "(CAST(c AS text by text) ||[text,text] t)",
            "text",
        ),
    ]);
}

#[test]
fn errors_name_the_thing() {
    check_errors(&[
        ("nope", "column \"nope\" does not exist"),
        ("nope(1)", "function nope(integer) does not exist"),
        ("i4 + t", "operator does not exist: integer + text"),
        (
            "i4 AND b",
            "argument of AND must be type boolean, not type integer",
        ),
        (
            "CASE WHEN b THEN 1 ELSE b END",
            "CASE types boolean and integer cannot be matched",
        ),
        ("'x'::int4", "invalid input syntax for type integer: \"x\""),
        ("b::date", "cannot cast type boolean to date"),
        (
            "i4 COLLATE \"C\"",
            "collations are not supported by type integer",
        ),
        (
            "(t COLLATE \"C\") || (t COLLATE \"POSIX\")",
            "collation mismatch between explicit collations \"C\" and \"POSIX\"",
        ),
        ("ARRAY[]", "cannot determine type of empty array"),
        (
            "i4[1]",
            "cannot subscript type integer because it does not support subscripting",
        ),
        (
            "upper(DISTINCT t)",
            "DISTINCT specified, but upper is not an aggregate function",
        ),
        (
            "(i4, t) = (1, 'x', 3)",
            "unequal number of entries in row expressions",
        ),
        ("$1", "there is no parameter $1"),
        ("rank()", "window function rank requires an OVER clause"),
        (
            "i4 = ANY (i4)",
            "op ANY/ALL (array) requires array on right side",
        ),
        (
            "GREATEST(js, js)",
            "could not identify an ordering operator for type json",
        ),
    ]);
}

#[test]
fn collations_are_derived() {
    let catalog = Catalog::builtin();
    for (sql, result, input) in [
        ("t || 'x'", 100, Some(100)),
        ("tc || 'x'", 950, Some(950)),
        ("tc || t", 950, Some(950)),
        ("tc || tx", 0, Some(0)),
        ("(tc || tx) COLLATE \"C\"", 950, None),
        ("tc || (tx COLLATE \"C\")", 950, Some(950)),
        ("t < 'x'", 0, Some(100)),
        ("tc < t", 0, Some(950)),
        ("i4 < 1", 0, Some(0)),
        ("i4::text", 100, None),
        ("CASE WHEN tx = 'a' THEN tc ELSE 'x' END", 950, None),
        ("COALESCE(tc, tx)", 0, None),
        ("nm || t", 950, Some(950)),
    ] {
        let e = bind(sql).unwrap_or_else(|e| panic!("{sql}: {e}"));
        assert_eq!(
            e.ty().collation,
            Oid(result),
            "{sql}: {}",
            show(&catalog, &e)
        );
        if let (ExprKind::Operator { collation, .. }, Some(input)) = (e.kind(), input) {
            assert_eq!(*collation, Oid(input), "{sql}");
        }
    }
}

#[test]
fn what_moves_is_noted() {
    for (sql, expected) in [
        ("i4 + 1", None),
        ("now()", Some("function now(): Stable")),
        ("random()", Some("function random(): Volatile")),
        ("CURRENT_DATE", Some("CURRENT_DATE: Stable")),
        ("d::timestamptz", None),
        ("tz::text", None),
        (
            "t::date",
            Some("the cast from text to date (through its text form): Stable"),
        ),
        ("i4::text", None),
        ("ia::text", None),
        (
            "tz > 'now'",
            Some("the literal 'now' of type timestamp with time zone: Stable"),
        ),
        ("tz > '2024-01-01'", None),
        ("tz + '1 day'", None),
        ("age(tz)", Some("function age(): Stable")),
        ("'at ' || tz", None),
        (
            "'at ' || i4::regclass",
            Some("operator || (function textanycat()): Stable"),
        ),
        ("to_jsonb(ROW(i4, tz))", None),
    ] {
        let mut table = Table::default();
        bind_in(sql, &Catalog::builtin(), &mut table).unwrap_or_else(|e| panic!("{sql}: {e}"));
        assert_eq!(
            table.unsteady.first().map(String::as_str),
            expected,
            "{sql}"
        );
    }
}

#[test]
fn aggregates_reach_the_context() {
    let catalog = Catalog::builtin();
    let call = |sql: &str| {
        let mut table = Table::default();
        let e = bind_in(sql, &catalog, &mut table).unwrap_or_else(|e| panic!("{sql}: {e}"));
        (
            table
                .aggregates
                .pop()
                .unwrap_or_else(|| panic!("{sql}: no aggregate")),
            e,
        )
    };
    let (count, _) = call("count(*)");
    assert_eq!((count.function, count.args.len()), (Oid(2803), 0));
    let (sum, e) = call("sum(DISTINCT i4) FILTER (WHERE b)");
    assert!(sum.distinct && sum.filter.is_some());
    assert_eq!(e.ty().oid, oids::INT8);
    let (max, e) = call("max(tc)");
    assert_eq!((max.collation, e.ty().collation), (Oid(950), Oid(950)));
    let (agg, _) = call("string_agg(t, ',' ORDER BY i4 DESC)");
    assert!(agg.order_by[0].nulls_first && agg.args.len() == 2);
    let (set, e) = call("percentile_cont(0.5) WITHIN GROUP (ORDER BY f8)");
    assert_eq!(
        (set.direct.len(), set.args.len(), set.order_by.len()),
        (1, 1, 1)
    );
    assert_eq!(e.ty().oid, oids::FLOAT8);
    let (max, e) = call("max(t COLLATE \"C\") || tx");
    assert_eq!(max.ty.collation, Oid(950));
    assert_eq!(
        e.ty().collation,
        Oid(950),
        "an explicit collation goes through the aggregate"
    );
}

#[test]
fn reports_go_on() {
    for (sql, code) in [
        ("EXISTS (SELECT 1)", ReasonCode::Subquery),
        (
            "JSON_ARRAY(tc, t FORMAT JSON RETURNING text)",
            ReasonCode::Unsupported,
        ),
    ] {
        let mut table = Table::default();
        bind_in(sql, &Catalog::builtin(), &mut table).unwrap_or_else(|e| panic!("{sql}: {e}"));
        assert_eq!(
            table.reports.iter().map(|r| r.code).collect::<Vec<_>>(),
            [code],
            "{sql}"
        );
    }
}

#[test]
fn errors_have_places() {
    for (sql, token) in [
        ("1 + nope", "nope"),
        ("i4 + t", "+"),
        ("upper(nope(1))", "nope"),
        ("CASE WHEN i4 THEN 1 END", "WHEN"),
        ("b::date", "::"),
    ] {
        let text = format!("SELECT {sql}");
        let span = bind(sql)
            .expect_err(sql)
            .0
            .span
            .unwrap_or_else(|| panic!("{sql}: no place"));
        assert_eq!(
            &text[span.start as usize..span.end as usize],
            token,
            "{sql}"
        );
    }
}

#[test]
fn choices_are_counted_as_the_server_counts_them() {
    let catalog = Catalog::builtin();
    for (sql, operators) in [
        ("(i4 + 1) BETWEEN 1 AND 2", vec![521 + 4, 523, 551, 551]),
        ("(i4 + 1) IN (i4, i2)", vec![96, 533, 551, 551]),
    ] {
        let text = format!("SELECT {sql}");
        let tree = crate::parse::parse(&text).expect("parses");
        let Some(NodeEnum::SelectStmt(select)) =
            tree.stmts[0].stmt.as_ref().and_then(|s| s.node.as_ref())
        else {
            panic!("not a SELECT");
        };
        let Some(NodeEnum::ResTarget(target)) = &select.target_list[0].node else {
            panic!("no target");
        };
        let typing = Typing::new(&catalog, None);
        let value = target.val.as_ref().expect("a value");
        bind_expr(
            value,
            ExprPosition::SelectList,
            &mut Table::default(),
            &typing,
        )
        .expect(sql);
        let got: Vec<u32> = typing.bindings().operators.iter().map(|o| o.0).collect();
        let mut want = operators;
        want.sort_unstable();
        assert_eq!(got, want, "{sql}");
    }
}
