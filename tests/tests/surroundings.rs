//! The traps of the surroundings: rights, names, DDL, settings, crashes.

#[path = "time/support.rs"]
#[allow(dead_code)]
mod support;

#[path = "surroundings/crash.rs"]
mod crash;
#[path = "surroundings/ddl.rs"]
mod ddl;
#[path = "surroundings/dump.rs"]
mod dump;
#[path = "surroundings/names.rs"]
mod names;
#[path = "surroundings/redefine.rs"]
mod redefine;
#[path = "surroundings/rights.rs"]
mod rights;
#[path = "surroundings/values.rs"]
mod values;
