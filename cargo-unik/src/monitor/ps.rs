//! `cargo unik ps`: the tasks of an appliance.

use serde_json::json;
use unik_monitor::{Reply, Request};

use crate::error::Result;
use crate::monitor::Connection;
use crate::monitor::tables::{Table, duration, printable};
use crate::monitor::view::View;

/// Shows all tasks.
///
/// # Errors
/// The guest does not tell them, or the output cannot be written.
pub fn run(guest: &mut Connection, view: &mut View<'_>) -> Result<()> {
    let mut table =
        Table::new(&[" ID", "NAME", "STATE", "WAITS-FOR", " POLLS", " WAKES", " RUN-TIME", " LONGEST-POLL"]);
    let mut rows = Vec::new();
    guest.list(&Request::Tasks, "tell its tasks", &mut |reply| {
        let Reply::Task(task) = reply else { return Ok(false) };
        let state = if task.ready { "ready" } else { "waits" };
        rows.push(json!({
            "id": task.id, "name": task.name, "state": state, "waits_for": task.waits_for, "polls": task.polls,
            "wakes": task.wakes, "run_time": task.run_time, "longest_poll": task.longest_poll,
        }));
        table.row([
            task.id.to_string(),
            printable(task.name),
            state.to_owned(),
            if task.ready { "-".to_owned() } else { printable(task.waits_for) },
            task.polls.to_string(),
            task.wakes.to_string(),
            duration(task.run_time),
            duration(task.longest_poll),
        ]);
        Ok(true)
    })?;
    view.table(&table, rows)
}
