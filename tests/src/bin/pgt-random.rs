//! Long runs of random queries × random DML with fresh seeds.
//!
//! ```text
//! pgt-random [--seconds N] [--seed FIRST] [--count N] [--subjects N] [--jobs N] [--show]
//!            [--wal | --immediate | --crowd | --plain CONNECTION | --offline CONNECTION]
//! ```
//!
//! With `--wal` the sources are captured from the WAL; with `--immediate` the stream tables are IMMEDIATE, and looked at after each statement; with
//! `--crowd`, too, while several write at once.
//! Without `--count` it goes on until the time is over. `--plain` needs no extension: it tests the
//! generator, on the server of a connection string (and one job).
//! `--offline` needs none either: it runs the compiler's programs by itself. `--show` prints the scenario of a
//! seed. Prints a script for each failure, and ends with 1 if there was any.

use harness::random::run::{Mode, Stats};
use harness::random::{Scenario, campaign};
use std::process::ExitCode;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

struct Arguments {
    seconds: u64,
    seed: u64,
    count: u64,
    subjects: usize,
    jobs: usize,
    mode: Mode,
    plain: Option<String>,
    show: bool,
}

fn arguments() -> Result<Arguments, String> {
    let clock = std::time::UNIX_EPOCH.elapsed().map_or(0, |t| t.as_secs());
    let mut out = Arguments {
        seconds: 60,
        seed: clock * 1000,
        count: u64::MAX,
        subjects: campaign::SUBJECTS,
        jobs: 2,
        mode: Mode::Extension,
        plain: None,
        show: false,
    };
    let mut args = std::env::args().skip(1);
    while let Some(name) = args.next() {
        let mut number = || {
            let value = args.next().unwrap_or_default();
            value
                .parse::<u64>()
                .map_err(|_| format!("{name} needs a number"))
        };
        match name.as_str() {
            "--seconds" => out.seconds = number()?,
            "--seed" => out.seed = number()?,
            "--count" => out.count = number()?,
            "--subjects" => out.subjects = number()? as usize,
            "--jobs" => out.jobs = number()? as usize,
            "--plain" | "--offline" => {
                let text = args
                    .next()
                    .ok_or(format!("{name} needs a connection string"))?;
                out.plain = Some(text);
                out.mode = if name == "--plain" {
                    Mode::Plain
                } else {
                    Mode::Offline
                };
                out.jobs = 1;
            }
            "--wal" => out.mode = Mode::Wal,
            "--immediate" => out.mode = Mode::Immediate,
            "--crowd" => out.mode = Mode::Crowd,
            "--show" => out.show = true,
            other => return Err(format!("unknown argument {other}")),
        }
    }
    Ok(out)
}

fn main() -> ExitCode {
    let a = match arguments() {
        Ok(a) => a,
        Err(message) => {
            eprintln!("{message}");
            return ExitCode::from(2);
        }
    };
    if a.show {
        let scenario = Scenario::generate(a.seed, a.subjects);
        for sql in scenario.setup() {
            println!("{sql}");
        }
        for s in &scenario.subjects {
            println!("-- {}\n{};", s.name, s.query.sql);
        }
        for batch in &scenario.batches {
            println!("-- a batch\n{}", batch.statements.join("\n"));
        }
        return ExitCode::SUCCESS;
    }
    let end = Instant::now() + Duration::from_secs(a.seconds);
    let next = AtomicU64::new(0);
    let failures = AtomicU64::new(0);
    let total = Mutex::new(Stats::default());
    std::thread::scope(|scope| {
        for _ in 0..a.jobs.max(1) {
            scope.spawn(|| {
                loop {
                    let i = next.fetch_add(1, Ordering::Relaxed);
                    if i >= a.count || Instant::now() > end {
                        return;
                    }
                    let mut scenario = Scenario::generate(a.seed.wrapping_add(i), a.subjects);
                    if a.mode == Mode::Immediate {
                        scenario = scenario.with_savepoints();
                    }
                    if a.mode == Mode::Offline {
                        scenario = scenario.without_extension();
                    }
                    match campaign::attempt(&scenario, a.mode, a.plain.as_deref()) {
                        Ok(stats) => {
                            if let Ok(mut total) = total.lock() {
                                *total += stats;
                            }
                        }
                        Err(failure) => {
                            failures.fetch_add(1, Ordering::Relaxed);
                            let report =
                                campaign::report(&scenario, &failure, a.mode, a.plain.as_deref());
                            println!("{report}");
                        }
                    }
                }
            });
        }
    });
    let failures = failures.into_inner();
    match total.into_inner() {
        Ok(stats) => println!("{failures} failures; without: {stats:?}"),
        Err(_) => return ExitCode::FAILURE,
    }
    if failures > 0 {
        return ExitCode::FAILURE;
    }
    ExitCode::SUCCESS
}
