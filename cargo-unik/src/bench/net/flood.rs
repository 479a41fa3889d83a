//! A flood of SYNs from addresses that do not exist, and clients that want to connect meanwhile.
//!
//! The frames are written to the guest's tap, in the bench's own namespace. What the guest answers goes to addresses that are routed
//! nowhere, so nobody resets the half-open connections.

use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4, TcpStream};
use std::os::fd::AsRawFd as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use nix::sys::socket::{MsgFlags, send};

use super::Field;
use super::client::{self, Until};
use super::frame::{Syn, syn};
use super::namespace::{Hardware, OUR_HARDWARE, Wire};
use super::random::Random;
use super::raw;
use super::side::{ECHO, Role, Server, Start};
use super::statistics::Comparison;
use crate::error::{Error, Result};

/// SYNs a second.
const RATE: u64 = 5000;
/// How often a portion of them is written.
const TICK: Duration = Duration::from_millis(2);
/// Clients that connect during the flood.
const CLIENTS: u64 = 100;
/// The time between two of them.
const PACE: Duration = Duration::from_millis(20);
/// How long a client waits for its first answer.
const PATIENCE: Duration = Duration::from_secs(1);
/// How long the flood goes on before the first client.
const LEAD: Duration = Duration::from_millis(500);
/// RFC 2544, C.2.2: 198.18.0.0/15 is for benchmarks.
const FORGED: u32 = u32::from_be_bytes([198, 18, 0, 0]);
const FORGED_HOSTS: u64 = 1 << 17;

/// Counts the clients that got an answer in time, of each side.
pub(crate) fn row(field: &Field) -> Result<()> {
    let title = format!("{CLIENTS} connects in a flood of {RATE} SYN/s, answered in 1 s");
    let mut comparison = Comparison::new(title, &field.guests.sides());
    let mut sent = Vec::new();
    for _ in 0..field.rounds {
        for side in field.guests.sides() {
            let mut server = field.guests.start(side, Role::Echo, &Start::default())?;
            let result = flooded(&mut server);
            sent.extend(result.as_ref().ok().map(|(_, rate)| *rate));
            comparison.add(side, result.map(|(answered, _)| answered as f64));
        }
    }
    field.verdict.show(&comparison);
    sent.sort_by(f64::total_cmp);
    if let (Some(least), Some(most)) = (sent.first(), sent.last()) {
        println!(
            "  the flood was {least:.0} to {most:.0} SYN/s; Linux answers with SYN cookies (tcp_syncookies=1)"
        );
    }
    Ok(())
}

/// The number of clients that were answered, and the rate of the flood.
fn flooded(server: &mut Server) -> Result<(u64, f64)> {
    let address = server.port(ECHO);
    // It lives before the flood.
    client::requests(&mut client::connect(address)?, 100, Until::Count(1))?;
    let flood = Flood::start(server.side.wire())?;
    thread::sleep(LEAD);
    let clients: Vec<JoinHandle<bool>> = (0..CLIENTS)
        .map(|_| {
            thread::sleep(PACE);
            thread::spawn(move || is_answered(address))
        })
        .collect();
    let answered = clients.into_iter().filter_map(|client| client.join().ok()).filter(|answered| *answered);
    let answered = answered.count() as u64;
    Ok((answered, flood.end()?))
}

/// Whether a client gets its first answer in time.
fn is_answered(address: SocketAddr) -> bool {
    let started = Instant::now();
    let Ok(mut stream) = TcpStream::connect_timeout(&address, PATIENCE) else { return false };
    let left = PATIENCE.saturating_sub(started.elapsed());
    if left.is_zero() || stream.set_read_timeout(Some(left)).is_err() {
        return false;
    }
    client::requests(&mut stream, 100, Until::Count(1)).is_ok() && started.elapsed() <= PATIENCE
}

/// A flood that goes on until it is ended.
struct Flood {
    stop: Arc<AtomicBool>,
    sent: Arc<AtomicU64>,
    thread: JoinHandle<()>,
    started: Instant,
}

impl Flood {
    fn start(wire: Wire) -> Result<Flood> {
        let raw = raw::sender(wire.tap)?;
        let (stop, sent) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
        let (ended, count) = (stop.clone(), sent.clone());
        let to = (wire.hardware(), SocketAddrV4::new(wire.guest(), ECHO));
        let started = Instant::now();
        let thread = thread::spawn(move || {
            let mut random = Random::new(1);
            while !ended.load(Ordering::Relaxed) {
                let due = started.elapsed().as_micros() as u64 * RATE / 1_000_000;
                while count.load(Ordering::Relaxed) < due {
                    // One that does not fit into the tap's queue is lost, as it would be on a wire.
                    let _ = send(raw.as_raw_fd(), &forged(&mut random, to), MsgFlags::empty());
                    count.fetch_add(1, Ordering::Relaxed);
                }
                thread::sleep(TICK);
            }
        });
        Ok(Flood { stop, sent, thread, started })
    }

    /// Ends it, and gives the SYNs a second that it was made of.
    fn end(self) -> Result<f64> {
        self.stop.store(true, Ordering::Relaxed);
        let elapsed = self.started.elapsed().as_secs_f64();
        self.thread.join().map_err(|_| Error::failed("the flood has ended early"))?;
        Ok(self.sent.load(Ordering::Relaxed) as f64 / elapsed)
    }
}

/// A SYN from one of many addresses and ports.
fn forged(random: &mut Random, (hardware, to): (Hardware, SocketAddrV4)) -> Syn {
    let number = random.next();
    let address = Ipv4Addr::from(FORGED + (number % FORGED_HOSTS) as u32);
    let port = 1024 + ((number >> 32) % 60_000) as u16;
    syn((OUR_HARDWARE, hardware), SocketAddrV4::new(address, port), to, number as u32)
}

#[cfg(test)]
mod tests {
    use super::super::namespace::UNIK;
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn forged_sources_are_many_and_for_benchmarks_only() {
        let (mut random, to) = (Random::new(3), SocketAddrV4::new(Ipv4Addr::new(10, 90, 0, 2), 7));
        let frames: Vec<Syn> = (0..1000).map(|_| forged(&mut random, (UNIK.hardware(), to))).collect();
        assert!(frames.iter().all(|frame| frame[26] == 198 && (18..=19).contains(&frame[27])));
        assert!(frames.iter().map(|frame| &frame[26..36]).collect::<HashSet<_>>().len() > 990);
    }
}
