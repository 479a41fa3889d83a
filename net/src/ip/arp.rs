//! Address resolution for IPv4 over Ethernet (RFC 826).

use crate::{
    glance::{ETHERNET, sender},
    ip::address::Address,
    ip::neighbor::Hardware,
    stack::Stack,
};
use unik_sched::time::Instant;

/// Bytes of a frame with a packet of it.
pub(crate) const FRAME: usize = ETHERNET + 28;

/// Operations.
const QUESTION: u8 = 1;
const ANSWER: u8 = 2;

/// A packet to all, but for its operation and its addresses.
const PACKET: [u8; FRAME] = [
    0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0, 0, 0, 0x08, 0x06, // to all, from, ARP
    0, 1, 0x08, 0x00, 6, 4, 0, 0, // Ethernet, IPv4, lengths of their addresses, operation
    0, 0, 0, 0, 0, 0, 0, 0, 0, 0, // the sender's addresses
    0, 0, 0, 0, 0, 0, 0, 0, 0, 0, // the target's addresses
];

/// The question of a host who has `target`.
pub(crate) fn question(hardware: Hardware, source: [u8; 4], target: [u8; 4]) -> [u8; FRAME] {
    let mut frame = PACKET;
    frame[6..12].copy_from_slice(&hardware);
    frame[21] = QUESTION;
    frame[22..28].copy_from_slice(&hardware);
    frame[28..32].copy_from_slice(&source);
    frame[38..42].copy_from_slice(&target);
    frame
}

/// The answer to a question in a frame, for whoever has the `hardware` address.
fn answer(question: &[u8; FRAME], hardware: Hardware) -> [u8; FRAME] {
    let mut frame = PACKET;
    frame[..6].copy_from_slice(&question[22..28]);
    frame[6..12].copy_from_slice(&hardware);
    frame[21] = ANSWER;
    frame[22..28].copy_from_slice(&hardware);
    frame[28..32].copy_from_slice(&question[38..42]);
    frame[32..42].copy_from_slice(&question[22..32]);
    frame
}

impl Stack {
    /// Handles a packet of ARP, which the gate has let in.
    #[inline(never)]
    pub(crate) fn hear_resolution(&mut self, now: Instant) {
        let Some(packet) = self.link.frame().and_then(|frame| frame.first_chunk::<FRAME>()).copied() else {
            return;
        };
        self.link.ignore();
        let hardware = sender::<16>(packet[16..].first_chunk().unwrap_or(&[0; 16]));
        let source = Address::v4([packet[28], packet[29], packet[30], packet[31]]);
        if packet[21] == ANSWER {
            if !self.link.neighbors.answered(&source, hardware, now) {
                self.counters.neighbor_unasked.increment();
            }
            return;
        }
        // Whoever asks is about to speak (RFC 826), if it is on the link and has an address at all (RFC 5227, 2.1.1).
        if self.link.routes.next_hop(&source) == Some(source) {
            self.link.neighbors.learn(&source, hardware, now);
        }
        self.link.send_reply(&answer(&packet, self.link.host.hardware));
    }
}
