//! `explain-delta`: what a stream table of a query would do, without a server.
//!
//! ```text
//! explain-delta --schema schema.sql query.sql
//! ```
//!
//! Exit code: 0 if every query is incremental, 1 if PostgreSQL would run all but some are not
//! incremental, 2 if the input is wrong.

use clap::{Parser, ValueEnum};
use codegen::explain::{self, Explanation};
use codegen::{Names, QualifiedName};
use compiler::Outcome;
use miette::Severity;
use spec::catalog::{Catalog, Objects};
use spec::compiled::Compiled;
use spec::types::Oid;
use std::collections::BTreeSet;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// Explain how a query would be kept up to date: the bound query, its circuit, the delta program,
/// the storage, and why not, where it is not incremental.
#[derive(Parser)]
#[command(version)]
struct Args {
    /// Files with queries, several separated by semicolons; `-` or none is standard input
    queries: Vec<PathBuf>,
    /// A file of CREATE statements, such as pg_dump --schema-only writes
    #[arg(long, value_name = "FILE", conflicts_with = "catalog")]
    schema: Option<PathBuf>,
    /// A snapshot of a catalog, as JSON that the extension has exported
    #[arg(long, value_name = "FILE")]
    catalog: Option<PathBuf>,
    /// The tables that have changed; without it, all that the query reads
    #[arg(long, value_name = "TABLE", value_delimiter = ',')]
    changed: Vec<String>,
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
    /// The name of the stream table
    #[arg(long, value_name = "NAME", default_value = "public.stream_table")]
    name: String,
}

#[derive(Clone, Copy, ValueEnum)]
enum Format {
    /// For reading
    Text,
    /// For tools
    Json,
    /// A script for psql
    Sql,
    /// The circuit of the deltas, for Graphviz
    Dot,
    /// The circuit of the deltas, drawn
    Svg,
}

impl From<Format> for explain::Format {
    fn from(format: Format) -> explain::Format {
        match format {
            Format::Text => explain::Format::Text,
            Format::Json => explain::Format::Json,
            Format::Sql => explain::Format::Sql,
            Format::Dot => explain::Format::Dot,
            Format::Svg => explain::Format::Svg,
        }
    }
}

/// The input is wrong; the message is for people.
struct Wrong(String);

fn main() -> ExitCode {
    match run(&Args::parse()) {
        Ok(all_incremental) => ExitCode::from(u8::from(!all_incremental)),
        Err(Wrong(message)) => {
            eprintln!("{}", message.trim_end());
            ExitCode::from(2)
        }
    }
}

fn read(path: &Path) -> Result<String, Wrong> {
    let text = if path == Path::new("-") {
        let mut text = String::new();
        std::io::stdin().read_to_string(&mut text).map(|_| text)
    } else {
        std::fs::read_to_string(path)
    };
    text.map_err(|error| Wrong(format!("{}: {error}", path.display())))
}

fn catalog(args: &Args) -> Result<Catalog, Wrong> {
    if let Some(path) = &args.catalog {
        let objects: Result<Objects, _> = serde_json::from_str(&read(path)?);
        let objects = objects.map_err(|error| Wrong(format!("{}: {error}", path.display())))?;
        return Ok(Catalog::new(objects));
    }
    let Some(path) = &args.schema else {
        return Ok(Catalog::builtin());
    };
    let text = read(path)?;
    let origin = path.display().to_string();
    let schema = compiler::schema::load_schema(&text).map_err(|error| {
        let hint = error.hint.as_deref();
        let message = &error.message;
        Wrong(explain::excerpt(
            &text,
            &origin,
            Severity::Error,
            None,
            message,
            error.span,
            hint,
        ))
    })?;
    for warning in &schema.warnings {
        let (message, span) = (&warning.message, Some(warning.span));
        let shown = explain::excerpt(&text, &origin, Severity::Warning, None, message, span, None);
        eprintln!("{shown}");
    }
    Ok(schema.catalog)
}

/// The statements of a file, each with the text that its positions refer to.
fn statements(text: &str) -> Vec<String> {
    let Ok(tree) = compiler::parse::parse(text) else {
        // Compiling it says what is wrong.
        return vec![text.to_owned()];
    };
    let piece = |location: i32, len: i32| {
        let start = usize::try_from(location).unwrap_or(0);
        let end = match usize::try_from(len) {
            Ok(len) if len > 0 => start + len,
            _ => text.len(),
        };
        text.get(start..end).unwrap_or(text).trim().to_owned()
    };
    let pieces = tree
        .stmts
        .iter()
        .map(|s| piece(s.stmt_location, s.stmt_len));
    match tree.stmts.len() {
        0 => vec![text.to_owned()],
        1 => vec![text.trim().trim_end_matches(';').to_owned()],
        _ => pieces.collect(),
    }
}

/// `name` or `schema.name`, as in SQL: quoted parts may have dots in them.
fn qualified(name: &str) -> Result<(Option<String>, String), Wrong> {
    let mut parts = vec![];
    let mut part = String::new();
    let mut quoted = false;
    let mut chars = name.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '"' if quoted && chars.peek() == Some(&'"') => {
                chars.next();
                part.push('"');
            }
            '"' => quoted = !quoted,
            '.' if !quoted => parts.push(std::mem::take(&mut part)),
            c if quoted => part.push(c),
            c => part.extend(c.to_lowercase()),
        }
    }
    parts.push(part);
    match (parts.pop(), parts.pop(), parts.pop()) {
        (Some(name), schema, None) if !quoted && !name.is_empty() => Ok((schema, name)),
        _ => Err(Wrong(format!("{name} is not the name of a table"))),
    }
}

fn changed(args: &Args, compiled: &Compiled, catalog: &Catalog) -> Result<BTreeSet<Oid>, Wrong> {
    let sources: BTreeSet<Oid> = compiled.sources.iter().map(|s| s.relation).collect();
    if args.changed.is_empty() {
        return Ok(sources);
    }
    let mut out = BTreeSet::new();
    for wanted in &args.changed {
        let (schema, name) = qualified(wanted.trim())?;
        let relation = catalog.relation_named(schema.as_deref(), &name);
        let relation = relation.ok_or_else(|| Wrong(format!("there is no table {wanted}")))?;
        // One list serves several queries, not all of which need read all of these.
        if sources.contains(&relation.oid) {
            out.insert(relation.oid);
        }
    }
    Ok(out)
}

fn run(args: &Args) -> Result<bool, Wrong> {
    let catalog = catalog(args)?;
    let (schema, name) = qualified(&args.name)?;
    let table = QualifiedName {
        schema: schema.unwrap_or_else(|| "public".into()),
        name,
    };
    let stdin = [PathBuf::from("-")];
    let paths = match args.queries.is_empty() {
        true => &stdin[..],
        false => &args.queries[..],
    };
    let mut found = vec![];
    for path in paths {
        let text = read(path)?;
        let several = statements(&text);
        let many = several.len() > 1;
        for (i, query) in several.into_iter().enumerate() {
            let origin = match many {
                true => format!("{}:{}", path.display(), i + 1),
                false => path.display().to_string(),
            };
            found.push((origin, query));
        }
    }
    let mut all_incremental = true;
    let mut refused = String::new();
    let mut shown = vec![];
    for (origin, query) in &found {
        match compiler::compile(query, &catalog) {
            Ok(Outcome::Incremental(compiled)) => {
                let changed = changed(args, &compiled, &catalog)?;
                let plan = compiler::delta(&compiled, &catalog, &changed);
                let plan = plan.map_err(|error| Wrong(format!("{origin}: {error}")))?;
                let names = Names::new(table.clone(), 1, &compiled);
                let text = Explanation::new(query, origin, &compiled, &plan, &catalog, &names)
                    .and_then(|x| x.render(args.format.into()))
                    .map_err(|error| Wrong(format!("{origin}: {} {error}", error.code())))?;
                shown.push(text);
            }
            Ok(Outcome::NotIncremental { reasons, .. }) => {
                all_incremental = false;
                let format = args.format.into();
                shown.push(explain::render_reasons(query, origin, &reasons, format));
            }
            Err(reasons) => {
                refused += &explain::reasons(query, origin, &reasons);
            }
        }
    }
    let text = match args.format {
        Format::Json if found.len() > 1 => format!("[\n{}\n]\n", shown.join(",\n")),
        _ => shown.join("\n"),
    };
    let mut out = std::io::stdout().lock();
    let newline = if text.ends_with('\n') || text.is_empty() {
        ""
    } else {
        "\n"
    };
    match write!(out, "{text}{newline}") {
        // Whoever reads may stop when it has seen enough.
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => {
            return Err(Wrong(format!("standard output: {error}")));
        }
        _ => {}
    }
    match refused.is_empty() {
        true => Ok(all_incremental),
        false => Err(Wrong(refused)),
    }
}
