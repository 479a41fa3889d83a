//! `cargo unik log`: what an appliance has logged, what it logs now, and how much it logs.

use serde_json::json;
use unik_monitor::{Level, Record, Reply, Request};

use crate::error::{Error, Result};
use crate::monitor::Connection;
use crate::monitor::tables::{Table, printable};
use crate::monitor::view::View;

/// What is done with the log.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Options {
    /// Go on with records as they come.
    pub follow: bool,
    /// Show levels instead of records.
    pub levels: bool,
    /// Levels to set first: a module and its level, or none for that of what it lies in.
    pub set: Vec<(String, Option<Level>)>,
}

/// The levels by name.
const LEVELS: [(&str, Level); 6] = [
    ("off", Level::Off),
    ("error", Level::Error),
    ("warn", Level::Warn),
    ("info", Level::Info),
    ("debug", Level::Debug),
    ("trace", Level::Trace),
];

/// Reads `TARGET=LEVEL`, or a level for all modules that have none of their own; `default` takes a module's level away.
///
/// # Errors
/// A sentence that lists the levels.
pub fn level(word: &str) -> Result<(String, Option<Level>)> {
    let (target, name) = word.split_once('=').unwrap_or(("", word));
    let known = LEVELS.iter().find(|(known, _)| *known == name).map(|(_, level)| *level);
    if known.is_none() && (name != "default" || target.is_empty()) {
        let levels = "off, error, warn, info, debug, trace";
        return Err(Error::usage(format!(
            "'{}' sets no level: write MODULE=LEVEL or LEVEL with {levels}, or MODULE=default",
            printable(word)
        )));
    }
    Ok((target.to_owned(), known))
}

/// Sets levels, and shows them or the records.
///
/// # Errors
/// The guest refuses, or the output cannot be written.
pub fn run(guest: &mut Connection, options: &Options, view: &mut View<'_>) -> Result<()> {
    for (target, level) in &options.set {
        let what = format!("set the level of '{}'", printable(target));
        guest.list(&Request::SetLevel { target, level: *level }, &what, &mut |_| Ok(false))?;
    }
    if options.levels || (!options.set.is_empty() && !options.follow) {
        return levels(guest, view);
    }
    if !options.follow {
        return guest.list(&Request::Log { follow: false }, "tell its log", &mut |reply| show(reply, view));
    }
    follow(guest, view)
}

/// Shows records as they come, until the user wants an end.
fn follow(guest: &mut Connection, view: &mut View<'_>) -> Result<()> {
    let number = guest.ask(&Request::Log { follow: true })?;
    while !view.ended() {
        match guest.next(number, view.stop)? {
            None => break,
            Some(Reply::Done) => return Ok(()),
            Some(Reply::Refused(refusal)) => return Err(guest.refused("tell its log", refusal)),
            Some(reply) => {
                if !show(reply, view)? {
                    return Err(guest.nonsense());
                }
            }
        }
        if !guest.has_more() {
            view.flush()?;
        }
    }
    guest.stop(number, &mut |reply| show(reply, view).map(drop))
}

/// Shows a part of the log; false where it is none.
fn show(reply: Reply<'_>, view: &mut View<'_>) -> Result<bool> {
    match reply {
        Reply::Record(record) if view.json => view.value(&json!({
            "number": record.number, "time": record.time, "level": name(record.level), "target": record.target,
            "text": record.text,
        }))?,
        Reply::Lost(lost) if view.json => view.value(&json!({ "lost": lost }))?,
        Reply::Record(record) => view.line(&line(&record))?,
        Reply::Lost(lost) => view.line(&format!("... {lost} records lost ..."))?,
        _ => return Ok(false),
    }
    Ok(true)
}

/// `[    1.234567] INFO  unik_net::dhcp: 10.0.2.15/24`
fn line(record: &Record<'_>) -> String {
    let (seconds, rest) = (record.time / 1_000_000_000, record.time % 1_000_000_000 / 1000);
    let level = name(record.level).to_uppercase();
    let (target, text) = (printable(record.target), printable(record.text));
    format!("[{seconds:5}.{rest:06}] {level:<5} {target}: {text}")
}

fn levels(guest: &mut Connection, view: &mut View<'_>) -> Result<()> {
    let mut table = Table::new(&["TARGET", "LEVEL"]);
    let mut rows = Vec::new();
    guest.list(&Request::Levels, "tell its levels", &mut |reply| {
        let Reply::Level { target, level } = reply else { return Ok(false) };
        rows.push(json!({ "target": target, "level": name(level) }));
        let target = if target.is_empty() { "(all others)".to_owned() } else { printable(target) };
        table.row([target, name(level).to_owned()]);
        Ok(true)
    })?;
    view.table(&table, rows)
}

fn name(level: Level) -> &'static str {
    LEVELS.iter().find(|(_, known)| *known == level).map_or("off", |(name, _)| name)
}
