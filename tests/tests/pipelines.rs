//! Pipelines: schedules, what is refreshed together, gates and watermarks, and processes that
//! refresh, each on a server of its own where the scheduler is enabled.

#[path = "pipelines/support.rs"]
#[allow(dead_code)]
mod support;

#[path = "pipelines/circles.rs"]
mod circles;
#[path = "pipelines/crash.rs"]
mod crash;
#[path = "pipelines/diamonds.rs"]
mod diamonds;
#[path = "pipelines/gates.rs"]
mod gates;
#[path = "pipelines/parallel.rs"]
mod parallel;
#[path = "pipelines/run_due.rs"]
mod run_due;
#[path = "pipelines/schedules.rs"]
mod schedules;
