//! LLDP: a port tells its neighbour what it is, and hears the same (IEEE 802.1AB-2016).
//!
//! [`Lldp`] writes what is due and keeps what was heard, as long as its sender says. Invariant: of one port no more than
//! `NEIGHBORS` are kept, and no text of them is longer than `TEXT_LIMIT`; what a neighbour says is shown with its
//! unprintable octets replaced.

use crate::NoMemory;
use crate::address::Mac;
use alloc::vec::Vec;
use core::fmt::{self, Write as _};
use unik_sched::time::{Duration, Instant};

/// Where neighbours are addressed: the nearest bridge (7.1).
pub(crate) const NEAREST: Mac = Mac::new([1, 0x80, 0xc2, 0, 0, 0x0e]);
/// The type of the frames (8.3).
pub(crate) const TYPE: u16 = 0x88cc;
/// Octets of the longest frame that is sent.
pub(crate) const FRAME: usize = 256;
/// Where the first TLV begins.
const HEADER: usize = 14;
/// Octets of the shortest frame of Ethernet.
const SHORTEST: usize = 60;
/// How often a port tells of itself, and for how many times as long that holds (9.2.5.7, 9.2.5.6).
const INTERVAL: Duration = Duration::from_secs(30);
const HOLD: u16 = 4;
/// How long after a line about a neighbour of a port there is none about another one.
const QUIET: Duration = Duration::from_secs(1);
/// Neighbours of one port that are kept, and octets of each text.
const NEIGHBORS: usize = 4;
const TEXT_LIMIT: usize = 64;
/// TLVs (8.4.1).
const END: u8 = 0;
const CHASSIS: u8 = 1;
const PORT: u8 = 2;
const TIME: u8 = 3;
const NAME: u8 = 5;
const DESCRIPTION: u8 = 6;
const CAPABILITIES: u8 = 7;
/// How chassis and port are named: by an address, and by the name of the interface (8.5.2.2, 8.5.3.2).
const BY_ADDRESS_CHASSIS: u8 = 4;
const BY_ADDRESS_PORT: u8 = 3;
const BY_NAME_PORT: u8 = 5;
/// It can be a bridge, and is one (8.5.8.1).
const BRIDGE: u16 = 1 << 2;

/// A text of a neighbour, as far as it is kept.
#[derive(Clone, Copy)]
pub struct Text {
    octets: [u8; TEXT_LIMIT],
    length: u8,
}

impl Text {
    const EMPTY: Self = Self { octets: [0; TEXT_LIMIT], length: 0 };

    fn of(text: &[u8]) -> Self {
        let mut kept = Self::EMPTY;
        let length = text.len().min(TEXT_LIMIT);
        kept.octets.iter_mut().zip(text).for_each(|(place, octet)| *place = *octet);
        kept.length = length as u8;
        kept
    }

    fn octets(&self) -> &[u8] {
        self.octets.get(..self.length.into()).unwrap_or_default()
    }
}

impl fmt::Display for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for octet in self.octets() {
            let is_shown = (b' '..=b'~').contains(octet);
            f.write_char(if is_shown { char::from(*octet) } else { '.' })?;
        }
        Ok(())
    }
}

/// The name of a chassis or a port: what kind of name it is, and the name.
#[derive(Clone, Copy)]
pub struct Id {
    is_address: bool,
    text: Text,
}

impl Id {
    fn of(value: &[u8], address: u8) -> Option<Self> {
        let (kind, text) = value.split_first().filter(|(_, text)| !text.is_empty())?;
        Some(Self { is_address: *kind == address && text.len() == 6, text: Text::of(text) })
    }

    fn is(&self, other: &Self) -> bool {
        self.is_address == other.is_address && self.text.octets() == other.text.octets()
    }
}

impl fmt::Display for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.text.octets().first_chunk() {
            Some(octets) if self.is_address => Mac::new(*octets).fmt(f),
            _ => self.text.fmt(f),
        }
    }
}

/// What a neighbour has said.
#[derive(Clone, Copy)]
pub struct Neighbor {
    /// The port that it is at, the first being 0.
    pub port: usize,
    /// The neighbour.
    pub chassis: Id,
    /// Its port.
    pub their_port: Id,
    /// Its name, perhaps empty.
    pub name: Text,
    /// What it says it is, perhaps empty.
    pub description: Text,
    /// Until when that holds.
    pub until: Instant,
}

/// What a port tells.
struct Port {
    address: Mac,
    is_up: bool,
    is_used: bool,
    due: Instant,
    /// From when on a neighbour that comes is worth a line of the log again.
    tells: Instant,
}

/// LLDP on all ports.
pub(crate) struct Lldp {
    ports: Vec<Port>,
    neighbors: Vec<Neighbor>,
    /// When something is to be done.
    due: Instant,
}

unik_sched::counters! {
    /// What was heard of neighbours.
    pub struct LldpCounters {
        /// Frames sent.
        out_frames,
        /// Frames received.
        in_frames,
        /// Frames that were none of LLDP.
        in_malformed,
        /// Neighbours that there was no room for.
        in_no_room,
        /// Neighbours that have not been heard for the time that they said.
        aged,
    }
}

impl Lldp {
    /// With all ports down. Those without an address are not used.
    pub(crate) fn try_new(used: impl Iterator<Item = bool>, addresses: &[Mac]) -> Result<Self, NoMemory> {
        let (mut ports, mut neighbors) = (Vec::new(), Vec::new());
        ports.try_reserve_exact(addresses.len()).map_err(|_| NoMemory)?;
        neighbors.try_reserve_exact(addresses.len() * NEIGHBORS).map_err(|_| NoMemory)?;
        for (address, is_used) in addresses.iter().zip(used) {
            ports.push(Port {
                address: *address,
                is_up: false,
                is_used,
                due: Instant::MAX,
                tells: Instant::ZERO,
            });
        }
        Ok(Self { ports, neighbors, due: Instant::MAX })
    }

    /// Says that the link of a port is up, or down. Neighbours at one that is down are forgotten.
    pub(crate) fn set_link(&mut self, index: usize, is_up: bool, now: Instant) {
        let Some(port) = self.ports.get_mut(index) else { return };
        port.is_up = is_up;
        port.due = if is_up && port.is_used { now } else { Instant::MAX };
        if !is_up {
            self.neighbors.retain(|neighbor| neighbor.port != index);
        }
        self.plan();
    }

    /// Takes a frame of a neighbour.
    pub(crate) fn receive(&mut self, port: usize, frame: &[u8], now: Instant, counters: &LldpCounters) {
        if !self.ports.get(port).is_some_and(|port| port.is_used) {
            return;
        }
        counters.in_frames.increment();
        let Some((neighbor, time)) = frame.get(HEADER..).and_then(|body| read(body, port, now)) else {
            return counters.in_malformed.increment();
        };
        let known = self.neighbors.iter().position(|known| {
            known.port == port
                && known.chassis.is(&neighbor.chassis)
                && known.their_port.is(&neighbor.their_port)
        });
        let at_port = self.neighbors.iter().filter(|known| known.port == port).count();
        match known {
            // It says good-bye (9.2.7.7.2).
            Some(index) if time == 0 => drop(self.neighbors.swap_remove(index)),
            Some(index) => self.neighbors.get_mut(index).into_iter().for_each(|known| *known = neighbor),
            None if time == 0 => {}
            None if at_port < NEIGHBORS && self.neighbors.len() < self.neighbors.capacity() => {
                self.neighbors.push(neighbor);
                // One that comes and goes all the time does not keep the switch busy with lines.
                if let Some(port) = self.ports.get_mut(port).filter(|port| port.tells <= now) {
                    port.tells = now + QUIET;
                    log::info!(
                        "port{}: the neighbour is {} {}",
                        neighbor.port + 1,
                        neighbor.chassis,
                        neighbor.name
                    );
                }
            }
            None => counters.in_no_room.increment(),
        }
        self.plan();
    }

    /// Forgets who has not been heard for too long.
    pub(crate) fn poll(&mut self, now: Instant, counters: &LldpCounters) {
        let before = self.neighbors.len();
        self.neighbors.retain(|neighbor| neighbor.until > now);
        counters.aged.add((before - self.neighbors.len()) as u64);
        self.plan();
    }

    /// When [`Self::poll`] and [`Self::next`] are to be called again.
    pub(crate) fn deadline(&self) -> Instant {
        self.due
    }

    /// Finds out when that is, after a change: it is asked for each time that frames come.
    fn plan(&mut self) {
        let due = self.ports.iter().map(|port| port.due);
        let all = due.chain(self.neighbors.iter().map(|neighbor| neighbor.until));
        self.due = all.min().unwrap_or(Instant::MAX);
    }

    /// Writes the next frame that is due, if there is one: its port and its length.
    pub(crate) fn next(&mut self, now: Instant, frame: &mut [u8; FRAME]) -> Option<(usize, usize)> {
        let chassis = self.ports.first()?.address;
        let index = self.ports.iter().position(|port| port.due <= now)?;
        self.ports.get_mut(index)?.due = now + INTERVAL;
        self.plan();
        let port = self.ports.get(index)?;
        let name = [b'p', b'o', b'r', b't', b'1' + index as u8];
        let mut writer = Writer { frame, length: 0 };
        writer.put(&NEAREST.octets());
        writer.put(&port.address.octets());
        writer.put(&TYPE.to_be_bytes());
        writer.tlv(CHASSIS, &[&[BY_ADDRESS_CHASSIS], &chassis.octets()[..]]);
        writer.tlv(PORT, &[&[BY_NAME_PORT], &name]);
        writer.tlv(TIME, &[&(INTERVAL.as_secs() as u16 * HOLD).to_be_bytes()]);
        writer.tlv(NAME, &[b"vswitch"]);
        writer.tlv(DESCRIPTION, &[b"unik vswitch ", env!("CARGO_PKG_VERSION").as_bytes()]);
        writer.tlv(CAPABILITIES, &[&BRIDGE.to_be_bytes(), &BRIDGE.to_be_bytes()]);
        writer.tlv(END, &[]);
        let length = writer.length.max(SHORTEST);
        Some((index, length))
    }

    /// The neighbours.
    pub(crate) fn neighbors(&self) -> &[Neighbor] {
        &self.neighbors
    }
}

struct Writer<'f> {
    frame: &'f mut [u8; FRAME],
    length: usize,
}

impl Writer<'_> {
    fn put(&mut self, octets: &[u8]) {
        let end = self.length + octets.len();
        if let Some(place) = self.frame.get_mut(self.length..end) {
            place.copy_from_slice(octets);
            self.length = end;
        }
    }

    /// Adds one of less than 256 octets (8.4).
    fn tlv(&mut self, kind: u8, value: &[&[u8]]) {
        let length = value.iter().map(|part| part.len()).sum::<usize>() as u8;
        self.put(&[kind << 1, length]);
        value.iter().for_each(|part| self.put(part));
    }
}

/// Reads what is in a frame, and for how many seconds it holds. `None` where something that has to be there is not (9.2.7.7.1).
fn read(mut body: &[u8], port: usize, now: Instant) -> Option<(Neighbor, u16)> {
    let mut next = || {
        let (head, rest) = body.split_first_chunk::<2>()?;
        let head = u16::from_be_bytes(*head);
        let (value, rest) = rest.split_at_checked(usize::from(head & 0x1ff))?;
        body = rest;
        Some(((head >> 9) as u8, value))
    };
    let mut expect = |expected| next().filter(|(kind, _)| *kind == expected).map(|(_, value)| value);
    let chassis = Id::of(expect(CHASSIS)?, BY_ADDRESS_CHASSIS)?;
    let their_port = Id::of(expect(PORT)?, BY_ADDRESS_PORT)?;
    let time = u16::from_be_bytes(*expect(TIME)?.first_chunk()?);
    let until = now + Duration::from_secs(time.into());
    let (name, description) = (Text::EMPTY, Text::EMPTY);
    let mut neighbor = Neighbor { port, chassis, their_port, name, description, until };
    loop {
        match next()? {
            (END, _) => return Some((neighbor, time)),
            (NAME, value) => neighbor.name = Text::of(value),
            (DESCRIPTION, value) => neighbor.description = Text::of(value),
            (CHASSIS | PORT | TIME, _) => return None,
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::string::ToString;

    fn addresses() -> [Mac; 2] {
        [Mac::new([2, 0, 0, 0, 0, 1]), Mac::new([2, 0, 0, 0, 0, 2])]
    }

    fn lldp() -> Lldp {
        let mut lldp = Lldp::try_new([true, true].into_iter(), &addresses()).unwrap();
        lldp.set_link(0, true, Instant::ZERO);
        lldp.set_link(1, true, Instant::ZERO);
        lldp
    }

    /// The frame that a switch sends by its second port.
    fn frame() -> ([u8; FRAME], usize) {
        let (mut lldp, mut frame) = (lldp(), [0; FRAME]);
        assert_eq!(lldp.next(Instant::ZERO, &mut frame).unwrap().0, 0);
        let mut frame = [0; FRAME];
        let (port, length) = lldp.next(Instant::ZERO, &mut frame).unwrap();
        assert_eq!(port, 1);
        assert_eq!(lldp.next(Instant::ZERO, &mut [0; FRAME]), None);
        assert_eq!(lldp.deadline(), Instant::ZERO + INTERVAL);
        (frame, length)
    }

    #[test]
    fn two_switches_hear_of_each_other_until_one_is_silent() {
        let ((frame, length), counters) = (frame(), LldpCounters::new());
        let mut other = lldp();
        other.receive(0, &frame[..length], Instant::ZERO, &counters);
        let [neighbor] = other.neighbors() else { panic!("there is one") };
        assert_eq!(neighbor.chassis.to_string(), "02:00:00:00:00:01");
        assert_eq!(neighbor.their_port.to_string(), "port2");
        assert_eq!(neighbor.name.to_string(), "vswitch");
        other.receive(0, &frame[..length], Instant::from_millis(30_000), &counters);
        other.poll(Instant::from_millis(149_999), &counters);
        assert_eq!(other.neighbors().len(), 1);
        other.poll(Instant::from_millis(150_000), &counters);
        assert_eq!((other.neighbors().len(), counters.aged.get()), (0, 1));
    }

    #[test]
    fn neighbours_are_kept_up_to_a_limit() {
        let ((mut frame, length), counters) = (frame(), LldpCounters::new());
        let mut other = lldp();
        for number in 0..100 {
            frame[HEADER + 3] = number;
            other.receive(0, &frame[..length], Instant::ZERO, &counters);
        }
        assert_eq!((other.neighbors().len(), counters.in_no_room.get()), (NEIGHBORS, 96));
        other.set_link(0, false, Instant::ZERO);
        assert!(other.neighbors().is_empty());
    }

    #[test]
    fn a_frame_that_is_cut_short_is_none() {
        let ((frame, _), counters) = (frame(), LldpCounters::new());
        let end = HEADER + 9 + 8 + 4 + 9 + 20 + 6 + 2;
        let mut other = lldp();
        for length in 0..end {
            other.receive(0, &frame[..length], Instant::ZERO, &counters);
        }
        assert_eq!((other.neighbors().len(), counters.in_malformed.get()), (0, end as u64));
        other.receive(0, &frame[..end], Instant::ZERO, &counters);
        assert_eq!(other.neighbors().len(), 1);
    }
}
