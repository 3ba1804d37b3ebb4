//! SQL/JSON: query functions, constructors, `IS JSON`, JSON_TABLE.

mod aggregate;
mod constructor;
mod path;
mod query;
mod table;
mod value;

pub(in super::super) use table::bind_json_table;
