//! `cargo unik sysinfo` and `cargo unik shutdown`: what an appliance is, and its end.

use serde_json::{Map, json};
use unik_monitor::{Reply, Request, Value};

use crate::error::Result;
use crate::monitor::Connection;
use crate::monitor::clock::day;
use crate::monitor::tables::{Table, amount, duration, printable};
use crate::monitor::view::View;
use crate::size::grouped;

/// Shows what is running, and on what.
///
/// # Errors
/// The guest does not tell it, or the output cannot be written.
pub fn sysinfo(guest: &mut Connection, view: &mut View<'_>) -> Result<()> {
    let mut table = Table::new(&["FACT", "VALUE"]);
    let mut object = Map::new();
    guest.list(&Request::Facts, "tell its facts", &mut |reply| {
        let Reply::Fact(fact) = reply else { return Ok(false) };
        let (value, shown) = match fact.value {
            Value::Text(text) => (json!(text), printable(text)),
            Value::Number(number) => (json!(number), grouped(number)),
            Value::Bytes(bytes) => (json!(bytes), amount(bytes)),
            Value::Duration(time) => (json!(time), duration(time)),
            Value::Date(date) => (json!(date), day(date)),
        };
        object.insert(fact.name.to_owned(), value);
        table.row([printable(fact.name), shown]);
        Ok(true)
    })?;
    if view.json { view.value(&object.into()) } else { view.bytes(table.to_string().as_bytes()) }
}

/// Ends the appliance in order, or starts its machine again.
///
/// # Errors
/// The guest refuses.
pub fn shutdown(guest: &mut Connection, reboot: bool, view: &mut View<'_>) -> Result<()> {
    match guest.list(&Request::End { reboot }, "end", &mut |_| Ok(false)) {
        // It may be faster than its answer.
        Err(error) if !guest.closed => return Err(error),
        _ => {}
    }
    let ended = guest.closed || guest.closes();
    if view.json {
        return view.value(&json!({ "name": guest.name, "ended": ended }));
    }
    let state = if ended { "has ended" } else { "is about to end" };
    view.line(&format!("{} {state}", guest.name))
}
