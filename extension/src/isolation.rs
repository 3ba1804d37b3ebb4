//! Proof that libpg_query, which is a piece of PostgreSQL itself, has captured none of the symbols
//! that this library takes from the server (compiler/isolate/generate says how that is avoided).

use pgrx::prelude::*;
use std::ffi::{CStr, c_void};

unsafe extern "C" {
    fn dlsym(handle: *mut c_void, symbol: *const std::ffi::c_char) -> *mut c_void;
}

/// Where the dynamic linker finds `symbol`, beginning with the main program: in the server.
fn in_server(symbol: &CStr) -> usize {
    // RTLD_DEFAULT: null on Linux, -2 on macOS.
    let default = if cfg!(target_os = "macos") {
        usize::MAX - 1
    } else {
        0
    };
    // SAFETY: a handle that dlsym defines, and a C string.
    unsafe { dlsym(std::ptr::without_provenance_mut(default), symbol.as_ptr()) as usize }
}

macro_rules! addresses {
    (functions: $($function:ident)*; variables: $($variable:ident)*) => {{
        // The declarations of pgrx-pg-sys are wrappers; these name the symbols themselves.
        mod symbols {
            unsafe extern "C" {
                $(pub fn $function();)*
                $(pub static mut $variable: std::ffi::c_char;)*
            }
        }
        vec![
            $((stringify!($function), symbols::$function as *const () as usize),)*
            $((stringify!($variable), &raw const symbols::$variable as usize),)*
        ]
    }};
}

/// Symbols that both libpg_query and the server define: where this library's references to them
/// lead, and whether that is into the server. Parses a statement and an error with libpg_query
/// first, so that it is at work when the addresses are compared.
#[pg_extern(name = "_isolation", volatile)]
fn isolation(
    sql: &str,
) -> TableIterator<'static, (name!(symbol, &'static str), name!(is_the_servers, bool))> {
    let parsed = compiler::parse::parse(sql);
    let rejected = compiler::parse::parse("SELECT FROM FROM");
    if let Err(error) = parsed {
        let at = error.span().map_or(-1, |span| i64::from(span.start));
        ereport!(
            ERROR,
            PgSqlErrorCode::ERRCODE_SYNTAX_ERROR,
            format!("{}: {error}", error.code()),
            format!("at byte {at}")
        );
    }
    assert!(rejected.is_err(), "libpg_query accepts what is no SQL");
    #[allow(clashing_extern_declarations)]
    let ours = addresses! {
        functions: palloc palloc0 pfree repalloc errstart errfinish errmsg_internal
            CopyErrorData FlushErrorState AllocSetContextCreateInternal MemoryContextDelete
            MemoryContextAlloc raw_parser lappend bms_copy copyObjectImpl equal pg_re_throw;
        variables: CurrentMemoryContext TopMemoryContext ErrorContext PG_exception_stack
            error_context_stack
    };
    let rows: Vec<_> = ours
        .into_iter()
        .map(|(name, address)| {
            let symbol = std::ffi::CString::new(name).unwrap_or_default();
            (name, address != 0 && address == in_server(&symbol))
        })
        .collect();
    TableIterator::new(rows)
}
