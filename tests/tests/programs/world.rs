//! Tables, random changes to them, and circuits over them.

use crate::run::{execute, quoted};
use harness::Database;
use postgres::Client;
use spec::catalog::{Catalog, FunctionKind};
use spec::circuit::Circuit;
use spec::compiled::{Bindings, Compiled, Identity, OutputColumn, SourceUse, StoragePlan, Stored};
use spec::expr::ExprKind;
use spec::op::{AggCall, Aggregate, Constant, Op, Source, StoredId};
use spec::types::{ColType, Oid, SqlType, oids};
use spec::{Expr, NodeId};

const SCHEMA: &str = r#"
CREATE TABLE public.t (
    id int PRIMARY KEY, g int, s text, a int, n numeric(10,2), x numeric, big bigint
);
CREATE TABLE public.u (g int NOT NULL, s text, k smallint, j json, m money, x numeric);
CREATE TABLE public."V w" ("G" int, "w" int, "select" text COLLATE "C");
CREATE INDEX ON public.t (g);
CREATE INDEX ON public.u (g);
"#;

/// Makes images and hashes as the extension does, where it is not there.
const SHIM: &str = r"
CREATE SCHEMA IF NOT EXISTS pgtrickle;
DO $do$ BEGIN
  IF to_regprocedure('pgtrickle.image_hash(record)') IS NULL THEN
    CREATE FUNCTION pgtrickle.image_hash(record) RETURNS bigint IMMUTABLE
    LANGUAGE plpgsql AS $f$ BEGIN
      RETURN pg_catalog.hashbyteaextended(pg_catalog.record_send($1), 0::bigint);
    END $f$;
  END IF;
END $do$;
";

/// A PostgreSQL that is named by this variable needs no extension.
const URL: &str = "PGT_PROGRAMS_URL";

enum Place {
    Harness(Database),
    Url(String, String),
}

pub struct World {
    pub client: Client,
    pub catalog: Catalog,
    random: Random,
    place: Place,
}

impl Drop for World {
    fn drop(&mut self) {
        if let Place::Url(url, name) = &self.place
            && !std::thread::panicking()
        {
            let mut admin = Client::connect(url, postgres::NoTls).expect("a connection");
            execute(&mut admin, &format!("DROP DATABASE {name} WITH (FORCE)"));
        }
        if let Place::Harness(db) = &self.place {
            // Held until here, so that the database outlives the connection.
            let _ = db.name();
        }
    }
}

/// The change log of a batch.
pub fn log_of(batch: &str) -> String {
    let table = batch.strip_prefix("delta_").expect("delta_<table>");
    format!("log.{}", quoted(table))
}

impl World {
    pub fn new(seed: u64) -> World {
        let (mut client, place) = match std::env::var(URL) {
            Ok(url) => {
                let mut admin = Client::connect(&url, postgres::NoTls).expect("a connection");
                let stamp = std::time::UNIX_EPOCH.elapsed().expect("a clock").as_nanos();
                let name = format!("p{stamp}");
                execute(&mut admin, &format!("CREATE DATABASE {name}"));
                let own = format!("{url} dbname={name}");
                let client = Client::connect(&own, postgres::NoTls).expect("a connection");
                (client, Place::Url(url, name))
            }
            Err(_) => {
                let db = Database::new();
                (db.connect(), Place::Harness(db))
            }
        };
        let schema = compiler::schema::load_schema(SCHEMA).expect("a schema");
        execute(&mut client, SHIM);
        execute(&mut client, SCHEMA);
        execute(&mut client, "CREATE SCHEMA st; CREATE SCHEMA log");
        let mut world = World {
            client,
            catalog: schema.catalog,
            random: Random(seed),
            place,
        };
        for table in ["t", "u", "V w"] {
            let relation = world.relation(table);
            let columns = world
                .catalog
                .relation(relation)
                .expect("a table")
                .columns
                .clone();
            let columns: Vec<String> = columns.iter().map(|c| format!("c{}", c.attnum)).collect();
            let name = quoted(table);
            let sql = format!(
                "CREATE TABLE log.{name} (w, {columns}) AS SELECT 1::bigint, * FROM public.{name};
                 CREATE FUNCTION log.{f}() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
                   IF TG_OP <> 'INSERT' THEN INSERT INTO log.{name} SELECT -1, OLD.*; END IF;
                   IF TG_OP <> 'DELETE' THEN INSERT INTO log.{name} SELECT 1, NEW.*; END IF;
                   RETURN NULL;
                 END $$;
                 CREATE TRIGGER log AFTER INSERT OR UPDATE OR DELETE ON public.{name}
                   FOR EACH ROW EXECUTE FUNCTION log.{f}();",
                f = quoted(&format!("log_{table}")),
                columns = columns.join(", ")
            );
            execute(&mut world.client, &sql);
            world.change(relation, 40, false);
        }
        world
    }

    pub fn relation(&self, name: &str) -> Oid {
        let relation = self.catalog.relation_named(Some("public"), name);
        relation.expect("a table").oid
    }

    pub fn clear_logs(&mut self) {
        let sql = "DELETE FROM log.t; DELETE FROM log.u; DELETE FROM log.\"V w\"";
        execute(&mut self.client, sql);
    }

    pub fn empty(&mut self, relation: Oid) {
        let name = self
            .catalog
            .relation(relation)
            .expect("a table")
            .name
            .clone();
        execute(
            &mut self.client,
            &format!("DELETE FROM public.{}", quoted(&name)),
        );
    }

    /// Random statements against one table.
    pub fn change(&mut self, relation: Oid, statements: usize, insertions_only: bool) {
        let name = self
            .catalog
            .relation(relation)
            .expect("a table")
            .name
            .clone();
        for _ in 0..statements {
            let sql = self.statement(&name);
            if insertions_only && !sql.starts_with("INSERT") {
                continue;
            }
            execute(&mut self.client, &sql);
        }
    }

    fn statement(&mut self, table: &str) -> String {
        let r = &mut self.random;
        let row = r.below(12);
        match (table, r.below(8)) {
            ("t", 0..=3) => format!(
                "INSERT INTO public.t VALUES ({}, {}, {}, {}, {}, {}, {}) ON CONFLICT DO NOTHING",
                r.below(40),
                r.int(4),
                r.text(),
                r.int(9),
                r.money(true),
                r.numeric(),
                r.int(1_000_000_000),
            ),
            ("t", 4) => format!("UPDATE public.t SET g = {} WHERE id % 12 = {row}", r.int(4)),
            ("t", 5) => format!(
                "UPDATE public.t SET a = {}, s = {}, n = {} WHERE id % 12 = {row}",
                r.int(9),
                r.text(),
                r.money(true)
            ),
            ("t", 6) => format!(
                "UPDATE public.t SET x = {} WHERE id % 12 = {row}",
                r.numeric()
            ),
            ("t", _) => format!("DELETE FROM public.t WHERE id % 12 = {row}"),
            ("u", 0..=3) => {
                let (g, s, k) = (r.below(4), r.text(), r.int(5));
                let (j, m, x) = (r.below(2), r.money(false), r.numeric());
                let copies = 1 + r.below(3);
                format!(
                    "INSERT INTO public.u SELECT {g}, {s}, {k}, '{{\"a\": {j}}}', {m}, {x} \
                     FROM generate_series(1, {copies})"
                )
            }
            ("u", 4..=5) => format!(
                "UPDATE public.u SET g = {}, x = {} WHERE ctid IN \
                 (SELECT ctid FROM public.u ORDER BY ctid LIMIT 2 OFFSET {row})",
                r.below(4),
                r.numeric()
            ),
            ("u", _) => format!(
                "DELETE FROM public.u WHERE ctid IN \
                 (SELECT ctid FROM public.u ORDER BY ctid LIMIT 2 OFFSET {row})"
            ),
            ("V w", 0..=4) => format!(
                "INSERT INTO public.\"V w\" VALUES ({}, {}, {})",
                r.int(3),
                r.int(3),
                r.text()
            ),
            ("V w", 5) => format!("UPDATE public.\"V w\" SET w = {} WHERE \"G\" = 1", r.int(3)),
            (_, _) => format!(
                "DELETE FROM public.\"V w\" WHERE w = {} AND \"G\" = {}",
                r.below(3),
                r.below(3)
            ),
        }
    }
}

/// A small generator, so that a failure can be repeated (Steele et al., SplitMix64).
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn below(&mut self, n: u64) -> u64 {
        self.next() % n
    }

    fn one_of(&mut self, values: &[&str]) -> String {
        values[self.below(values.len() as u64) as usize].to_owned()
    }

    fn int(&mut self, n: u64) -> String {
        match self.below(5) {
            0 => "NULL".into(),
            _ => self.below(n).to_string(),
        }
    }

    fn text(&mut self) -> String {
        self.one_of(&["NULL", "''", "'a'", "'B'", "'c'", "'z'", "'ä'"])
    }

    fn money(&mut self, nan: bool) -> String {
        match nan {
            true => self.one_of(&["NULL", "0", "1.5", "-2.25", "'NaN'", "17", "0.01"]),
            false => self.one_of(&["NULL", "0::money", "1.5::money", "'-2.25'::money"]),
        }
    }

    fn numeric(&mut self) -> String {
        self.one_of(&[
            "NULL",
            "1",
            "1.0",
            "1.00",
            "2",
            "2.50",
            "'NaN'",
            "'Infinity'",
            "0",
        ])
    }
}

/// Builds circuits. A column of a node is named by the source that it is (part of).
pub struct Circuits {
    catalog: Catalog,
    circuit: Circuit,
}

impl Circuits {
    pub fn new(catalog: &Catalog) -> Circuits {
        Circuits {
            catalog: catalog.clone(),
            circuit: Circuit::new(),
        }
    }

    fn add(&mut self, op: Op, inputs: Vec<NodeId>) -> NodeId {
        self.circuit.add(op, inputs, None).expect("well typed")
    }

    pub fn table(&mut self, name: &str) -> NodeId {
        let relation = self.catalog.relation_named(Some("public"), name);
        let relation = relation.expect("a table");
        let source = Source {
            relation: relation.oid,
            attnums: relation.columns.iter().map(|c| c.attnum).collect(),
            types: relation
                .columns
                .iter()
                .map(|c| ColType {
                    ty: c.ty,
                    nullable: !c.not_null,
                })
                .collect(),
        };
        self.add(Op::Source(source), vec![])
    }

    pub fn constants(&mut self, values: &[i64]) -> NodeId {
        let constant = Constant {
            types: vec![ColType {
                ty: SqlType::new(oids::INT4),
                nullable: false,
            }],
            rows: values.iter().map(|v| vec![self.int(*v)]).collect(),
        };
        self.add(Op::Constant(constant), vec![])
    }

    pub fn arity(&self, node: NodeId) -> usize {
        self.circuit.schema(node).len()
    }

    /// The column of a node by its source's name, or (without a name) its `shift`-th column;
    /// `shift` columns to the right.
    pub fn at(&self, node: NodeId, name: &str, shift: usize) -> Expr {
        if name.is_empty() {
            let schema = self.circuit.schema(node);
            let ty = schema.get(shift).or_else(|| schema.first());
            return Expr::column(shift, ty.expect("a column").ty);
        }
        let mut source = node;
        while !matches!(self.circuit.op(source), Op::Source(_)) {
            source = self.circuit.inputs(source)[0];
        }
        let Op::Source(s) = self.circuit.op(source) else {
            panic!("no source");
        };
        let relation = self.catalog.relation(s.relation).expect("a table");
        let column = relation.columns.iter().position(|c| c.name == name);
        let column = column.expect("a column");
        Expr::column(column + shift, self.circuit.schema(source)[column].ty)
    }

    pub fn col(&self, node: NodeId, name: &str) -> Expr {
        self.at(node, name, 0)
    }

    pub fn int(&self, value: i64) -> Expr {
        Expr::literal(&value.to_string(), SqlType::new(oids::INT4))
    }

    pub fn int8(&self, value: i64) -> Expr {
        Expr::literal(&value.to_string(), SqlType::new(oids::INT8))
    }

    pub fn text(&self, value: &str) -> Expr {
        Expr::literal(value, self.catalog.sql_type(oids::TEXT, -1))
    }

    pub fn text_null(&self) -> Expr {
        Expr::null(self.catalog.sql_type(oids::TEXT, -1))
    }

    pub fn coalesce_text(&self, arg: Expr) -> Expr {
        let args = vec![arg, self.text("none")];
        Expr::new(
            ExprKind::Coalesce(args),
            self.catalog.sql_type(oids::TEXT, -1),
        )
    }

    pub fn op(&self, name: &str, left: Expr, right: Expr) -> Expr {
        let (l, r) = (left.ty().oid, right.ty().oid);
        let operator = self.catalog.operator_exact(Some("pg_catalog"), name, l, r);
        let operator = operator.expect("an operator");
        let kind = ExprKind::Operator {
            operator: operator.oid,
            function: operator.function,
            collation: left.ty().collation,
            args: vec![left, right],
        };
        Expr::new(kind, self.catalog.sql_type(operator.result, -1))
    }

    pub fn filter(&mut self, node: NodeId, predicate: Expr) -> NodeId {
        self.add(Op::Filter(predicate), vec![node])
    }

    pub fn map(&mut self, node: NodeId, exprs: Vec<Expr>) -> NodeId {
        self.add(Op::Map(exprs), vec![node])
    }

    pub fn join(&mut self, inputs: Vec<NodeId>, on: Vec<Expr>) -> NodeId {
        self.add(Op::Join(on), inputs)
    }

    pub fn plus(&mut self, inputs: Vec<NodeId>) -> NodeId {
        self.add(Op::Plus, inputs)
    }

    pub fn distinct(&mut self, input: NodeId) -> NodeId {
        self.add(Op::Distinct, vec![input])
    }

    pub fn count(&self) -> AggCall {
        AggCall {
            function: spec::fold::COUNT_ROWS,
            args: vec![],
            variadic: false,
            distinct: false,
            order_by: vec![],
            filter: None,
            ty: SqlType::new(oids::INT8),
            collation: Oid::INVALID,
            nullable: false,
        }
    }

    pub fn call(&self, name: &str, arg: Expr) -> AggCall {
        let function = self.catalog.functions_named(name).find(|f| {
            let exact = f.args == [arg.ty().oid];
            f.kind == FunctionKind::Aggregate
                && (exact || (name == "count" && f.args == [oids::ANY]))
        });
        let function = function.expect("an aggregate");
        AggCall {
            function: function.oid,
            ty: SqlType {
                collation: arg.ty().collation,
                ..SqlType::new(function.result)
            },
            collation: arg.ty().collation,
            args: vec![arg],
            nullable: name != "count",
            ..self.count()
        }
        .with_own_collation(&self.catalog)
    }

    pub fn agg(&self, name: &str, node: NodeId, column: &str) -> AggCall {
        self.call(name, self.col(node, column))
    }

    pub fn distinct_call(&self, name: &str, arg: Expr) -> AggCall {
        AggCall {
            distinct: true,
            ..self.call(name, arg)
        }
    }

    /// `name(column) FILTER (WHERE by = 1)`
    pub fn filtered(&self, name: &str, node: NodeId, column: &str, by: &str) -> AggCall {
        let filter = self.op("=", self.col(node, by), self.int(1));
        AggCall {
            filter: Some(filter),
            ..self.agg(name, node, column)
        }
    }

    pub fn aggregate(&mut self, node: NodeId, keys: &[&str], aggs: Vec<AggCall>) -> NodeId {
        let keys = keys
            .iter()
            .map(|k| self.col(node, k).as_column().expect("a column"));
        let keys = keys.collect();
        self.aggregate_on(node, keys, aggs)
    }

    pub fn aggregate_on(&mut self, node: NodeId, keys: Vec<usize>, aggs: Vec<AggCall>) -> NodeId {
        self.add(Op::Aggregate(Aggregate { keys, aggs }), vec![node])
    }

    pub fn compiled(&self, root: NodeId, identity: Identity) -> Compiled {
        self.stored(root, identity, &[])
    }

    /// With states: nodes and the number of their key columns.
    pub fn stored(&self, root: NodeId, identity: Identity, states: &[(NodeId, usize)]) -> Compiled {
        let mut stored = vec![Stored {
            id: StoredId(0),
            node: root,
            identity,
            indexes: vec![],
            in_order: vec![],
        }];
        for (i, (node, keys)) in states.iter().enumerate() {
            stored.push(Stored {
                id: StoredId(i as u32 + 1),
                node: *node,
                identity: Identity::Key((0..*keys).collect()),
                indexes: vec![],
                in_order: vec![],
            });
        }
        let mut sources: Vec<SourceUse> = self
            .circuit
            .reachable(&[root])
            .into_iter()
            .filter_map(|n| match self.circuit.op(n) {
                Op::Source(s) => Some(SourceUse {
                    relation: s.relation,
                    columns: s.attnums.clone(),
                    append_only: false,
                }),
                _ => None,
            })
            .collect();
        sources.sort_by_key(|s| s.relation);
        let columns = self.circuit.schema(root).iter().enumerate();
        let odd = ["w", "select", "Größe \"x\"", "st", "d"];
        let columns = columns.map(|(i, ty)| OutputColumn {
            name: odd.get(i).map_or(format!("c{i}"), |s| (*s).to_owned()),
            ty: *ty,
        });
        Compiled {
            circuit: self.circuit.clone(),
            root,
            columns: columns.collect(),
            sources,
            storage: StoragePlan { version: 1, stored },
            reasons: vec![],
            dependencies: Default::default(),
            bindings: Bindings::default(),
            clock: None,
        }
    }
}

trait OwnCollation {
    fn with_own_collation(self, catalog: &Catalog) -> Self;
}

impl OwnCollation for AggCall {
    /// A result that is not collatable has no collation.
    fn with_own_collation(mut self, catalog: &Catalog) -> AggCall {
        if !catalog.type_collation(self.ty.oid).is_valid() {
            self.ty.collation = Oid::INVALID;
        }
        self
    }
}
