//! For reading in a terminal.

use super::circuit::Notation;
use super::{Explanation, reasons};
use crate::error::Result;
use spec::program::StepKind;

fn heading(title: &str) -> String {
    format!(
        "── {title} {}\n",
        "─".repeat(72usize.saturating_sub(title.chars().count()))
    )
}

fn indented(text: &str, by: &str) -> String {
    let lines = text.lines().map(|l| match l.is_empty() {
        true => String::from("\n"),
        false => format!("{by}{l}\n"),
    });
    lines.collect()
}

pub fn render(x: &Explanation<'_>) -> Result<String> {
    let mut out = String::new();
    out += &heading("bound query");
    out += &format!("{}\n\n", x.bound);
    out += &heading("circuit");
    let before = Notation::new(&x.compiled.circuit, &x.catalog, &x.stored);
    for line in before.lines(&[x.compiled.root])? {
        out += &format!("{line}\n");
    }
    for stored in &x.compiled.storage.stored {
        let table = x.names.table(stored.id)?;
        out += &format!("stored: %{} in {table}\n", stored.node.0);
    }
    out += "\n";
    out += &heading(&format!("circuit of the deltas{}", changed(x)));
    let after = Notation::new(&x.plan.circuit, &x.catalog, &x.stored);
    let roots: Vec<_> = x.plan.deltas.iter().map(|(_, node)| *node).collect();
    for line in after.lines(&roots)? {
        out += &format!("{line}\n");
    }
    for (id, node) in &x.plan.deltas {
        out += &format!("delta of {}: %{}\n", x.names.table(*id)?, node.0);
    }
    if !x.plan.rules.is_empty() {
        let rules = x.plan.rules.iter();
        let rules: Vec<String> = rules.map(|(name, n)| format!("{name} ×{n}")).collect();
        out += &format!(
            "\nrules: {} ({} e-nodes)\n",
            rules.join(", "),
            x.plan.enodes
        );
    }
    out += "\n";
    out += &heading("delta program");
    for batch in &x.program.batches {
        let columns: Vec<&str> = batch.columns.iter().map(|(_, c)| c.name.as_str()).collect();
        let alone = match batch.insertions_only {
            true => ", insertions only",
            false => "",
        };
        out += &format!("batch {} (w, {}){alone}\n", batch.name, columns.join(", "));
        if let Some(asked) = &batch.asked {
            out += &indented(&format!("of use where {asked}"), "  ");
        }
    }
    for step in &x.program.steps {
        out += &format!("\n{}: {}\n", step.name, step.comment);
        if !step.skip_if_empty.is_empty() {
            out += &format!("  skipped if empty: {}\n", step.skip_if_empty.join(", "));
        }
        match &step.kind {
            StepKind::Let { sql, .. } | StepKind::Assert { sql, .. } => {
                out += &indented(&format!("{sql};"), "    ");
            }
            StepKind::Merge { with, rows, .. } => {
                out += &indented(&format!("{with}\n{rows};"), "    ");
            }
            StepKind::Apply { statements, .. } => {
                for sql in statements {
                    out += &indented(&format!("{sql};"), "    ");
                }
            }
        }
    }
    out += "\n";
    out += &heading("storage");
    let statements = x.storage.tables.iter().chain(&x.storage.indexes);
    for sql in statements {
        out += &format!("{sql};\n");
    }
    if !x.advice.is_empty() {
        out += "\n";
        out += &heading("indexes that would help");
        for advice in &x.advice {
            out += &format!("{};\n", advice.sql);
        }
    }
    let mut found = x.compiled.reasons.clone();
    for reason in &x.plan.reasons {
        if !found.contains(reason) {
            found.push(reason.clone());
        }
    }
    if !found.is_empty() {
        out += "\n";
        out += &heading("bounds");
        out += &reasons(x.query, x.origin, &found);
    }
    Ok(out)
}

fn changed(x: &Explanation<'_>) -> String {
    let names = x.plan.changed.iter().filter_map(|oid| {
        let relation = x.catalog.relation(*oid)?;
        Some(relation.name.clone())
    });
    let names: Vec<String> = names.collect();
    format!(", changed: {}", names.join(", "))
}
