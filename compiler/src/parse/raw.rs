//! The call into libpg_query: SQL text in, the protobuf image of PostgreSQL's parse tree out.
//!
//! `pg_query::parse` drops the position of an error and decodes without a bound on nesting, so
//! its C entry point is called here. This is the only place of the compiler that needs `unsafe`.

use std::ffi::{CStr, c_char, c_int};

/// `PgQueryError` of pg_query.h.
#[repr(C)]
struct CError {
    message: *mut c_char,
    funcname: *mut c_char,
    filename: *mut c_char,
    lineno: c_int,
    cursorpos: c_int,
    context: *mut c_char,
}

/// `PgQueryProtobuf` of pg_query.h.
#[repr(C)]
#[derive(Clone, Copy)]
struct CProtobuf {
    len: usize,
    data: *mut c_char,
}

/// `PgQueryProtobufParseResult` of pg_query.h.
#[repr(C)]
#[derive(Clone, Copy)]
struct CResult {
    parse_tree: CProtobuf,
    stderr_buffer: *mut c_char,
    error: *mut CError,
}

unsafe extern "C" {
    fn pg_query_parse_protobuf(input: *const c_char) -> CResult;
    fn pg_query_free_protobuf_parse_result(result: CResult);
}

/// What libpg_query reports before it has filled in the other fields of its error.
const NO_PIPE: &[u8] = b"Failed to open pipe, too many open file descriptors";

/// An error of PostgreSQL's scanner or grammar.
#[derive(Debug)]
pub(super) struct RawError {
    pub message: String,
    /// In characters, from 1; 0 where there is none.
    pub cursor: usize,
}

/// The answer of libpg_query, freed when it goes.
struct Answer(CResult);

impl Answer {
    fn of(sql: &CStr) -> Answer {
        // SAFETY: `sql` ends in NUL and outlives the call; the library keeps its state per thread,
        // catches its own longjmps, and only returns memory that the caller frees.
        Answer(unsafe { pg_query_parse_protobuf(sql.as_ptr()) })
    }

    fn error(&self) -> Option<&CError> {
        // SAFETY: null, or a struct of libpg_query that lives until `self` is dropped.
        unsafe { self.0.error.as_ref() }
    }

    fn message<'a>(&'a self, error: &'a CError) -> &'a [u8] {
        if error.message.is_null() {
            return b"";
        }
        // SAFETY: a C string of libpg_query that lives until `self` is dropped.
        unsafe { CStr::from_ptr(error.message) }.to_bytes()
    }

    fn tree(&self) -> &[u8] {
        let CProtobuf { len, data } = self.0.parse_tree;
        if data.is_null() {
            return &[];
        }
        // SAFETY: `len` initialised bytes that live until `self` is dropped.
        unsafe { std::slice::from_raw_parts(data.cast::<u8>(), len) }
    }
}

impl Drop for Answer {
    fn drop(&mut self) {
        if self
            .error()
            .is_some_and(|error| self.message(error) == NO_PIPE)
        {
            return; // The other pointers of this error are not initialised: it is not freed.
        }
        // SAFETY: the result of pg_query_parse_protobuf, whole, once.
        unsafe { pg_query_free_protobuf_parse_result(self.0) }
    }
}

/// The parse tree of `sql`, encoded as a `pg_query.ParseResult`.
pub(super) fn parse(sql: &CStr) -> Result<Vec<u8>, RawError> {
    let answer = Answer::of(sql);
    match answer.error() {
        None => Ok(answer.tree().to_vec()),
        Some(error) => Err(RawError {
            message: String::from_utf8_lossy(answer.message(error)).into_owned(),
            cursor: usize::try_from(error.cursorpos).unwrap_or(0),
        }),
    }
}
