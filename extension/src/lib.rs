//! The thin shell that runs inside PostgreSQL. No query knowledge lives here.

use pgrx::prelude::*;

::pgrx::pg_module_magic!(name, version);

mod isolation;

/// Called once per process, when the library is loaded.
#[pg_guard]
pub extern "C-unwind" fn _PG_init() {}

/// The version of this library.
#[pg_extern(immutable, parallel_safe)]
fn version() -> &'static str {
    env!("CARGO_PKG_VERSION")
}

extension_sql!(
    "COMMENT ON FUNCTION version() IS 'The version of pg_trickle that is loaded.';",
    name = "version_comment",
    requires = [version]
);
