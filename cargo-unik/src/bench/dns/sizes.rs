//! Rows that count: what a query costs, and what a zone takes in memory and in instructions, by the number of its names.
//!
//! A zone of each size is loaded once, under `-icount`, where an instruction is a nanosecond of the guest's clock: the ready line
//! tells the time of loading, the inspection channel the heap, and what the tasks took for the queries in between.

use std::path::Path;
use std::time::Duration;

use serde_json::Value;

use super::Field;
use super::guests::{DNS, first_answer, question, socket};
use super::zone::Zone;
use crate::bench::net::connections::asked;
use crate::bench::net::random::Random;
use crate::bench::net::requests::spent;
use crate::bench::net::side::{Server, Side};
use crate::bench::{PATIENCE, REPEAT, read_ready};
use crate::console::Running;
use crate::error::{Error, Result};
use crate::guest::Guest;
use crate::monitor::facts;
use crate::options::Memory;
use crate::size::grouped;

/// Names of the zones. All figures a name or a byte are differences from the least of them.
const SIZES: [usize; 4] = [100, 1000, 100_000, 1_000_000];
/// The same, when there is no time.
const SIZES_QUICK: [usize; 3] = [100, 1000, 100_000];
/// What the guests that count have: room for the largest zone.
const ROOM: &str = "512M";
/// How long the largest zone may take to be loaded.
const LOADING: Duration = Duration::from_secs(600);
/// Queries before the first that counts, and those that count.
const WARM: u16 = 100;
const COUNTED: u16 = 1000;
/// How long an answer is waited for before the question is repeated: the guest counts instructions meanwhile.
const PAUSE: Duration = Duration::from_secs(3);
const TRIES: usize = 5;
/// Steps in which the amount of memory is told that a machine needs: a thirty-second part of it.
const STEPS: u64 = 32;
/// Bytes of a mebibyte.
const MEBIBYTE: u64 = 1 << 20;

/// What a zone of some size takes.
#[derive(Debug, Clone, Copy)]
pub(super) struct Measured {
    names: u64,
    /// Octets of the master file.
    text: u64,
    /// Octets of its labels and addresses on the wire.
    wire: u64,
    /// Instructions from the entry point to `ready`.
    ready: u64,
    /// Bytes of the heap: all, in use, and the most in use.
    heap: u64,
    used: u64,
    peak: u64,
    /// Instructions of a query for a random name that is there, and for one that is not.
    found: u64,
    missing: u64,
}

/// What a query costs.
pub(super) fn instructions(field: &Field<'_>) -> Result<()> {
    let all = field.sizes()?;
    for one in &all {
        field.count(&format!("instructions a query, a name of {}", grouped(one.names)), one.found);
    }
    for one in &all {
        field.count(&format!("instructions a query, none of {} names", grouped(one.names)), one.missing);
    }
    if let (Some(least), Some(most)) = (all.first(), all.last()) {
        let growth = (most.found as f64 / least.found.max(1) as f64 - 1.0) * 100.0;
        println!(
            "  from {} to {} names it grows by {growth:.1} %",
            grouped(least.names),
            grouped(most.names)
        );
    }
    Ok(())
}

/// What a name takes in memory, and the machine that a zone needs.
pub(super) fn memory(field: &Field<'_>) -> Result<()> {
    let all = field.sizes()?;
    let Some(least) = all.first() else { return Ok(()) };
    for one in all.iter().filter(|one| one.names >= 100_000) {
        let (names, wire) = (one.names - least.names, one.wire - least.wire);
        let beyond = |bytes: u64| bytes.saturating_sub(wire) / names;
        let title = grouped(one.names);
        field.count(&format!("bytes a name beyond the wire, {title} names"), beyond(one.used - least.used));
        field
            .count(&format!("the same at the peak of loading, {title} names"), beyond(one.peak - least.used));
        field.count(&format!("mebibytes that a machine with {title} names needs"), field.least_memory(one)?);
    }
    Ok(())
}

/// What a byte of a master file costs.
pub(super) fn load(field: &Field<'_>) -> Result<()> {
    let all = field.sizes()?;
    let Some(least) = all.first() else { return Ok(()) };
    for one in all.iter().filter(|one| one.names == 100_000) {
        let cost = (one.ready - least.ready) / (one.text - least.text);
        field.count(&format!("instructions a byte of a master file, {} names", grouped(one.names)), cost);
    }
    Ok(())
}

impl Field<'_> {
    /// All sizes, measured when they are asked for first.
    fn sizes(&self) -> Result<Vec<Measured>> {
        let sizes: &[usize] = if self.quick { &SIZES_QUICK } else { &SIZES };
        if self.sizes.borrow().is_empty() {
            let all: Result<Vec<Measured>> = sizes.iter().map(|names| self.size(*names)).collect();
            *self.sizes.borrow_mut() = all?;
        }
        Ok(self.sizes.borrow().clone())
    }

    fn size(&self, names: usize) -> Result<Measured> {
        let zone = Zone::new(names);
        let zones = self.pack(&format!("names-{names}"), &zone)?;
        let guest = Guest {
            memory: ROOM.parse()?,
            extra: ["-icount", "shift=0,sleep=off"].map(Into::into).into(),
            ..self.guest(Side::Unik, &zones)?
        };
        let mut server = Server::start(Side::Unik, &guest)?;
        let line = server.running.line("ready: dns", LOADING)?;
        let (ready, _) = read_ready(&line).ok_or_else(|| Error::failed(format!("no times in '{line}'")))?;
        let measured = || {
            let [heap, used, peak] = heap(&server.monitor)?;
            let mut random = Random::new(7);
            let found = cost(&server, &mut || {
                let (name, address) = zone.some_name(&mut random);
                (name, Some(address))
            })?;
            let missing = cost(&server, &mut || (Zone::no_name(&mut random), None))?;
            Ok(Measured {
                names: names as u64,
                text: zone.text().len() as u64,
                wire: zone.wire_length(),
                ready: ready * 1000,
                heap,
                used,
                peak,
                found,
                missing,
            })
        };
        let measured: Result<Measured> = measured();
        measured.map_err(|error| server.report(&error))
    }

    /// The mebibytes of the least machine that serves the zone, found by starting it.
    fn least_memory(&self, one: &Measured) -> Result<u64> {
        let room = u64::from(ROOM.parse::<Memory>()?.mebibytes()) * MEBIBYTE;
        let zones = self.workspace.target.join(format!("unik/bench/dns/names-{}.cpio", one.names));
        let guess = (room - one.heap + one.peak).div_ceil(MEBIBYTE);
        let serves = |mebibytes: u64| -> Result<bool> {
            let guest = Guest { memory: format!("{mebibytes}M").parse()?, ..self.guest(Side::Unik, &zones)? };
            let mut running = Running::start(&guest.command()?)?;
            // A guest without enough memory ends, and says why.
            Ok(running.line("ready: dns", PATIENCE).is_ok()
                && first_answer(Side::Unik.wire().port(DNS), REPEAT).is_ok())
        };
        let step = (guess / STEPS).max(1) as usize;
        let mut tried =
            (guess..=guess * 2).step_by(step).map(|amount| serves(amount).map(|fits| (amount, fits)));
        let found = tried.find(|tried| !matches!(tried, Ok((_, false)))).transpose()?;
        found.map(|(amount, _)| amount).ok_or_else(|| Error::failed("no amount of memory is enough"))
    }
}

/// The bytes of the heap of an image: all, in use, and the most in use.
fn heap(monitor: &Path) -> Result<[u64; 3]> {
    let facts = asked(monitor, &mut |guest, view| facts::sysinfo(guest, view))?;
    let fact = |name: &str| {
        let value = facts.get(name).and_then(Value::as_u64);
        value.ok_or_else(|| Error::failed(format!("the image does not tell its {name}")))
    };
    Ok([fact("heap")?, fact("heap-used")?, fact("heap-peak")?])
}

/// The instructions of a query; `next` gives a name, and the address that it has, or that it does not exist.
fn cost(server: &Server, next: &mut dyn FnMut() -> (Vec<u8>, Option<[u8; 4]>)) -> Result<u64> {
    let socket = socket(server.port(DNS), PAUSE)?;
    let mut ask = |id: u16| {
        let (name, address) = next();
        let query = question(id, &name);
        let mut answer = [0; 512];
        for _ in 0..TRIES {
            let Ok(length) = socket.send(&query).and_then(|_| socket.recv(&mut answer)) else { continue };
            return match check(&query, &answer[..length], address) {
                true => Ok(()),
                false => Err(Error::failed(format!("a strange answer: {:02x?}", &answer[..length]))),
            };
        }
        Err(Error::failed("no answer"))
    };
    (0..WARM).try_for_each(&mut ask)?;
    let before = spent(&server.monitor)?;
    (0..COUNTED).try_for_each(&mut ask)?;
    Ok(spent(&server.monitor)?.saturating_sub(before) / u64::from(COUNTED))
}

/// Octets of a record before its address: a pointer to its name, type, class, TTL and length (RFC 1035, 4.1.3).
const ADDRESS: usize = 12;

/// Whether an answer belongs to the query, and tells this address, or that there is no such name.
fn check(query: &[u8], answer: &[u8], address: Option<[u8; 4]>) -> bool {
    let Some(&code) = answer.get(3) else { return false };
    let is_right = match address {
        // The first record has the question's name, and behind it come the zone's name servers.
        Some(address) => {
            code & 0xf == 0
                && answer.get(query.len() + ADDRESS..query.len() + ADDRESS + 4) == Some(&address[..])
        }
        None => code & 0xf == 3,
    };
    is_right && answer.get(..2) == query.get(..2) && answer.get(12..query.len()) == query.get(12..)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_checked_to_the_last_octet() {
        let query = question(7, b"\x01a\0");
        let mut answer = query.clone();
        answer[2] = 0x84;
        answer.extend([0xc0, 12, 0, 1, 0, 1, 0, 0, 14, 16, 0, 4, 10, 0, 0, 9]);
        assert!(check(&query, &answer, Some([10, 0, 0, 9])));
        assert!(check(&query, &[&answer[..], &[0xc0, 14, 0, 2, 0, 1]].concat(), Some([10, 0, 0, 9])));
        assert!(!check(&query, &answer, Some([10, 0, 0, 8])));
        assert!(!check(&query, &answer, None));
        assert!(!check(&question(8, b"\x01a\0"), &answer, Some([10, 0, 0, 9])));
        assert!(!check(&query, &[], None));
        answer[3] = 3;
        assert!(check(&query, &answer, None));
    }
}
