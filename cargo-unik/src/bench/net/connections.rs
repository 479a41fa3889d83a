//! Rows about connections that come and go: how many are refused or lost, how long all take, and what memory is left behind.

use std::io::ErrorKind;
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::{Map, Value};

use super::Field;
use super::client::{self, Until};
use super::side::{ECHO, MEMORY, Role, Server, Side, Start};
use super::statistics::Comparison;
use crate::error::{Context, Error, Result};
use crate::monitor::view::View;
use crate::monitor::{Connection, counters, facts};

/// Connections of the row that is for every day, and of the one for nights.
const MANY: u64 = 10_000;
const SOAK: u64 = 1_000_000;
/// Connections under way at the same time.
const CLIENTS: u64 = 200;
/// How long one may take to come about, and to be answered.
const PATIENCE: Duration = Duration::from_secs(3);
/// How long a guest has to forget its connections. A side that closes last forgets at once, one that closes first after a while.
const SETTLE: Duration = Duration::from_secs(20);
const TICK: Duration = Duration::from_millis(200);
/// Memory that may be left in use beyond what was before, in KiB.
const SLACK: u64 = 64;

/// What became of the connections.
#[derive(Debug, Default)]
struct Tally {
    begun: AtomicU64,
    answered: AtomicU64,
    refused: AtomicU64,
    lost: AtomicU64,
}

/// Ten thousand.
pub(super) fn many(field: &Field) -> Result<()> {
    row(field, if field.quick { MANY / 5 } else { MANY }, field.rounds)
}

/// A million, once.
pub(super) fn soak(field: &Field) -> Result<()> {
    row(field, SOAK, 1)
}

fn row(field: &Field, count: u64, rounds: usize) -> Result<()> {
    let sides = field.guests.sides();
    let title = format!("{count} connections, {CLIENTS} at a time (answered/s)");
    let mut comparison = Comparison::new(title, &sides);
    let mut notes = Vec::new();
    for _ in 0..rounds {
        for side in &sides {
            let mut server = field.guests.start(*side, Role::Echo, &Start::default())?;
            match churn(&mut server, count) {
                Ok((rate, note)) => {
                    comparison.add(*side, Ok(rate));
                    notes.push(note);
                }
                Err(error) => comparison.add(*side, Err(error)),
            }
        }
    }
    field.verdict.show(&comparison);
    notes.iter().for_each(|note| println!("  {note}"));
    Ok(())
}

/// The rate at which connections were answered, and a sentence about the rest.
fn churn(server: &mut Server, count: u64) -> Result<(f64, String)> {
    // One that is served first, so that what is set up once is there.
    let address = server.port(ECHO);
    client::requests(&mut client::connect(address)?, 100, Until::Count(1))?;
    let (before, counted) = (memory(server)?, counted(server)?);
    let (tally, started) = (Arc::new(Tally::default()), Instant::now());
    let workers: Vec<_> = (0..CLIENTS)
        .map(|_| {
            let tally = tally.clone();
            thread::spawn(move || {
                while tally.begun.fetch_add(1, Ordering::Relaxed) < count {
                    tally.note(connection(address));
                }
            })
        })
        .collect();
    for worker in workers {
        worker.join().map_err(|_| Error::failed("a client has ended early"))?;
    }
    let (elapsed, after) = (started.elapsed(), memory(server)?);
    let mut settled = after;
    while settled > before + SLACK && started.elapsed() < elapsed + SETTLE {
        thread::sleep(TICK);
        settled = memory(server)?;
    }
    let [answered, refused, lost] =
        [&tally.answered, &tally.refused, &tally.lost].map(|count| count.load(Ordering::Relaxed));
    let mut note = format!(
        "{}: {answered} answered, {refused} refused, {lost} lost in {:.1} s; memory in use {before} KiB before, {after} at the end, \
         {settled} settled",
        server.side,
        elapsed.as_secs_f64()
    );
    for (name, grown) in grown(&counted, &self::counted(server)?) {
        note += &format!("; {name} {grown}");
    }
    Ok((answered as f64 / elapsed.as_secs_f64(), note))
}

/// One connection: opened, used, closed.
fn connection(address: SocketAddr) -> std::io::Result<()> {
    let stream = TcpStream::connect_timeout(&address, PATIENCE)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_nodelay(true)?;
    exchange(stream)
}

fn exchange(mut stream: TcpStream) -> std::io::Result<()> {
    use std::io::{Read as _, Write as _};
    let (request, mut answer) = ([b'c'; 100], [0; 100]);
    stream.write_all(&request)?;
    stream.read_exact(&mut answer)
}

impl Tally {
    fn note(&self, outcome: std::io::Result<()>) {
        let count = match outcome {
            Ok(()) => &self.answered,
            Err(error) if error.kind() == ErrorKind::ConnectionRefused => &self.refused,
            Err(error) if error.kind() == ErrorKind::ConnectionReset => &self.refused,
            Err(_) => &self.lost,
        };
        count.fetch_add(1, Ordering::Relaxed);
    }
}

/// Memory in use, in KiB: the heap of an image, and what Linux does not call available.
fn memory(server: &Server) -> Result<u64> {
    if server.side == Side::Linux {
        let mut text = String::new();
        let mut stream = client::connect(server.port(MEMORY))?;
        std::io::Read::read_to_string(&mut stream, &mut text).or_cannot(|| "ask for memory".to_owned())?;
        return text.trim().parse().or_cannot(|| format!("read '{}'", text.trim()));
    }
    heap_used(&server.monitor)
}

/// Kibibytes of the heap of an image in use.
pub(in crate::bench) fn heap_used(monitor: &Path) -> Result<u64> {
    let facts = asked(monitor, &mut |guest, view| facts::sysinfo(guest, view))?;
    let used = facts.get("heap-used").and_then(Value::as_u64);
    used.map(|bytes| bytes / 1024).ok_or_else(|| Error::failed("the image does not tell its heap"))
}

/// All counters of an image; none of Linux.
fn counted(server: &Server) -> Result<Map<String, Value>> {
    if server.side == Side::Linux {
        return Ok(Map::new());
    }
    asked(&server.monitor, &mut |guest, view| counters::run(guest, &counters::Options::default(), view))
}

/// What an inspection command says in JSON.
pub(in crate::bench) fn asked(
    monitor: &Path,
    command: &mut dyn FnMut(&mut Connection, &mut View<'_>) -> Result<()>,
) -> Result<Map<String, Value>> {
    let mut guest = Connection::open(monitor, crate::monitor::PATIENCE)?;
    let (mut text, mut notes, stop) = (Vec::new(), Vec::new(), false.into());
    command(&mut guest, &mut View::new(&mut text, &mut notes, true, &stop))?;
    serde_json::from_slice(&text).or_cannot(|| "read what the image tells".to_owned())
}

/// Counters of what went wrong that have grown, by their words.
fn grown(before: &Map<String, Value>, after: &Map<String, Value>) -> Vec<(String, u64)> {
    let words = ["refused", "lost", "dropped", "evicted", "overdue", "reset", "overflow", "full", "no_"];
    let value = |map: &Map<String, Value>, name: &str| map.get(name).and_then(Value::as_u64).unwrap_or(0);
    let told = after.keys().filter(|name| words.iter().any(|word| name.contains(word)));
    told.map(|name| (name.clone(), value(after, name).saturating_sub(value(before, name))))
        .filter(|(_, grown)| *grown > 0)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn only_counters_of_mishaps_that_have_grown_are_told() {
        let map = |value: Value| value.as_object().cloned().unwrap();
        let before = map(json!({ "net0.tcp_refused": 1, "net0.received": 5 }));
        let after =
            map(json!({ "net0.tcp_refused": 4, "net0.received": 9, "net0.tcp_time_wait_evicted": 2 }));
        let mut grown = grown(&before, &after);
        grown.sort();
        assert_eq!(grown, [("net0.tcp_refused".to_owned(), 3), ("net0.tcp_time_wait_evicted".to_owned(), 2)]);
    }

    #[test]
    fn a_reset_is_a_refusal_and_silence_is_a_loss() {
        let tally = Tally::default();
        for outcome in [
            Ok(()),
            Err(ErrorKind::ConnectionRefused.into()),
            Err(ErrorKind::ConnectionReset.into()),
            Err(ErrorKind::TimedOut.into()),
        ] {
            tally.note(outcome);
        }
        let count = |count: &AtomicU64| count.load(Ordering::Relaxed);
        assert_eq!((count(&tally.answered), count(&tally.refused), count(&tally.lost)), (1, 2, 1));
    }
}
