//! AUTO: by the changes or in full?
//!
//! When many changes wait, the planner is asked what each way would cost. The steps of a program
//! are planned in their order, each with as many rows of what it reads as the step before was
//! expected to make; nothing is run.

use super::execute::Execution;
use super::identity::{as_owner, as_system};
use super::relation::Delta;
use super::settings::Settings;
use super::{name_of, rebuild};
use crate::catalog::StreamTable;
use crate::frontier::Epoch;
use crate::lifecycle;
use crate::sql::{self, Connection, arg};
use runtime::policy::{self, Choice, Evidence, Sample};
use serde_json::Value;
use spec::program::{RefreshProgram, StepKind};

/// Refreshes of each kind that are looked at.
const HISTORY: i64 = 20;

/// What the planner expects of a statement.
struct Estimate {
    cost: f64,
    rows: f64,
}

/// Chooses the way for a batch of `rows` changed rows, which `execution` has been provided with.
/// None where there are so few that there is nothing to choose.
pub fn choose(
    table: &StreamTable,
    epoch: &Epoch,
    program: &RefreshProgram,
    execution: &Execution<'_>,
    rows: u64,
) -> Option<Choice> {
    if table.refresh_mode != "AUTO" || rows as f64 <= policy::ALWAYS_DIFFERENTIAL {
        return None;
    }
    let (differential, full_ms) = history(table.pgt_id);
    Some(policy::choose(&Evidence {
        delta_rows: rows as f64,
        full_cost: cost_of_full(table, epoch),
        delta_cost: cost_of_program(epoch, program, execution),
        differential,
        full_ms,
    }))
}

/// The newest refreshes by the changes, and how long the newest full ones took.
fn history(pgt_id: i64) -> (Vec<Sample>, Vec<f64>) {
    as_system(|| {
        sql::connect(|c| {
            let of = |action: &str| -> Vec<Sample> {
                c.run(
                    "SELECT delta_rows, duration_ms FROM pgtrickle.pgt_refresh_history \
                     WHERE pgt_id = $1 AND status = 'COMPLETED' AND action = $2 \
                     AND initiated_by <> 'INITIAL' AND duration_ms IS NOT NULL ORDER BY refresh_id DESC LIMIT $3",
                    &[arg(pgt_id), arg(action), arg(HISTORY)],
                )
                .iter()
                .filter_map(|row| {
                    Some(Sample {
                        rows: row.get::<i64>(1)? as f64,
                        ms: row.get(2)?,
                    })
                })
                .collect()
            };
            let full = of("FULL").into_iter().map(|sample| sample.ms).collect();
            (of("DIFFERENTIAL"), full)
        })
    })
}

/// Plans a statement. None if it cannot be planned alone.
fn plan(connection: &Connection, epoch: &Epoch, statement: &str) -> Option<Estimate> {
    // A utility statement is not read-only to SPI; it is planned, not run.
    let text: Option<String> = epoch.active(|| {
        connection
            .run(&format!("EXPLAIN (FORMAT JSON) {statement}"), &[])
            .first()
            .and_then(|row| row.get::<pgrx::Json>(1))
            .map(|json| json.0.to_string())
    });
    let plan: Value = serde_json::from_str(&text?).ok()?;
    let top = plan.get(0)?.get("Plan")?;
    Some(Estimate {
        cost: top.get("Total Cost")?.as_f64()?,
        rows: top.get("Plan Rows")?.as_f64()?,
    })
}

/// The query, the comparison with what is there, and nothing for writing the difference.
fn cost_of_full(table: &StreamTable, epoch: &Epoch) -> Option<f64> {
    let columns = rebuild::columns_of(table.relid);
    let current = lifecycle::query::current(table);
    let query = format!("(\n{}\n)", current.text);
    let statement = rebuild::difference(&query, &name_of(table.relid), &columns);
    as_owner(table.owner, &current.settings, || {
        sql::connect(|c| plan(c, epoch, &statement)).map(|estimate| estimate.cost)
    })
}

/// Makes a relation known to the planner as a statement is expected to make it, and says what that
/// costs.
fn expected(connection: &Connection, epoch: &Epoch, name: &str, sql: &str) -> Option<(Delta, f64)> {
    let estimate = plan(connection, epoch, sql)?;
    let prepared = epoch.active(|| connection.prepare(sql));
    // SAFETY: the descriptor is copied while the plan lives.
    let relation = unsafe { Delta::like(name, prepared.columns()?) };
    relation.register_as(connection, estimate.rows);
    Some((relation, estimate.cost))
}

/// All steps, each planned with the rows that the ones before are expected to make.
fn cost_of_program(
    epoch: &Epoch,
    program: &RefreshProgram,
    execution: &Execution<'_>,
) -> Option<f64> {
    sql::connect(|connection| {
        for batch in &program.batches {
            execution.relation(&batch.name)?.register(connection);
        }
        let mut made = vec![];
        let mut cost = 0.0;
        for step in &program.steps {
            let settings = Settings::local(&step.settings);
            match &step.kind {
                StepKind::Let { sql, .. } => {
                    let (relation, cost_of_let) = expected(connection, epoch, &step.name, sql)?;
                    cost += cost_of_let;
                    made.push(relation);
                }
                StepKind::Merge { with, rows, .. } => {
                    let sql = format!("{with}\n{rows}");
                    let (relation, cost_of_merge) = expected(connection, epoch, &step.name, &sql)?;
                    cost += cost_of_merge;
                    made.push(relation);
                }
                StepKind::Apply { statements, .. } => {
                    for statement in statements {
                        cost += plan(connection, epoch, statement)?.cost;
                    }
                }
                StepKind::Assert { sql, .. } => cost += plan(connection, epoch, sql)?.cost,
            }
            settings.restore();
        }
        made.into_iter().for_each(Delta::end);
        Some(cost)
    })
}
