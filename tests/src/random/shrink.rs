//! Makes a failing scenario small: leaves out stream tables, batches, statements and rows, and
//! reads simpler queries from smaller tapes, as long as it fails in the same way.

use super::run::{Failure, IDENTITY, Kind, Mode, create_sql, law_sql, refresh_sql};
use super::{Scenario, Subject};
use spec::tape::Tape;
use std::time::{Duration, Instant};

/// The smallest scenario found in the time given, and how it fails. `try_it` runs one in a fresh
/// database.
pub fn shrink(
    scenario: &Scenario,
    failure: &Failure,
    time: Duration,
    mut try_it: impl FnMut(&Scenario) -> Option<Failure>,
) -> (Scenario, Failure) {
    let mut shrinker = Shrinker {
        best: scenario.clone(),
        failure: failure.clone(),
        end: Instant::now() + time,
        try_it: &mut try_it,
    };
    shrinker.subjects();
    if let Some(batch) = failure.batch {
        shrinker.attempt(|s| s.batches.truncate(batch + 1));
    }
    loop {
        let before = shrinker.size();
        shrinker.rows();
        shrinker.drop_from(|s| s.batches.len(), |s, i| drop(s.batches.remove(i)));
        shrinker.drop_from(
            |s| s.batches.iter().map(|b| b.statements.len()).sum(),
            |s, mut i| {
                for batch in &mut s.batches {
                    if i < batch.statements.len() {
                        batch.statements.remove(i);
                        return;
                    }
                    i -= batch.statements.len();
                }
            },
        );
        shrinker.query();
        shrinker.drop_from(|s| s.views.len(), |s, i| drop(s.views.remove(i)));
        shrinker.drop_from(|s| s.tables.len(), |s, i| drop(s.tables.remove(i)));
        if shrinker.size() >= before || shrinker.is_late() {
            return (shrinker.best, shrinker.failure);
        }
    }
}

struct Shrinker<'a> {
    best: Scenario,
    failure: Failure,
    end: Instant,
    try_it: &'a mut dyn FnMut(&Scenario) -> Option<Failure>,
}

impl Shrinker<'_> {
    fn is_late(&self) -> bool {
        Instant::now() > self.end
    }

    fn size(&self) -> usize {
        let s = &self.best;
        let statements: usize = s.batches.iter().map(|b| 1 + b.statements.len()).sum();
        let queries: usize = s.subjects.iter().map(|s| s.query.sql.len()).sum();
        s.rows.len() + s.views.len() + s.tables.len() + statements + queries
    }

    /// Keeps the change if the scenario still fails in the same way.
    fn attempt(&mut self, change: impl FnOnce(&mut Scenario)) -> bool {
        if self.is_late() {
            return false;
        }
        let mut next = self.best.clone();
        change(&mut next);
        match (self.try_it)(&next) {
            Some(f) if f.kind == self.failure.kind && f.subject == self.failure.subject => {
                self.best = next;
                self.failure = f;
                true
            }
            _ => false,
        }
    }

    /// Tries to leave out each of `count` things, the last first.
    fn drop_from(
        &mut self,
        count: impl Fn(&Scenario) -> usize,
        remove: impl Fn(&mut Scenario, usize),
    ) {
        for i in (0..count(&self.best)).rev() {
            self.attempt(|s| remove(s, i));
        }
    }

    /// The failing stream table alone, with those that it reads.
    fn subjects(&mut self) {
        let Some(name) = self.failure.subject.clone() else {
            self.attempt(|s| s.subjects.clear());
            return self.drop_from(|s| s.subjects.len(), |s, i| drop(s.subjects.remove(i)));
        };
        let end = self.best.subjects.iter().position(|s| s.name == name);
        self.attempt(|s| s.subjects.truncate(end.map_or(usize::MAX, |i| i + 1)));
        if !self.attempt(|s| s.subjects.retain(|q| q.name == name)) {
            self.drop_from(
                |s| s.subjects.len(),
                |s, i| {
                    if s.subjects[i].name != name {
                        s.subjects.remove(i);
                    }
                },
            );
        }
    }

    /// Halves, quarters, … of the rows first, then single ones.
    fn rows(&mut self) {
        let mut chunk = self.best.rows.len() / 2;
        while chunk > 0 {
            let mut at = 0;
            while at < self.best.rows.len() {
                let end = (at + chunk).min(self.best.rows.len());
                if !self.attempt(|s| drop(s.rows.drain(at..end))) {
                    at += chunk;
                }
            }
            chunk /= 2;
        }
    }

    /// The failing query from a tape with less on it.
    fn query(&mut self) {
        let Some(index) = self
            .best
            .subjects
            .iter()
            .position(|s| Some(&s.name) == self.failure.subject.as_ref())
        else {
            return;
        };
        let mut chunk = 64;
        while chunk > 0 {
            let mut at = 0;
            loop {
                let data = self.best.subjects[index].tape.data().to_vec();
                if at >= data.len() || self.is_late() {
                    break;
                }
                let end = (at + chunk).min(data.len());
                let without = [&data[..at], &data[end..]].concat();
                let mut zeroed = data.clone();
                zeroed[at..end].fill(0);
                if !self.read_again(index, without) && !self.read_again(index, zeroed) {
                    at += chunk;
                } else if self.best.subjects[index].tape.data().len() == data.len() {
                    // Zeroed, and nothing to be gained here any more.
                    at += chunk;
                }
            }
            chunk /= 4;
        }
    }

    fn read_again(&mut self, index: usize, data: Vec<u32>) -> bool {
        let old = &self.best.subjects[index];
        if old.tape.data() == data {
            return false;
        }
        let mut others = self.best.clone();
        others.subjects.truncate(index);
        let mut new = others.subject(old.name.clone(), Tape::new(data));
        let shorter = new.query.sql.len() < old.query.sql.len();
        if new.query.sql == old.query.sql {
            // The rest of the tape was not read: take it without running.
            std::mem::swap(&mut self.best.subjects[index], &mut new);
            return true;
        }
        shorter && self.attempt(|s| s.subjects[index] = new)
    }
}

/// A script for psql that shows the failure.
pub fn script(scenario: &Scenario, failure: &Failure, mode: Mode) -> String {
    let mut out = vec![format!(
        "-- seed {}: {}",
        scenario.seed,
        failure.kind_and_subject()
    )];
    out.extend(scenario.setup());
    out.extend((mode == Mode::Wal).then(|| IDENTITY.to_owned()));
    out.extend(scenario.subjects.iter().map(|s| create_sql(s, mode)));
    for batch in &scenario.batches {
        let (begin, commit) = match batch.atomic {
            true => (Some("BEGIN;".to_owned()), Some("COMMIT;".to_owned())),
            false => (None, None),
        };
        out.extend(begin);
        out.extend(batch.statements.iter().cloned());
        out.extend(commit);
        out.extend(scenario.subjects.iter().map(|s| refresh_sql(s, mode)));
    }
    let failing = |s: &&Subject| Some(&s.name) == failure.subject.as_ref();
    if let Some(subject) = scenario.subjects.iter().find(failing) {
        if failure.kind == Kind::Law {
            out.push(format!("{};", law_sql(&subject.name, &subject.query)));
        } else if mode != Mode::Plain {
            out.push(format!(
                "SELECT * FROM pgtrickle.verify('{}');",
                subject.name
            ));
        }
    }
    let message: Vec<String> = failure.message.lines().map(|l| format!("-- {l}")).collect();
    format!("{}\n{}\n", out.join("\n"), message.join("\n"))
}

impl Failure {
    fn kind_and_subject(&self) -> String {
        let subject = self.subject.as_deref().unwrap_or("the scenario");
        format!("{:?} of {subject}", self.kind)
    }
}
