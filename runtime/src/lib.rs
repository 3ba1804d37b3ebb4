//! Decisions without a database: when a stream table is due, in which order a pipeline is
//! refreshed, which way AUTO takes, when to try again after an error.
//!
//! Everything here is a pure function of data and of a clock that the caller passes in, so that
//! thousands of pipelines can be simulated in a test.
//!
//! | module | concept |
//! |---|---|
//! | [`schedule`] | durations, moments of a calendar, and `calculated` |
//! | [`cron`] | cron schedules in a time zone |
//! | [`dag`] | dependencies between stream tables, refresh order |
//! | [`demand`] | when each should be refreshed, by its schedule or its readers |
//! | [`unit`] | what is refreshed together: diamonds, groups, circles |
//! | [`policy`] | AUTO: DIFFERENTIAL or FULL, by cost |
//! | [`backoff`] | retrying, suspending |
//! | [`plan`] | what a scheduler cycle does, and when the next one is needed |

pub mod backoff;
pub mod cron;
pub mod dag;
pub mod demand;
pub mod plan;
pub mod policy;
pub mod schedule;
pub mod unit;
