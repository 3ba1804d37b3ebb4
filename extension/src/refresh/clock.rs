//! Setting the clock of a stream table to the time of the refresh (see `spec::clock`).
//!
//! Its row is what the content is exact for, as the frontier is of its other sources: so it is read
//! and written under the stream table's lock, by refreshes alone. The time is that of `now()`: when
//! the transaction began. It may be earlier than that of the refresh before.

use super::RefreshError;
use super::execute::Execution;
use super::identity::as_owner;
use super::relation::Delta;
use crate::catalog::StreamTable;
use crate::frontier::Epoch;
use crate::guard;
use crate::sql;
use spec::clock::Clock;
use spec::program::Batch;

/// The relation that holds its change.
const CHANGE: &str = "pgt_clock";

/// Is it another time now, as far as the query asks for it?
pub fn has_moved(table: &StreamTable, epoch: &Epoch) -> bool {
    let Some(change) = &table.clock else {
        return false;
    };
    as_owner(table.owner, table.safe_settings(), || {
        sql::connect(|connection| epoch.active(|| !connection.read(change, &[]).is_empty()))
    })
}

/// Sets it, if need be. What reads it must run under a later epoch.
pub fn set(table: &StreamTable, epoch: &Epoch) -> Result<(), RefreshError> {
    if table.clock.is_none() {
        return Ok(());
    }
    as_owner(table.owner, table.safe_settings(), || {
        sql::connect(|connection| {
            let mut execution = Execution::new(connection, epoch);
            move_on(table, &mut execution)?;
            execution.end();
            Ok(())
        })
    })
}

/// The same; its change is there for [`batch`].
pub fn move_on(table: &StreamTable, execution: &mut Execution<'_>) -> Result<(), RefreshError> {
    let Some(change) = &table.clock else {
        return Ok(());
    };
    if execution.query(CHANGE, change)?.is_empty() {
        return Ok(());
    }
    let clock = format!("pgtrickle_store.clock_{}", table.pgt_id);
    // Behind the weight.
    let width = execution.relation(CHANGE).map_or(1, Delta::width) as i16;
    let columns: Vec<String> = (1..width).map(Clock::column_name).collect();
    let columns = columns.join(", ");
    guard::writing(|| {
        execution.write(&format!("DELETE FROM {clock}"));
        execution.write(&format!(
            "INSERT INTO {clock} SELECT {columns} FROM {CHANGE} WHERE w > 0"
        ));
    });
    Ok(())
}

/// The batch of the clock, as a program wants it.
pub fn batch(execution: &mut Execution<'_>, batch: &Batch) -> Result<u64, RefreshError> {
    let columns: String = batch
        .columns
        .iter()
        .map(|(attnum, column)| {
            let name = crate::pg::quote_identifier(&column.name);
            format!(", {} AS {name}", Clock::column_name(*attnum))
        })
        .collect();
    let query = format!("SELECT w{columns} FROM {CHANGE}");
    Ok(execution.query(&batch.name, &query)?.len())
}
