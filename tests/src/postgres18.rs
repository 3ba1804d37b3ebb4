//! The PostgreSQL 18 that is used (`PG_CONFIG`, or else the one in `target/pg18`), and installing
//! the extension into it.
//!
//! The SQL of the extension is generated from the metadata that pgrx leaves in a section of the
//! built library, as `cargo pgrx schema` does, so that cargo-pgrx need not be built for it.

use crate::{Context, Error, Result};
use object::{Object, ObjectSection};
use pgrx_sql_entity_graph::{ControlFile, PgrxSql, SqlGraphEntity, section};
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

const VERSION: &str = env!("CARGO_PKG_VERSION");

/// The root of the repository.
pub fn repository() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .unwrap_or(Path::new("/"))
}

/// Where PostgreSQL and its servers live; may be a link to a place that servers can enter.
pub fn home() -> Result<PathBuf> {
    let link = repository().join("target/pg18");
    link.canonicalize()
        .context(format!("{} (run ./dev setup)", link.display()))
}

fn pg_config_path() -> PathBuf {
    match std::env::var_os("PG_CONFIG") {
        Some(path) if !path.is_empty() => path.into(),
        _ => repository().join("target/pg18/bin/pg_config"),
    }
}

/// What `pg_config --WHAT` prints.
fn pg_config(what: &str) -> Result<PathBuf> {
    let path = pg_config_path();
    let output = Command::new(&path)
        .arg(what)
        .output()
        .context(path.display())?;
    if !output.status.success() {
        return Err(Error::Command {
            command: format!("{} {what}", path.display()),
            output: String::from_utf8_lossy(&output.stderr).into_owned(),
        });
    }
    Ok(String::from_utf8_lossy(&output.stdout).trim().into())
}

/// A program of the installation, for instance `psql`.
pub fn program(name: &str) -> Result<PathBuf> {
    Ok(pg_config("--bindir")?.join(name))
}

/// Copies the library built with `profile`, its control file and its generated SQL into the
/// installation; returns where they went.
pub fn install(profile: &str) -> Result<Vec<PathBuf>> {
    let library = built_library(profile);
    let control = repository().join("extension/pg_trickle.control");
    let sql = generate_sql(&library, &control)?;
    let control = fs::read_to_string(&control)
        .context(control.display())?
        .replace("@CARGO_VERSION@", VERSION);

    let extensions = pg_config("--sharedir")?.join("extension");
    let files = [
        (
            pg_config("--pkglibdir")?.join("pg_trickle.so"),
            read(&library)?,
            0o755,
        ),
        (
            extensions.join("pg_trickle.control"),
            control.into_bytes(),
            0o644,
        ),
        (
            extensions.join(format!("pg_trickle--{VERSION}.sql")),
            sql.into_bytes(),
            0o644,
        ),
    ];
    for (path, content, mode) in &files {
        place(path, content, *mode)?;
    }
    Ok(files.into_iter().map(|(path, ..)| path).collect())
}

/// A new file in place of the old, which running servers have mapped.
fn place(path: &Path, content: &[u8], mode: u32) -> Result<()> {
    let new = path.with_extension("new");
    fs::write(&new, content).context(new.display())?;
    fs::set_permissions(&new, fs::Permissions::from_mode(mode)).context(new.display())?;
    fs::rename(&new, path).context(path.display())
}

fn built_library(profile: &str) -> PathBuf {
    let target = std::env::var_os("CARGO_TARGET_DIR")
        .map_or_else(|| repository().join("target"), |dir| repository().join(dir));
    let folder = if profile == "dev" { "debug" } else { profile };
    target.join(folder).join("libpg_trickle.so")
}

fn read(path: &Path) -> Result<Vec<u8>> {
    fs::read(path).context(path.display())
}

fn generate_sql(library: &Path, control: &Path) -> Result<String> {
    let broken = |what: &dyn std::fmt::Display| {
        Error::Other(format!("no SQL for {}: {what}", library.display()))
    };
    let bytes = read(library)?;
    let object = object::File::parse(bytes.as_slice()).map_err(|error| broken(&error))?;
    let metadata = object
        .sections()
        .find(|s| s.name().is_ok_and(section::is_schema_section_name))
        .ok_or_else(|| broken(&"the library has no section of pgrx metadata"))?;
    let metadata = metadata.data().map_err(|error| broken(&error))?;

    let control = ControlFile::from_path_with_cargo_version(control, VERSION)
        .map_err(|error| broken(&error))?;
    let mut entities = vec![SqlGraphEntity::ExtensionRoot(control)];
    entities.extend(section::decode_entities(metadata).map_err(|error| broken(&error))?);
    PgrxSql::build(entities.into_iter(), "pg_trickle".into(), false)
        .and_then(|sql| sql.to_sql())
        .map_err(|error| broken(&format!("{error:?}")))
}
