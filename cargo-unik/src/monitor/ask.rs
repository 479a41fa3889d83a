//! `cargo unik ask`: the commands that an appliance has of its own.

use serde_json::{Value, json};
use unik_monitor::{ASK_LIMIT, Reply, Request};

use crate::error::{Error, Result};
use crate::monitor::Connection;
use crate::monitor::tables::{Table, printable};
use crate::monitor::view::View;

/// The most columns of a table; what stands behind them belongs to the last one.
const MOST_COLUMNS: usize = 16;

/// A line of an answer: its cells, and whether its end is missing.
type Line = (Vec<String>, bool);

/// Has the appliance follow the command that the first of the words names, and shows what it answers; without words, shows
/// its commands.
///
/// # Errors
/// It has no such command, or does not follow it, or the output cannot be written.
pub fn run(guest: &mut Connection, words: &[String], view: &mut View<'_>) -> Result<()> {
    let commands = commands(guest)?;
    let Some(name) = words.first() else { return list(guest, commands, view) };
    if commands.is_empty() {
        return Err(Error::failed(none(guest)));
    }
    let shown = printable(name);
    if !commands.iter().any(|(known, _)| known == name) {
        let names: Vec<String> = commands.iter().map(|(name, _)| printable(name)).collect();
        let names = names.join(", ");
        return Err(Error::usage(format!("{} has no command '{shown}': choose {names}", guest.name)));
    }
    let words = words.join(" ");
    if words.len() > ASK_LIMIT {
        let length = words.len();
        return Err(Error::usage(format!(
            "a command and its arguments have {ASK_LIMIT} bytes at most, and these have {length}"
        )));
    }
    let (mut lines, mut declined) = (Vec::<Line>::new(), None);
    let outcome = guest.list(&Request::Ask { words: &words }, &format!("follow '{shown}'"), &mut |reply| {
        match reply {
            Reply::Line { text, cut } => {
                lines.push((text.splitn(MOST_COLUMNS, '\t').map(str::to_owned).collect(), cut));
            }
            Reply::Declined { text, cut } => declined = Some(format!("{}{}", printable(text), mark(cut))),
            _ => return Ok(false),
        }
        Ok(true)
    });
    if let Some(why) = declined {
        return Err(Error::failed(format!("{} declines '{shown}': {why}", guest.name)));
    }
    // What came is shown also where the guest did not come to an end: the command may have done something.
    if outcome.is_ok() || !lines.is_empty() {
        show(&lines, view)?;
    }
    outcome
}

/// Names and help of the appliance's commands.
fn commands(guest: &mut Connection) -> Result<Vec<(String, String)>> {
    let mut commands = Vec::new();
    guest.list(&Request::Commands, "tell its commands", &mut |reply| {
        let Reply::Command { name, help } = reply else { return Ok(false) };
        commands.push((name.to_owned(), help.to_owned()));
        Ok(true)
    })?;
    Ok(commands)
}

fn list(guest: &Connection, commands: Vec<(String, String)>, view: &mut View<'_>) -> Result<()> {
    if commands.is_empty() && !view.json {
        view.note(&none(guest));
        return Ok(());
    }
    let mut table = Table::new(&["COMMAND", "HELP"]);
    let mut rows = Vec::new();
    for (name, help) in commands {
        table.row([printable(&name), printable(&help)]);
        rows.push(json!({ "name": name, "help": help }));
    }
    view.table(&table, rows)
}

fn none(guest: &Connection) -> String {
    format!("{} has no commands of its own", guest.name)
}

/// What stands behind a text whose end is missing.
fn mark(cut: bool) -> &'static str {
    if cut { " ... (cut)" } else { "" }
}

fn show(lines: &[Line], view: &mut View<'_>) -> Result<()> {
    if view.json {
        let value = |(cells, cut): &Line| {
            // The blank in front of a heading says how its column is shown.
            let cells: Vec<&str> = match cells.as_slice() {
                [text] => vec![text],
                cells => cells.iter().map(|cell| cell.trim_start()).collect(),
            };
            json!({ "cells": cells, "cut": cut })
        };
        return view.value(&Value::Array(lines.iter().map(value).collect()));
    }
    // Lines with cells that follow each other are a table; the first has the headings.
    for block in lines.chunk_by(|(one, _), (next, _)| (one.len() > 1) == (next.len() > 1)) {
        let mut rows = block.iter().map(|(cells, cut)| {
            let mut cells: Vec<String> = cells.iter().map(|cell| printable(cell)).collect();
            if let Some(last) = cells.last_mut() {
                last.push_str(mark(*cut));
            }
            cells
        });
        if block.iter().any(|(cells, _)| cells.len() > 1) {
            let mut table = Table::of(rows.next().unwrap_or_default());
            rows.for_each(|cells| table.cells(cells));
            view.bytes(table.to_string().as_bytes())?;
        } else {
            rows.try_for_each(|cells| view.line(&cells.concat()))?;
        }
    }
    Ok(())
}
