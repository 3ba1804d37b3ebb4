//! The server's own functions. The bindings' wrappers turn its errors into panics and back, which
//! loses part of them and costs time; hooks that have nothing to clean up let errors pass over
//! their frames, and what is done for every row is one guarded region with many plain calls in it.

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
    pub fn GetCurrentStatementStartTimestamp() -> pg_sys::TimestampTz;
    pub fn GetTopFullTransactionId() -> pg_sys::FullTransactionId;
    pub fn GetCurrentCommandId(used: bool) -> pg_sys::CommandId;
    pub fn enable_timeout_after(id: std::ffi::c_uint, milliseconds: std::ffi::c_int);
    pub fn disable_timeout(id: std::ffi::c_uint, keep_indicator: bool);
    pub fn LockRelationOid(relation: pg_sys::Oid, mode: i32);
    pub fn try_table_open(relation: pg_sys::Oid, mode: i32) -> pg_sys::Relation;
    pub fn table_close(relation: pg_sys::Relation, mode: i32);
    pub fn slot_getsomeattrs_int(slot: *mut pg_sys::TupleTableSlot, columns: i32);
    pub fn datum_image_eq(
        a: pg_sys::Datum,
        b: pg_sys::Datum,
        by_value: bool,
        len: std::ffi::c_int,
    ) -> bool;
    pub fn heap_compute_data_size(
        desc: pg_sys::TupleDesc,
        values: *const pg_sys::Datum,
        nulls: *const bool,
    ) -> usize;
    pub fn heap_fill_tuple(
        desc: pg_sys::TupleDesc,
        values: *const pg_sys::Datum,
        nulls: *const bool,
        data: *mut std::ffi::c_char,
        size: usize,
        infomask: *mut u16,
        bits: *mut u8,
    );
    pub fn heap_getnextslot(
        scan: pg_sys::TableScanDesc,
        direction: pg_sys::ScanDirection::Type,
        slot: *mut pg_sys::TupleTableSlot,
    ) -> bool;
    pub fn heap_form_tuple(
        desc: pg_sys::TupleDesc,
        values: *const pg_sys::Datum,
        nulls: *const bool,
    ) -> pg_sys::HeapTuple;
    pub fn heap_freetuple(tuple: pg_sys::HeapTuple);
    pub fn heap_insert(
        relation: pg_sys::Relation,
        tuple: pg_sys::HeapTuple,
        command: pg_sys::CommandId,
        options: i32,
        bulk: pg_sys::BulkInsertState,
    );
    pub fn heap_multi_insert(
        relation: pg_sys::Relation,
        slots: *mut *mut pg_sys::TupleTableSlot,
        count: i32,
        command: pg_sys::CommandId,
        options: i32,
        bulk: pg_sys::BulkInsertState,
    );
    pub fn tuplestore_putvalues(
        store: *mut pg_sys::Tuplestorestate,
        desc: pg_sys::TupleDesc,
        values: *const pg_sys::Datum,
        nulls: *const bool,
    );
    pub fn tuplestore_gettupleslot(
        store: *mut pg_sys::Tuplestorestate,
        forward: bool,
        copy: bool,
        slot: *mut pg_sys::TupleTableSlot,
    ) -> bool;
    pub fn ExecStoreVirtualTuple(slot: *mut pg_sys::TupleTableSlot) -> *mut pg_sys::TupleTableSlot;
    pub fn MemoryContextReset(context: pg_sys::MemoryContext);
    pub fn XLogReadRecord(
        reader: *mut pg_sys::XLogReaderState,
        problem: *mut *mut std::ffi::c_char,
    ) -> *mut pg_sys::XLogRecord;
    pub fn LogicalDecodingProcessRecord(
        context: *mut pg_sys::LogicalDecodingContext,
        reader: *mut pg_sys::XLogReaderState,
    );
    pub fn read_local_xlog_page(
        reader: *mut pg_sys::XLogReaderState,
        page: pg_sys::XLogRecPtr,
        length: std::ffi::c_int,
        record: pg_sys::XLogRecPtr,
        into: *mut std::ffi::c_char,
    ) -> std::ffi::c_int;
    pub fn wal_segment_open(
        reader: *mut pg_sys::XLogReaderState,
        segment: pg_sys::XLogSegNo,
        timeline: *mut pg_sys::TimeLineID,
    );
    pub fn wal_segment_close(reader: *mut pg_sys::XLogReaderState);
    // Signal handlers.
    pub fn SignalHandlerForConfigReload(signal: i32);
    pub fn StatementCancelHandler(signal: i32);
    pub fn die(signal: i32);
}
