//! The pages under `docs/` say what is there: all of it, and nothing else.

#[path = "docs/catalog.rs"]
mod catalog;
#[path = "docs/examples.rs"]
mod examples;
#[path = "docs/links.rs"]
mod links;
#[path = "docs/programs.rs"]
mod programs;
#[path = "docs/reason_codes.rs"]
mod reason_codes;
#[path = "docs/support.rs"]
mod support;

use std::path::PathBuf;

/// The directory of the pages.
fn directory() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../docs")
}

#[track_caller]
fn page(name: &str) -> String {
    let path = directory().join(name);
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}
