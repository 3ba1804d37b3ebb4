//! A runtime of a few lines, so that the compiler and its programs can be put to the test without
//! the extension: triggers write logs, batches and lets are temporary tables.

use super::Subject;
use crate::law::describe;
use codegen::Names;
use compiler::Outcome;
use postgres::Client;
use spec::catalog::{Catalog, FIRST_UNPINNED, Objects, SNAPSHOT_SQL};
use spec::compiled::{Compiled, DeltaPlan};
use spec::program::{QualifiedName, RefreshProgram, RelColumn, StepKind};
use spec::{NodeId, Oid};
use std::collections::{BTreeMap, BTreeSet};

/// Hashes images where the extension does not.
const SHIM: &str = "
CREATE SCHEMA IF NOT EXISTS pgtrickle;
DROP SCHEMA IF EXISTS pgtrickle_store CASCADE;
CREATE SCHEMA pgtrickle_store;
DO $do$ BEGIN
  IF to_regprocedure('pgtrickle.image_hash(record)') IS NULL THEN
    CREATE FUNCTION pgtrickle.image_hash(record) RETURNS bigint IMMUTABLE
    LANGUAGE plpgsql AS $f$ BEGIN
      RETURN pg_catalog.hashbyteaextended(pg_catalog.record_send($1), 0::bigint);
    END $f$;
  END IF;
END $do$;
CREATE FUNCTION log() RETURNS trigger LANGUAGE plpgsql AS $f$ BEGIN
  IF TG_OP <> 'INSERT' THEN
    EXECUTE format('INSERT INTO %I SELECT -1, ($1).*', 'log_' || TG_TABLE_NAME) USING OLD;
  END IF;
  IF TG_OP <> 'DELETE' THEN
    EXECUTE format('INSERT INTO %I SELECT 1, ($1).*', 'log_' || TG_TABLE_NAME) USING NEW;
  END IF;
  RETURN NULL;
END $f$;
";

pub struct Offline {
    schema: String,
    catalog: Catalog,
    /// Table names by OID.
    tables: BTreeMap<Oid, String>,
    compiled: BTreeMap<String, (Compiled, Names)>,
    /// The program that ran last, for whoever looks into a failure.
    pub program: String,
}

type Result<T> = std::result::Result<T, String>;

fn run(client: &mut Client, sql: &str) -> Result<()> {
    client
        .batch_execute(sql)
        .map_err(|e| format!("{}\n{sql}", describe(&e)))
}

impl Offline {
    /// Starts logging the tables of the current schema, and reads its catalog.
    pub fn start(client: &mut Client, tables: &[String]) -> Result<Offline> {
        run(client, SHIM)?;
        for table in tables {
            run(
                client,
                &format!(
                    "CREATE TABLE log_{table} AS SELECT 0::bigint AS w, * FROM {table} LIMIT 0;
                     CREATE TRIGGER log AFTER INSERT OR UPDATE OR DELETE ON {table}
                     FOR EACH ROW EXECUTE FUNCTION log();"
                ),
            )?;
        }
        let error = |e: postgres::Error| describe(&e);
        let row = client
            .query_one(
                "SELECT current_schema()::text, coalesce(array_agg(oid), '{}') FROM pg_class
                 WHERE relnamespace = current_schema()::regnamespace AND relkind IN ('r', 'v')",
                &[],
            )
            .map_err(error)?;
        let schema: String = row.get(0);
        let oids: Vec<u32> = row.get(1);
        let none: Vec<u32> = vec![];
        let path = vec![schema.as_str()];
        run(client, "SET search_path = ''")?;
        let row = client
            .query_one(
                &format!("SELECT (\n{SNAPSHOT_SQL}\n)::text"),
                &[&oids, &FIRST_UNPINNED, &u32::MAX, &none, &path],
            )
            .map_err(error)?;
        run(client, &format!("SET search_path = {schema}"))?;
        let objects: Objects = serde_json::from_str(row.get(0)).map_err(|e| e.to_string())?;
        let found = objects.relations.iter();
        let tables = found
            .filter(|r| tables.contains(&r.name))
            .map(|r| (r.oid, r.name.clone()))
            .collect();
        Ok(Offline {
            schema,
            catalog: Catalog::new(objects),
            tables,
            compiled: BTreeMap::new(),
            program: String::new(),
        })
    }

    pub fn create(&mut self, client: &mut Client, subject: &Subject) -> Result<()> {
        let sql = &subject.query.sql;
        let reasons = |reasons: &[spec::Reason]| {
            let lines = reasons.iter().map(|r| format!("{}: {}", r.code, r.message));
            lines.collect::<Vec<_>>().join("\n")
        };
        let compiled = match compiler::compile(sql, &self.catalog) {
            Ok(Outcome::Incremental(compiled)) => *compiled,
            Ok(Outcome::NotIncremental { reasons: r, .. }) => {
                return Err(format!("not incremental: {}", reasons(&r)));
            }
            Err(r) => return Err(format!("refused: {}", reasons(&r))),
        };
        let server = client.prepare(sql).map_err(|e| describe(&e))?;
        let said: Vec<u32> = server.columns().iter().map(|c| c.type_().oid()).collect();
        let bound: Vec<u32> = compiled.columns.iter().map(|c| c.ty.ty.oid.0).collect();
        if said != bound {
            return Err(format!("types: bound {bound:?}, the server says {said:?}"));
        }
        let table = QualifiedName {
            schema: self.schema.clone(),
            name: subject.name.clone(),
        };
        let names = Names::new(table, self.compiled.len() as i64, &compiled);
        let ddl = codegen::storage(&compiled, &self.catalog, &names).map_err(|e| e.to_string())?;
        let fills = ddl.fills.iter().map(|(_, sql)| sql);
        let statements = ddl.tables.iter().chain(fills).chain(&ddl.indexes);
        run(client, "SET search_path = ''")?;
        for sql in statements {
            run(client, sql)?;
        }
        run(client, &format!("SET search_path = {}", self.schema))?;
        self.compiled
            .insert(subject.name.clone(), (compiled, names));
        Ok(())
    }

    /// One refresh on what has been logged since [`Offline::consume`]. Says what it did, and how
    /// many rows of the stream table it changed.
    pub fn refresh(&mut self, client: &mut Client, subject: &Subject) -> Result<usize> {
        let (compiled, names) = self
            .compiled
            .get(&subject.name)
            .ok_or("there is no such stream table")?;
        let mut changed = BTreeSet::new();
        for source in &compiled.sources {
            let name = self
                .tables
                .get(&source.relation)
                .ok_or("an unknown source")?;
            if count(client, &format!("log_{name}"))? > 0 {
                changed.insert(source.relation);
            }
        }
        self.program.clear();
        if changed.is_empty() {
            return Ok(0);
        }
        let plan = compiler::delta(compiled, &self.catalog, &changed).map_err(|e| e.to_string())?;
        let program =
            codegen::program(compiled, &plan, &self.catalog, names).map_err(|e| e.to_string())?;
        self.program = format!("{}{}", circuit(&plan), shown(&program));
        run(client, "BEGIN; SET LOCAL search_path = ''")?;
        let done = self.execute(client, &program);
        let end = if done.is_ok() { "COMMIT" } else { "ROLLBACK" };
        run(client, end)?;
        done
    }

    fn execute(&self, client: &mut Client, program: &RefreshProgram) -> Result<usize> {
        let schema = &self.schema;
        for batch in &program.batches {
            let relation = self
                .catalog
                .relation(batch.relation)
                .ok_or("a batch of an unknown relation")?;
            let mut columns = String::new();
            for (attnum, c) in &batch.columns {
                let column = relation
                    .column(*attnum)
                    .ok_or("a batch of an unknown column")?;
                columns += &format!(", \"{}\" AS \"{}\"", column.name, c.name);
            }
            run(
                client,
                &format!(
                    "CREATE TEMP TABLE \"{}\" ON COMMIT DROP AS SELECT w{columns} FROM {schema}.log_{}",
                    batch.name, relation.name
                ),
            )?;
            // What may be left out is.
            if let Some(asked) = &batch.asked {
                let delete = format!("DELETE FROM \"{}\"", batch.name);
                run(client, &format!("{delete} WHERE ({asked}) IS NOT TRUE"))?;
            }
        }
        let mut rows = 0;
        for step in &program.steps {
            for (name, value) in &step.settings {
                run(client, &format!("SET LOCAL {name} = '{value}'"))?;
            }
            let mut empty = !step.skip_if_empty.is_empty();
            for relation in &step.skip_if_empty {
                empty &= count(client, &format!("pg_temp.\"{relation}\""))? == 0;
            }
            match &step.kind {
                StepKind::Let { sql, .. } => {
                    // Skipped as the extension would skip it.
                    let data = if empty { "WITH NO DATA" } else { "" };
                    let name = &step.name;
                    let create = "CREATE TEMP TABLE";
                    run(
                        client,
                        &format!("{create} \"{name}\" ON COMMIT DROP AS\n{sql}\n{data}"),
                    )?;
                }
                StepKind::Merge {
                    target,
                    with,
                    rows: returned,
                    columns,
                    ..
                } => {
                    let name = &step.name;
                    // A relation of these types: what writes cannot stand in CREATE TABLE AS.
                    let mut types = vec![];
                    for c in columns {
                        types.push(format!("\"{}\" {}", c.name, type_name(client, c)?));
                    }
                    run(
                        client,
                        &format!(
                            "CREATE TEMP TABLE \"{name}\" ({}) ON COMMIT DROP",
                            types.join(", ")
                        ),
                    )?;
                    if !empty {
                        run(
                            client,
                            &format!("{with}\nINSERT INTO \"{name}\"\n{returned}"),
                        )?;
                    }
                    if target.0 == 0 {
                        rows += count(client, &format!("pg_temp.\"{name}\""))?;
                    }
                }
                StepKind::Apply {
                    statements,
                    target,
                    delta,
                } => {
                    if target.0 == 0 {
                        rows += count(client, &format!("pg_temp.\"{delta}\""))?;
                    }
                    for sql in statements {
                        run(client, sql)?;
                    }
                }
                StepKind::Assert { sql, message, .. } => {
                    let found = client.query(sql.as_str(), &[]).map_err(|e| describe(&e))?;
                    if !found.is_empty() {
                        return Err(format!("asserted: {message}"));
                    }
                }
            }
        }
        Ok(rows)
    }

    /// Every stream table has seen the logs.
    pub fn consume(&self, client: &mut Client) -> Result<()> {
        for table in self.tables.values() {
            run(client, &format!("TRUNCATE log_{table}"))?;
        }
        Ok(())
    }
}

fn count(client: &mut Client, relation: &str) -> Result<usize> {
    let sql = format!("SELECT count(*) FROM {relation}");
    let row = client
        .query_one(&sql, &[])
        .map_err(|e| format!("{}\n{sql}", describe(&e)))?;
    Ok(usize::try_from(row.get::<_, i64>(0)).unwrap_or(0))
}

fn type_name(client: &mut Client, column: &RelColumn) -> Result<String> {
    let ty = column.ty;
    let sql = "SELECT format_type($1, $2)";
    let row = client.query_one(sql, &[&ty.oid.0, &ty.typmod]);
    Ok(row.map_err(|e| describe(&e))?.get(0))
}

fn circuit(plan: &DeltaPlan) -> String {
    let roots: Vec<NodeId> = plan.deltas.iter().map(|(_, node)| *node).collect();
    let nodes = plan.circuit.reachable(&roots).into_iter().map(|id| {
        let inputs: Vec<u32> = plan.circuit.inputs(id).iter().map(|i| i.0).collect();
        format!("-- {}: {:?} {inputs:?}\n", id.0, plan.circuit.op(id))
    });
    nodes.collect()
}

fn shown(program: &RefreshProgram) -> String {
    let steps = program.steps.iter().map(|s| match &s.kind {
        StepKind::Let { sql, .. } => format!("-- {} = {}\n{sql};", s.name, s.comment),
        StepKind::Merge { with, rows, .. } => format!("-- {}\n{with}\n{rows};", s.comment),
        StepKind::Apply { statements, .. } => {
            format!("-- {}\n{};", s.comment, statements.join(";\n"))
        }
        StepKind::Assert { sql, .. } => format!("-- {}\n{sql};", s.comment),
    });
    steps.collect::<Vec<_>>().join("\n")
}
