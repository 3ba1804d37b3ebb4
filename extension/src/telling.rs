//! Telling listeners: notifications on `pg_trickle_alert`, JSON with an `event`.
//!
//! NOTIFY takes a lock of the whole server when its transaction commits, fails where listeners do
//! not read what was sent, and cannot be prepared. So neither refreshes nor sessions of users ever
//! do it: background processes, and `run_due()`, note what their transactions do, and tell when these have committed, in
//! a transaction that does nothing else. What the processes see to hold, they tell once: see
//! `scheduler/watch.rs`.

use crate::refresh::identity::as_system;
use crate::sql::{self, arg};
use serde_json::{Map, Value};
use std::cell::RefCell;

/// Longer texts are cut: a notification holds less than 8,000 bytes.
const LONGEST: usize = 1000;

thread_local! {
    static NOTED: RefCell<Vec<String>> = const { RefCell::new(Vec::new()) };
}

fn payload(event: &str, details: Map<String, Value>) -> String {
    let mut told = Map::new();
    told.insert("event".into(), event.into());
    for (key, value) in details {
        let value = match value {
            Value::String(text) if text.chars().count() > LONGEST => {
                Value::String(text.chars().take(LONGEST).collect::<String>() + "…")
            }
            other => other,
        };
        told.insert(key, value);
    }
    Value::Object(told).to_string()
}

/// Tells at the commit of this transaction, which must be a background process's own.
pub fn tell(event: &str, details: Map<String, Value>) {
    notify(&payload(event, details));
}

fn notify(payload: &str) {
    as_system(|| {
        sql::run(
            "SELECT pg_catalog.pg_notify('pg_trickle_alert', $1)",
            &[arg(payload)],
        );
    });
}

/// Is nobody to be notified of a stream table?
pub fn is_silent(pgt_id: i64) -> bool {
    as_system(|| {
        sql::one(
            "SELECT pooler_compatibility_mode FROM pgtrickle.pgt_stream_tables WHERE pgt_id = $1",
            &[arg(pgt_id)],
        )
    })
    .unwrap_or(false)
}

/// Notes what this transaction of a background process has done to a stream table, unless nobody is
/// to be notified of it.
pub fn note(event: &str, pgt_id: i64, details: Value) {
    let name: Option<String> = as_system(|| {
        sql::one(
            "SELECT pg_catalog.format('%I.%I', pgt_schema, pgt_name) \
             FROM pgtrickle.pgt_stream_tables WHERE pgt_id = $1 AND NOT pooler_compatibility_mode",
            &[arg(pgt_id)],
        )
    });
    let Some(name) = name else { return };
    let mut told = Map::new();
    told.insert("stream_table".into(), name.into());
    if let Value::Object(details) = details {
        told.extend(details);
    }
    NOTED.with_borrow_mut(|noted| noted.push(payload(event, told)));
}

/// What was noted by a transaction that has ended: to be told if it has committed.
pub fn take() -> Vec<String> {
    NOTED.take()
}

/// Tells what was noted, in a transaction of its own. The server's lock is not held while anything is
/// flushed.
pub fn tell_noted(noted: &[String]) {
    as_system(|| sql::own("SET LOCAL synchronous_commit = off"));
    noted.iter().for_each(|payload| notify(payload));
}
