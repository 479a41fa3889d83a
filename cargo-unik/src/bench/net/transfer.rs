//! Rows about bytes in bulk, and the row about the time to a first answer.

use std::time::{Duration, Instant};

use serde_json::Value;

use super::Field;
use super::client::{self, Transfer, Until, Way};
use super::relay::Relay;
use super::side::{ECHO, Role, SINK, SOURCE, Server, Side, Start, unix_device};
use super::statistics::Comparison;
use crate::bench::PATIENCE;
use crate::error::{Context, Error, Result};

/// Frames lost of a thousand, in the rows about loss.
const SHARES: [u64; 2] = [10, 50];
/// What may wait on this side in the rows about loss, in bytes: a pause of the guest is to be seen.
const LOSSY_BUFFER: usize = 256 * 1024;
/// How long a datagram is waited for before it is repeated, while a guest boots.
const REPEAT: Duration = Duration::from_millis(2);
/// How long iperf3's server is left alone when it is busy.
const BUSY: Duration = Duration::from_millis(200);
const WAYS: [(Way, &str); 2] = [(Way::In, "guest receives"), (Way::Out, "guest sends")];

/// One connection, each way, over the tap.
pub(crate) fn bulk(field: &Field) -> Result<()> {
    let sides = field.guests.sides();
    let mut servers = Vec::new();
    for side in &sides {
        servers.push(field.guests.start(*side, Role::Bulk, &Start::default())?);
    }
    for (way, words) in WAYS {
        let mut comparison = Comparison::new(format!("bulk TCP, {words} (MB/s)"), &sides);
        for _ in 0..field.rounds {
            for server in &mut servers {
                let moved = transfer(server, way, field.duration(3), None);
                comparison.add(server.side, moved.map(|moved| moved.rate()));
            }
        }
        field.verdict.show(&comparison);
    }
    Ok(())
}

fn transfer(server: &mut Server, way: Way, time: Duration, buffer: Option<usize>) -> Result<Transfer> {
    let port = if way == Way::In { SINK } else { SOURCE };
    client::transfer(server.port(port), way, time, buffer)
}

/// What iperf3 says of the Linux guest, so that our own client can be judged.
pub(crate) fn iperf(field: &Field) -> Result<()> {
    if field.guests.linux.is_none() {
        return Ok(());
    }
    let server = field.guests.start(Side::Linux, Role::Bulk, &Start::default())?;
    for (way, words) in WAYS {
        let mut comparison = Comparison::new(format!("iperf3, {words} (MB/s)"), &[Side::Linux]);
        for _ in 0..field.rounds {
            comparison.add(Side::Linux, iperf_once(field, &server, way));
        }
        field.verdict.show(&comparison);
    }
    Ok(())
}

/// One run of iperf3, once its server is done with the run before.
fn iperf_once(field: &Field, server: &Server, way: Way) -> Result<f64> {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let mut command = field.guests.program("usr/bin/iperf3").ok_or_else(|| Error::failed("no iperf3"))?;
        let seconds = field.duration(3).as_secs().to_string();
        command.args(["--client", &server.port(0).ip().to_string(), "--json", "--time", &seconds]);
        if way == Way::Out {
            command.arg("--reverse");
        }
        let output = command.output().or_cannot(|| "start iperf3".to_owned())?;
        match read_iperf(&output.stdout) {
            Err(error) if error.to_string().contains("busy") && Instant::now() < deadline => {
                std::thread::sleep(BUSY);
            }
            result => return result,
        }
    }
}

/// The megabytes a second that arrived, out of iperf3's JSON.
fn read_iperf(json: &[u8]) -> Result<f64> {
    let report: Value = serde_json::from_slice(json).or_cannot(|| "read what iperf3 says".to_owned())?;
    if let Some(complaint) = report.get("error").and_then(Value::as_str) {
        return Err(Error::failed(format!("iperf3: {complaint}")));
    }
    let bits = report.pointer("/end/sum_received/bits_per_second").and_then(Value::as_f64);
    bits.map(|bits| bits / 8e6).ok_or_else(|| Error::failed("iperf3 tells no result"))
}

/// One connection, each way, over a wire that loses frames.
pub(crate) fn loss(field: &Field) -> Result<()> {
    let sides = field.guests.sides();
    for share in SHARES {
        for (way, words) in WAYS {
            let percent = share / 10;
            let title = format!("{percent} % of frames lost, {words} (MB/s)");
            let mut comparison = Comparison::new(title, &sides);
            let mut notes = Vec::new();
            for round in 0..field.rounds as u64 {
                for side in &sides {
                    let moved = lossy(field, *side, way, share, round);
                    if let Ok((moved, lost)) = &moved {
                        notes.push((*side, moved.pause, *lost));
                    }
                    comparison.add(*side, moved.map(|(moved, _)| moved.rate()));
                }
            }
            field.verdict.show(&comparison);
            for side in &sides {
                let of = || notes.iter().filter(|(other, ..)| other == side);
                let pause = of().map(|(_, pause, _)| *pause).max().unwrap_or_default();
                let lost = of().map(|(.., lost)| lost).sum::<f64>() / of().count().max(1) as f64;
                println!(
                    "  {side}: longest pause {:.0} ms, {lost:.1} frames of 1,000 lost",
                    pause.as_secs_f64() * 1e3
                );
            }
        }
    }
    Ok(())
}

fn lossy(field: &Field, side: Side, way: Way, share: u64, seed: u64) -> Result<(Transfer, f64)> {
    let relay = Relay::start(side.wire().tap, share, seed)?;
    let device = Some(unix_device(side, &relay.guest(), &relay.other()));
    let mut server = field.guests.start(side, Role::Bulk, &Start { device, ..Start::default() })?;
    let moved = transfer(&mut server, way, field.duration(10), Some(LOSSY_BUFFER));
    let moved = moved.map_err(|error| if field.quick { server.report(&error) } else { error })?;
    Ok((moved, relay.lost()))
}

/// From the start of QEMU to the first datagram that comes back.
pub(crate) fn boot(field: &Field) -> Result<()> {
    let sides = field.guests.sides();
    let mut comparison = Comparison::new("boots a second (to the first answer)", &sides);
    let mut times = Vec::new();
    for _ in 0..field.rounds {
        for side in &sides {
            let server = field.guests.begin(*side, Role::Echo, &Start::default())?;
            let first = client::datagrams(server.port(ECHO), 64, 1, Until::Count(1), REPEAT);
            let age = server.age();
            times.extend(first.is_ok().then_some((*side, age)));
            comparison.add(*side, first.map(|_| 1.0 / age.as_secs_f64()));
        }
    }
    field.verdict.show(&comparison);
    for side in sides {
        let mut of: Vec<f64> = times
            .iter()
            .filter(|(other, _)| *other == side)
            .map(|(_, age)| age.as_secs_f64() * 1e3)
            .collect();
        of.sort_by(f64::total_cmp);
        if let (Some(least), Some(median)) = (of.first(), of.get(of.len() / 2)) {
            println!("  {side}: first answer after {least:.0} ms at best, {median:.0} ms in the median");
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn iperf_is_read_by_what_arrived() {
        let report =
            br#"{"end": {"sum_sent": {"bits_per_second": 1}, "sum_received": {"bits_per_second": 8e6}}}"#;
        assert_eq!(read_iperf(report), Ok(1.0));
    }

    #[test]
    fn what_iperf_complains_of_is_handed_on() {
        let error = read_iperf(br#"{"error": "unable to connect"}"#).unwrap_err();
        assert_eq!(error.to_string(), "iperf3: unable to connect");
        assert!(read_iperf(b"{}").is_err());
        assert!(read_iperf(b"").is_err());
    }
}
