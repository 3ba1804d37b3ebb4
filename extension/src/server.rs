//! The server's own functions. The bindings' wrappers turn its errors into panics and back, which
//! loses part of them and costs time; hooks that have nothing to clean up let errors pass over
//! their frames.

use pgrx::pg_sys;

unsafe extern "C-unwind" {
    pub fn standard_ExecutorRun(
        query: *mut pg_sys::QueryDesc,
        direction: pg_sys::ScanDirection::Type,
        count: u64,
    );
    pub fn standard_ExecutorFinish(query: *mut pg_sys::QueryDesc);
    pub fn standard_ProcessUtility(
        statement: *mut pg_sys::PlannedStmt,
        text: *const std::ffi::c_char,
        read_only_tree: bool,
        context: pg_sys::ProcessUtilityContext::Type,
        params: pg_sys::ParamListInfo,
        environment: *mut pg_sys::QueryEnvironment,
        receiver: *mut pg_sys::DestReceiver,
        completion: *mut pg_sys::QueryCompletion,
    );
    pub fn RangeVarGetRelidExtended(
        relation: *const pg_sys::RangeVar,
        lock: i32,
        flags: u32,
        callback: pg_sys::RangeVarGetRelidCallback,
        argument: *mut std::ffi::c_void,
    ) -> pg_sys::Oid;
    pub fn GetCurrentSubTransactionId() -> u32;
    // Signal handlers.
    pub fn SignalHandlerForConfigReload(signal: i32);
    pub fn StatementCancelHandler(signal: i32);
    pub fn die(signal: i32);
}
