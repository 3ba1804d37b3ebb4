//! The same program for plain psql: batches and lets are temporary tables.

use super::Explanation;
use crate::error::Result;
use crate::sql::ident::ident;
use crate::sql::types::TypeName;
use crate::sql::{ColumnDef, Name, Statement, print};
use crate::storage::column_def;
use spec::program::StepKind;
use std::collections::BTreeSet;

/// What the extension's C function computes, for servers without it.
const IMAGE_HASH: &str = "\
-- Stands in for the extension's own function, so that the script needs no extension.
CREATE SCHEMA IF NOT EXISTS pgtrickle;
CREATE OR REPLACE FUNCTION pgtrickle.image_hash(record) RETURNS bigint IMMUTABLE
LANGUAGE plpgsql AS $$ BEGIN
  RETURN pg_catalog.hashbyteaextended(pg_catalog.record_send($1), 0::bigint);
END $$;
";

pub fn render(x: &Explanation<'_>) -> Result<String> {
    let mut out = format!("-- {}\n\n", x.origin);
    let mut statements = vec![];
    statements.extend(x.storage.tables.iter().cloned());
    statements.extend(x.storage.fills.iter().map(|(_, sql)| sql.clone()));
    statements.extend(x.storage.indexes.iter().cloned());
    let images = "pgtrickle.image_hash";
    let uses_images = statements.iter().any(|s| s.contains(images));

    out += "-- Storage, once.\nBEGIN;\n";
    if uses_images {
        out += IMAGE_HASH;
    }
    let schemas: BTreeSet<&str> = x.names.stored.iter().map(|n| n.schema.as_str()).collect();
    for schema in schemas {
        out += &format!("CREATE SCHEMA IF NOT EXISTS {};\n", ident(schema));
    }
    for sql in &statements {
        out += &format!("{sql};\n");
    }
    for name in &x.names.stored {
        out += &format!("ANALYZE {};\n", Name::new(&name.schema, &name.name));
    }
    out += "COMMIT;\n\n-- A refresh.\nBEGIN ISOLATION LEVEL REPEATABLE READ;\n";
    out += "SET LOCAL search_path = '';\n\n";
    for batch in &x.program.batches {
        let w = ColumnDef {
            name: crate::WEIGHT.into(),
            ty: TypeName::bigint(),
            collation: None,
        };
        let columns = batch.columns.iter();
        let columns = columns.map(|(_, c)| column_def(&c.name, c.ty, &x.catalog));
        let columns: Vec<ColumnDef> = std::iter::once(Ok(w))
            .chain(columns)
            .collect::<Result<_>>()?;
        let table = Statement::CreateTable {
            name: Name::bare(&batch.name),
            temporary: true,
            columns,
            fillfactor: None,
        };
        let source = crate::names::relation_name(batch.relation, &x.catalog)?;
        out += &format!(
            "-- The changes of {source}: a row of w = 1 for each new version of a row, of w = -1 \
             for each old one.\n{};\n-- INSERT INTO {} VALUES …\n\n",
            print::statement(&table),
            ident(&batch.name)
        );
    }
    let mut settings: BTreeSet<&(String, String)> = BTreeSet::new();
    for step in &x.program.steps {
        settings.extend(&step.settings);
    }
    for (name, value) in settings {
        out += &format!("SET LOCAL {name} = {};\n", crate::sql::ident::string(value));
    }
    for step in &x.program.steps {
        out += &format!("\n-- {}\n", step.comment.replace('\n', " "));
        match &step.kind {
            StepKind::Let { sql, .. } => {
                let name = ident(&step.name);
                out += &format!("CREATE TEMPORARY TABLE {name} AS\n{sql};\nANALYZE {name};\n");
            }
            // What writes cannot stand in CREATE TABLE AS.
            StepKind::Merge {
                with,
                rows,
                columns,
                ..
            } => {
                let name = ident(&step.name);
                let columns = columns.iter();
                let columns = columns.map(|c| column_def(&c.name, c.ty, &x.catalog));
                let table = Statement::CreateTable {
                    name: Name::bare(&step.name),
                    temporary: true,
                    columns: columns.collect::<Result<_>>()?,
                    fillfactor: None,
                };
                out += &format!("{};\n", print::statement(&table));
                out += &format!("{with}\nINSERT INTO {name}\n{rows};\nANALYZE {name};\n");
            }
            StepKind::Apply { statements, .. } => {
                for sql in statements {
                    out += &format!("{sql};\n");
                }
            }
            StepKind::Assert { sql, message, .. } => {
                let message = message.replace('\n', " ");
                out += &format!("-- must return no row, or else: {message}\n{sql};\n");
            }
        }
    }
    let temporary = x.program.batches.iter().map(|b| b.name.as_str());
    let lets = x.program.steps.iter().filter_map(|s| match s.kind {
        StepKind::Let { .. } | StepKind::Merge { .. } => Some(s.name.as_str()),
        _ => None,
    });
    out += "\n";
    for name in temporary.chain(lets) {
        out += &format!("DROP TABLE pg_temp.{};\n", ident(name));
    }
    out += "COMMIT;\n";
    Ok(out)
}
