//! Turns a layer of the catalog (JSON, as `snapshot.sql` returns it, on the standard input) into
//! the text files of the built-in layer, in the directory that is the one argument. Called by
//! `spec/data/regenerate`.

use spec::catalog::{Objects, tsv};
use std::error::Error;
use std::path::Path;

fn main() -> Result<(), Box<dyn Error>> {
    let directory = std::env::args()
        .nth(1)
        .ok_or("usage: builtin_tsv DIRECTORY")?;
    let objects: Objects = serde_json::from_reader(std::io::stdin().lock())?;
    let write = |name: &str, text: String| std::fs::write(Path::new(&directory).join(name), text);
    write("namespaces.tsv", tsv::write(&objects.namespaces))?;
    write("types.tsv", tsv::write(&objects.types))?;
    write("functions.tsv", tsv::write(&objects.functions))?;
    write("operators.tsv", tsv::write(&objects.operators))?;
    write("casts.tsv", tsv::write(&objects.casts))?;
    write("collations.tsv", tsv::write(&objects.collations))?;
    Ok(())
}
