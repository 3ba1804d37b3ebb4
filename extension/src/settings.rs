//! Settings (`pg_trickle.*`).

use pgrx::{GucContext, GucFlags, GucRegistry, GucSetting, PostgresGucEnum};
use std::time::Duration;

/// How stream tables ask for the capture of their sources that do not say it themselves.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PostgresGucEnum)]
pub enum CdcMode {
    #[name = c"auto"]
    Auto,
    #[name = c"trigger"]
    Trigger,
    #[name = c"wal"]
    Wal,
}

static ENABLED: GucSetting<bool> = GucSetting::<bool>::new(true);
static STRICT: GucSetting<bool> = GucSetting::<bool>::new(false);
static BLOCK_SOURCE_DDL: GucSetting<bool> = GucSetting::<bool>::new(false);
static SCHEDULER_INTERVAL_MS: GucSetting<i32> = GucSetting::<i32>::new(1000);
static MIN_SCHEDULE_SECONDS: GucSetting<i32> = GucSetting::<i32>::new(1);
static DEFAULT_SCHEDULE_SECONDS: GucSetting<i32> = GucSetting::<i32>::new(1);
static MAX_CONSECUTIVE_ERRORS: GucSetting<i32> = GucSetting::<i32>::new(3);
static MAX_CONCURRENT_REFRESHES: GucSetting<i32> = GucSetting::<i32>::new(4);
static REFRESH_TIMEOUT: GucSetting<i32> = GucSetting::<i32>::new(0);
static BUFFER_ALERT_THRESHOLD: GucSetting<i32> = GucSetting::<i32>::new(1_000_000);
static SLOT_LAG_WARNING_MB: GucSetting<i32> = GucSetting::<i32>::new(100);
static SLOT_LAG_CRITICAL_MB: GucSetting<i32> = GucSetting::<i32>::new(1024);
static ALLOW_CIRCULAR: GucSetting<bool> = GucSetting::<bool>::new(false);
static MAX_FIXPOINT_ITERATIONS: GucSetting<i32> = GucSetting::<i32>::new(100);
static CDC_MODE: GucSetting<CdcMode> = GucSetting::<CdcMode>::new(CdcMode::Auto);
static HISTORY_RETENTION_DAYS: GucSetting<i32> = GucSetting::<i32>::new(7);

/// Does the scheduler run?
pub fn enabled() -> bool {
    ENABLED.get()
}

/// Is a query that cannot be incremental refused in AUTO mode, too?
pub fn strict() -> bool {
    STRICT.get()
}

/// Is DDL refused that a stream table would have to be rebuilt for?
pub fn block_source_ddl() -> bool {
    BLOCK_SOURCE_DDL.get()
}

/// The longest that the scheduler sleeps while there is anything to schedule.
pub fn scheduler_interval() -> Duration {
    Duration::from_millis(SCHEDULER_INTERVAL_MS.get().max(1) as u64)
}

pub fn min_schedule() -> Duration {
    Duration::from_secs(MIN_SCHEDULE_SECONDS.get().max(1) as u64)
}

/// Of `calculated` stream tables that nothing reads.
pub fn default_schedule() -> Duration {
    Duration::from_secs(DEFAULT_SCHEDULE_SECONDS.get().max(1) as u64)
}

/// Failures in a row after which a stream table is suspended.
pub fn max_consecutive_errors() -> i32 {
    MAX_CONSECUTIVE_ERRORS.get()
}

/// Refreshers at a time, in all databases; with 1 the scheduler refreshes everything itself.
pub fn max_concurrent_refreshes() -> i32 {
    MAX_CONCURRENT_REFRESHES.get()
}

/// After how many milliseconds a scheduled refresh is cancelled, if at all.
pub fn refresh_timeout() -> Option<i32> {
    Some(REFRESH_TIMEOUT.get()).filter(|timeout| *timeout > 0)
}

/// So many changes that wait for one reader are too many.
pub fn buffer_alert_threshold() -> u64 {
    BUFFER_ALERT_THRESHOLD.get().max(1) as u64
}

/// May stream tables come to read themselves, through others or not?
pub fn allow_circular() -> bool {
    ALLOW_CIRCULAR.get()
}

/// So many rounds a circle may take to come to rest.
pub fn max_fixpoint_iterations() -> u32 {
    MAX_FIXPOINT_ITERATIONS.get().max(1) as u32
}

/// Days that a refresh stays in the history.
pub fn history_retention_days() -> i32 {
    HISTORY_RETENTION_DAYS.get()
}

/// What is asked for where nothing is.
pub fn cdc_mode() -> &'static str {
    match CDC_MODE.get() {
        CdcMode::Auto => "auto",
        CdcMode::Trigger => "trigger",
        CdcMode::Wal => "wal",
    }
}

pub fn register() {
    let flags = GucFlags::default();
    GucRegistry::define_bool_guc(
        c"pg_trickle.enabled",
        c"Whether the scheduler refreshes stream tables.",
        c"Refreshing by hand works either way.",
        &ENABLED,
        GucContext::Sighup,
        flags,
    );
    GucRegistry::define_bool_guc(
        c"pg_trickle.strict",
        c"Refuses what cannot be incremental instead of choosing FULL.",
        c"In refresh mode AUTO, a query that cannot be maintained incrementally is an error.",
        &STRICT,
        GucContext::Userset,
        flags,
    );
    GucRegistry::define_bool_guc(
        c"pg_trickle.allow_circular",
        c"Whether stream tables may come to read themselves, through others or not.",
        c"Those that do already are refreshed either way.",
        &ALLOW_CIRCULAR,
        GucContext::Userset,
        flags,
    );
    GucRegistry::define_bool_guc(
        c"pg_trickle.block_source_ddl",
        c"Refuses DDL that a stream table would have to be rebuilt for.",
        c"Other DDL is never refused.",
        &BLOCK_SOURCE_DDL,
        GucContext::Suset,
        flags,
    );
    GucRegistry::define_enum_guc(
        c"pg_trickle.cdc_mode",
        c"How new stream tables ask for the changes of their sources to be captured.",
        c"It is auto, trigger or wal; what is said when one is created comes first.",
        &CDC_MODE,
        GucContext::Userset,
        flags,
    );
    let int = |name, short, long, setting, min, max, context| {
        GucRegistry::define_int_guc(name, short, long, setting, min, max, context, flags);
    };
    int(
        c"pg_trickle.scheduler_interval_ms",
        c"The longest pause between two looks at what is due, in milliseconds.",
        c"The scheduler wakes up earlier when a stream table becomes due.",
        &SCHEDULER_INTERVAL_MS,
        10,
        60_000,
        GucContext::Sighup,
    );
    int(
        c"pg_trickle.min_schedule_seconds",
        c"The shortest schedule that can be asked for, in seconds.",
        c"Shorter ones are refused when a stream table is created or altered.",
        &MIN_SCHEDULE_SECONDS,
        1,
        86_400,
        GucContext::Sighup,
    );
    int(
        c"pg_trickle.default_schedule_seconds",
        c"The schedule of 'calculated' stream tables that no other reads, in seconds.",
        c"",
        &DEFAULT_SCHEDULE_SECONDS,
        1,
        86_400,
        GucContext::Sighup,
    );
    int(
        c"pg_trickle.max_consecutive_errors",
        c"Failures in a row after which a stream table is suspended.",
        c"Conflicts, cancelled queries and shortages do not count.",
        &MAX_CONSECUTIVE_ERRORS,
        1,
        100,
        GucContext::Sighup,
    );
    int(
        c"pg_trickle.max_concurrent_refreshes",
        c"Processes that refresh at a time, in all databases.",
        c"They are background workers: max_worker_processes must leave room for them. With 1, the scheduler of a database refreshes one stream table after the other by itself.",
        &MAX_CONCURRENT_REFRESHES,
        1,
        64,
        GucContext::Sighup,
    );
    GucRegistry::define_int_guc(
        c"pg_trickle.refresh_timeout",
        c"The time after which a refresh by the scheduler is cancelled.",
        c"0 means that it may take as long as it takes. What is cancelled is tried again later.",
        &REFRESH_TIMEOUT,
        0,
        i32::MAX,
        GucContext::Sighup,
        GucFlags::UNIT_MS,
    );
    int(
        c"pg_trickle.max_fixpoint_iterations",
        c"Rounds after which a circle of stream tables that still changes is an error.",
        c"In a round each member of the circle is refreshed that changes wait for.",
        &MAX_FIXPOINT_ITERATIONS,
        1,
        1_000_000,
        GucContext::Userset,
    );
    int(
        c"pg_trickle.history_retention_days",
        c"Days that a refresh stays in the history.",
        c"The newest one of each stream table stays longer; totals are kept apart.",
        &HISTORY_RETENTION_DAYS,
        1,
        36_500,
        GucContext::Suset,
    );
    int(
        c"pg_trickle.buffer_alert_threshold",
        c"Changed rows that wait for one stream table and are too many.",
        c"health_check() and the event buffer_growth_warning say so.",
        &BUFFER_ALERT_THRESHOLD,
        1,
        i32::MAX,
        GucContext::Suset,
    );
    int(
        c"pg_trickle.slot_lag_warning_threshold_mb",
        c"Megabytes of WAL that a replication slot of the database keeps, to be warned of.",
        c"health_check(), slot_health() and the event slot_lag_warning say so.",
        &SLOT_LAG_WARNING_MB,
        1,
        i32::MAX,
        GucContext::Suset,
    );
    int(
        c"pg_trickle.slot_lag_critical_threshold_mb",
        c"Megabytes of WAL that a replication slot of the database keeps, to be called an error.",
        c"health_check() says so.",
        &SLOT_LAG_CRITICAL_MB,
        1,
        i32::MAX,
        GucContext::Suset,
    );
}
