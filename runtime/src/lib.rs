//! Decisions without a database: when a stream table is due, in which order a pipeline is
//! refreshed, which way AUTO takes, when to try again after an error.
//!
//! Everything here is a pure function of data and of a clock that the caller passes in, so that
//! thousands of pipelines can be simulated in a test.
//!
//! | module | concept |
//! |---|---|
//! | [`schedule`] | durations and `calculated` |
//! | [`dag`] | dependencies between stream tables, refresh order, demand |
//! | [`policy`] | AUTO: DIFFERENTIAL or FULL, by cost |
//! | [`backoff`] | retrying, suspending |
//! | [`plan`] | what a scheduler cycle does, and when the next one is needed |

pub mod backoff;
pub mod dag;
pub mod plan;
pub mod policy;
pub mod schedule;
