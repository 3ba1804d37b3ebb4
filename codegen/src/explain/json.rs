//! For tools: one object for each query.

use super::Explanation;
use super::circuit::Notation;
use crate::error::{CodegenError, Result};
use serde_json::{Value, json};
use spec::Reason;

fn text(value: &Value) -> Result<String> {
    let text = serde_json::to_string_pretty(value);
    text.map_err(|error| CodegenError::Plan(error.to_string()))
}

fn data<T: serde::Serialize>(value: &T) -> Result<Value> {
    serde_json::to_value(value).map_err(|error| CodegenError::Plan(error.to_string()))
}

fn reasons(found: &[Reason]) -> Value {
    let one = |r: &Reason| {
        json!({
            "code": r.code.code(),
            "severity": format!("{:?}", r.code.severity()),
            "message": r.message,
            "span": r.span.map(|s| [s.start, s.end]),
            "hint": r.hint,
            "explanation": r.code.explanation().trim(),
        })
    };
    found.iter().map(one).collect()
}

pub fn render(x: &Explanation<'_>) -> Result<String> {
    let before = Notation::new(&x.compiled.circuit, &x.catalog, &x.stored);
    let after = Notation::new(&x.plan.circuit, &x.catalog, &x.stored);
    let roots: Vec<_> = x.plan.deltas.iter().map(|(_, node)| *node).collect();
    let mut found = x.compiled.reasons.clone();
    found.extend(
        x.plan
            .reasons
            .iter()
            .filter(|r| !x.compiled.reasons.contains(r))
            .cloned(),
    );
    let columns: Vec<&str> = x.compiled.columns.iter().map(|c| c.name.as_str()).collect();
    let advice: Vec<&str> = x.advice.iter().map(|a| a.sql.as_str()).collect();
    text(&json!({
        "origin": x.origin,
        "query": x.query,
        "incremental": true,
        "columns": columns,
        "bound": x.bound,
        "circuit": before.lines(&[x.compiled.root])?,
        "changed": data(&x.plan.changed)?,
        "delta_circuit": after.lines(&roots)?,
        "rules": data(&x.plan.rules)?,
        "enodes": x.plan.enodes,
        "program": data(&x.program)?,
        "storage": data(&x.storage)?,
        "advice": advice,
        "reasons": reasons(&found),
    }))
}

pub fn not_incremental(query: &str, origin: &str, found: &[Reason]) -> String {
    let value = json!({
        "origin": origin,
        "query": query,
        "incremental": false,
        "reasons": reasons(found),
    });
    // A value that was just made of strings always prints.
    format!("{value:#}")
}
