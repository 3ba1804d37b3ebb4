//! The thin shell that runs inside PostgreSQL. No query knowledge lives here.

use pgrx::prelude::*;

::pgrx::pg_module_magic!(name, version);

/// Declares a C-callable function to the server's function manager.
#[macro_export]
macro_rules! c_function {
    ($info:ident) => {
        #[unsafe(no_mangle)]
        pub extern "C" fn $info() -> &'static pgrx::pg_sys::Pg_finfo_record {
            static V1: pgrx::pg_sys::Pg_finfo_record =
                pgrx::pg_sys::Pg_finfo_record { api_version: 1 };
            &V1
        }
    };
}

mod capture;
mod catalog;
mod compiled;
mod coordinating;
mod frontier;
mod guard;
mod image;
mod immediate;
mod isolation;
mod lifecycle;
mod looking;
mod pg;
mod refresh;
mod scheduler;
mod server;
mod settings;
mod sql;
mod telling;

extension_sql_file!("../sql/catalog.sql", name = "catalog", bootstrap);

/// Called once per process, when the library is loaded.
#[pg_guard]
pub extern "C-unwind" fn _PG_init() {
    settings::register();
    immediate::register_invalidation();
    capture::register_invalidation();
    compiled::named::register_invalidation(refresh::programs::forget);
    refresh::programs::register_invalidation();
    // Before the hooks that know which statements are unfinished: theirs are called around these.
    capture::install();
    capture::wal::install();
    refresh::midstatement::install();
    refresh::statistics::install();
    // After them: what is around a statement must not be taken for it.
    immediate::install();
    if scheduler::is_server_starting() {
        scheduler::register();
    }
}

/// The version of this library.
#[pg_extern(immutable, parallel_safe)]
fn version() -> &'static str {
    env!("CARGO_PKG_VERSION")
}
