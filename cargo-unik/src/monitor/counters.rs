//! `cargo unik counters`: what an appliance counts, once or again and again.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use serde_json::{Map, Value, json};
use unik_monitor::{Reply, Request};

use crate::error::Result;
use crate::monitor::tables::{Table, printable};
use crate::monitor::view::View;
use crate::monitor::{Connection, TICK};

/// Which counters are shown, and how.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Options {
    /// The beginning of their full names.
    pub prefix: String,
    /// Also those that are zero, or do not change.
    pub all: bool,
    /// Show what they grow by in so much time, until the user ends it.
    pub watch: Option<Duration>,
}

/// Full names and values.
type Sample = BTreeMap<String, u64>;

/// Shows counters.
///
/// # Errors
/// The guest does not tell them, or the output cannot be written.
pub fn run(guest: &mut Connection, options: &Options, view: &mut View<'_>) -> Result<()> {
    let first = sample(guest, &options.prefix)?;
    if let Some(interval) = options.watch {
        return watch(guest, options, interval, first, view);
    }
    let shown = || first.iter().filter(|(_, value)| options.all || **value != 0);
    if view.json {
        let object: Map<String, Value> = shown().map(|(name, value)| (name.clone(), json!(value))).collect();
        return view.value(&Value::Object(object));
    }
    if shown().next().is_none() {
        let (name, prefix) = (guest.name.clone(), printable(&options.prefix));
        view.note(&format!("{name} has no counter that begins with '{prefix}' and is to be shown"));
        return Ok(());
    }
    let mut table = Table::new(&["NAME", " VALUE"]);
    for (name, value) in shown() {
        table.row([printable(name), value.to_string()]);
    }
    view.bytes(table.to_string().as_bytes())
}

/// Shows differences until the user wants an end.
fn watch(
    guest: &mut Connection,
    options: &Options,
    interval: Duration,
    mut before: Sample,
    view: &mut View<'_>,
) -> Result<()> {
    let mut time = Instant::now();
    while pause(time + interval, view) {
        let now = sample(guest, &options.prefix)?;
        let seconds = time.elapsed().as_secs_f64();
        time = Instant::now();
        show(&differences(&before, &now, seconds, options.all), seconds, view)?;
        view.flush()?;
        before = now;
    }
    Ok(())
}

/// Waits; false when the user wants an end.
fn pause(until: Instant, view: &View<'_>) -> bool {
    while !view.ended() {
        let left = until.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return true;
        }
        std::thread::sleep(left.min(TICK));
    }
    false
}

/// Name, growth per second, and value of each counter that is to be shown. One that is new has grown from zero.
fn differences<'a>(before: &Sample, now: &'a Sample, seconds: f64, all: bool) -> Vec<(&'a str, f64, u64)> {
    let growth = |(name, value): (&'a String, &u64)| {
        let grown = value.saturating_sub(before.get(name).copied().unwrap_or(0));
        (name.as_str(), grown as f64 / seconds.max(f64::MIN_POSITIVE), *value)
    };
    now.iter().map(growth).filter(|(_, rate, _)| all || *rate != 0.0).collect()
}

fn show(differences: &[(&str, f64, u64)], seconds: f64, view: &mut View<'_>) -> Result<()> {
    if view.json {
        let rates: Map<String, Value> =
            differences.iter().map(|(name, rate, _)| ((*name).to_owned(), json!(rate))).collect();
        return view.value(&json!({ "seconds": seconds, "per_second": rates }));
    }
    let mut table = Table::new(&["NAME", " PER-SECOND", " VALUE"]);
    for (name, rate, value) in differences {
        table.row([printable(name), format!("{rate:.1}"), value.to_string()]);
    }
    view.line(&table.to_string())
}

fn sample(guest: &mut Connection, prefix: &str) -> Result<Sample> {
    let mut sample = Sample::new();
    guest.list(&Request::Counters, "tell its counters", &mut |reply| {
        let Reply::Counter { group, name, value } = reply else { return Ok(false) };
        let name = format!("{group}.{name}");
        if name.starts_with(prefix) {
            sample.insert(name, value);
        }
        Ok(true)
    })?;
    Ok(sample)
}
