//! Clients of a guest on a [`Wire`], any number of them at once: their TCP segments and datagrams, by hand.
//!
//! Forwarded ports let few connections wait at the same time; a crowd has to stand at the cable itself.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::time::Instant;

use crate::vm::PATIENCE;
use crate::wire::{IPV4, ITS_ADDRESS, OUR_ADDRESS, Wire, checksum, ethernet, ipv4};

const TCP: u8 = 6;
const UDP: u8 = 17;

/// Flags of a segment (RFC 9293, 3.1).
const SYN: u8 = 1 << 1;
const RST: u8 = 1 << 2;
const ACK: u8 = 1 << 4;

/// The port that datagrams are sent from: none of a storm's, whose answers may be late.
const ASKING: u16 = 4100;

/// Where our sequence numbers begin.
const FIRST: u32 = 1000;

/// Clients of one port of the guest.
#[derive(Debug)]
pub struct Crowd<'a> {
    wire: &'a mut Wire,
    hardware: [u8; 6],
    port: u16,
    /// The connections that the guest took, by our port: what we say next, and what we wait for.
    open: BTreeMap<u16, (u32, u32)>,
    /// Those that the guest has said something on since we did.
    answered: BTreeSet<u16>,
    refused: usize,
}

/// What matters of a segment from the guest.
struct Segment {
    port: u16,
    flags: u8,
    sequence: u32,
    bytes: Vec<u8>,
}

impl<'a> Crowd<'a> {
    /// Clients of `port` of the guest at the other end of `wire`.
    ///
    /// # Panics
    /// The guest does not say its address.
    #[track_caller]
    pub fn new(wire: &'a mut Wire, port: u16) -> Crowd<'a> {
        let hardware = wire.resolve();
        Crowd { wire, hardware, port, open: BTreeMap::new(), answered: BTreeSet::new(), refused: 0 }
    }

    /// Connects from each of `ports`, all at once; the numbers of connections that were taken and refused.
    ///
    /// # Panics
    /// The guest is silent.
    #[track_caller]
    pub fn connect(&mut self, ports: Range<u16>) -> (usize, usize) {
        let deadline = Instant::now() + PATIENCE;
        let (open, refused, all) = (self.open.len(), self.refused, ports.len());
        let mut silent: Vec<u16> = ports.collect();
        while !silent.is_empty() {
            assert!(Instant::now() < deadline, "of {all}, the guest has no answer for {silent:?}");
            for port in silent.iter().copied() {
                self.send(port, SYN, FIRST, 0, &[]);
            }
            while !silent.is_empty()
                && let Some(frame) = self.wire.receive()
            {
                let Some(segment) = self.read(&frame) else { continue };
                let Some(place) = silent.iter().position(|port| *port == segment.port) else { continue };
                silent.swap_remove(place);
                if segment.flags & RST != 0 {
                    self.refused += 1;
                    continue;
                }
                let (next, wanted) = (FIRST + 1, segment.sequence.wrapping_add(1));
                self.open.insert(segment.port, (next, wanted));
                self.send(segment.port, ACK, next, wanted, &[]);
            }
        }
        (self.open.len() - open, self.refused - refused)
    }

    /// Begins to connect from each of `ports`, and resets what the guest says to that.
    ///
    /// # Panics
    /// The guest is silent.
    #[track_caller]
    pub fn knock(&mut self, ports: Range<u16>) {
        let (deadline, mut left) = (Instant::now() + PATIENCE, ports.len());
        for port in ports.clone() {
            self.send(port, SYN, FIRST, 0, &[]);
        }
        while left > 0 {
            assert!(Instant::now() < deadline, "the guest has no answer for {left} of {ports:?}");
            let Some(frame) = self.wire.receive() else { continue };
            let Some(segment) = self.read(&frame).filter(|segment| ports.contains(&segment.port)) else {
                continue;
            };
            self.send(segment.port, RST, FIRST + 1, 0, &[]);
            left -= 1;
        }
    }

    /// Says `bytes` on each open connection.
    #[track_caller]
    pub fn say(&mut self, bytes: &[u8]) {
        self.answered.clear();
        for (port, (next, wanted)) in self.open.clone() {
            self.send(port, ACK, next, wanted, bytes);
            self.open.insert(port, (next.wrapping_add(bytes.len() as u32), wanted));
        }
    }

    /// On how many connections the guest has answered what was said last. It is heard until it is silent for a while, which it may be
    /// because it is slow.
    #[track_caller]
    pub fn answered(&mut self) -> usize {
        while self.unanswered() > 0
            && let Some(frame) = self.wire.receive()
        {
            let Some(segment) = self.read(&frame) else { continue };
            if segment.flags & RST != 0 {
                self.open.remove(&segment.port);
            } else if !segment.bytes.is_empty() && self.open.contains_key(&segment.port) {
                self.answered.insert(segment.port);
            }
        }
        self.answered.len()
    }

    fn unanswered(&self) -> usize {
        self.open.keys().filter(|port| !self.answered.contains(port)).count()
    }

    /// Says `bytes` on each open connection, and waits until the guest has answered on so many of them.
    ///
    /// # Panics
    /// It does not.
    #[track_caller]
    pub fn ask(&mut self, bytes: &[u8], count: usize) {
        self.say(bytes);
        let deadline = Instant::now() + PATIENCE;
        while self.answered() < count {
            let (answered, waiting) = (self.answered.len(), self.unanswered());
            assert!(
                Instant::now() < deadline && waiting > 0,
                "{answered} connections have an answer, and not {count}; {waiting} wait for one"
            );
        }
    }

    /// Resets the open connections.
    #[track_caller]
    pub fn leave(&mut self) {
        self.answered.clear();
        for (port, (next, wanted)) in std::mem::take(&mut self.open) {
            self.send(port, RST | ACK, next, wanted, &[]);
        }
    }

    /// Sends a datagram until one comes back.
    ///
    /// # Panics
    /// None does.
    #[track_caller]
    pub fn datagram(&mut self, bytes: &[u8]) -> Vec<u8> {
        let mut message = [ASKING, self.port].map(u16::to_be_bytes).concat();
        // RFC 768: a checksum of zero is none.
        message.extend((8 + bytes.len() as u16).to_be_bytes());
        message.extend([0, 0]);
        message.extend(bytes);
        let mut frame = ethernet(self.hardware, IPV4);
        frame.extend(ipv4(message.len(), UDP));
        frame.extend(message);
        let is_answer =
            |frame: &[u8]| frame.get(23) == Some(&UDP) && frame.get(36..38) == Some(&ASKING.to_be_bytes());
        self.wire.ask(&frame, is_answer)[42..].to_vec()
    }

    /// Sends a segment from one of our ports.
    #[track_caller]
    fn send(&mut self, from: u16, flags: u8, sequence: u32, acknowledgement: u32, bytes: &[u8]) {
        let mut segment = [from, self.port].map(u16::to_be_bytes).concat();
        segment.extend(sequence.to_be_bytes());
        segment.extend(acknowledgement.to_be_bytes());
        // Five words of header, a window of 8 KiB, room for the checksum, nothing urgent.
        segment.extend([0x50, flags, 0x20, 0, 0, 0, 0, 0]);
        segment.extend(bytes);
        let mut summed = [OUR_ADDRESS, ITS_ADDRESS].concat();
        summed.extend([0, TCP]);
        summed.extend((segment.len() as u16).to_be_bytes());
        summed.extend(&segment);
        segment[16..18].copy_from_slice(&checksum(&summed).to_be_bytes());
        let mut frame = ethernet(self.hardware, IPV4);
        frame.extend(ipv4(segment.len(), TCP));
        frame.extend(segment);
        self.wire.send(&frame);
    }

    /// The segment in a frame from the guest.
    fn read(&self, frame: &[u8]) -> Option<Segment> {
        let is_ours = frame.get(12..14)? == IPV4.to_be_bytes()
            && *frame.get(23)? == TCP
            && frame.get(34..36)? == self.port.to_be_bytes();
        let word = |at: usize| Some(u32::from_be_bytes(frame.get(at..at + 4)?.try_into().ok()?));
        let length = usize::from(u16::from_be_bytes([*frame.get(16)?, *frame.get(17)?]));
        let header = usize::from(*frame.get(46)? >> 4) * 4;
        let bytes = frame.get(34 + header..14 + length)?.to_vec();
        let port = word(34)? as u16;
        is_ours.then_some(Segment { port, flags: *frame.get(47)?, sequence: word(38)?, bytes })
    }
}
