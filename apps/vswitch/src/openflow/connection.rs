//! One controller: the octets that come from it and go to it, what was agreed with it, and what it wants to be told.

use super::{V1_0, V1_3, multipart::Dump};
use alloc::vec::Vec;

/// Octets that wait to be sent, beyond which no more are read.
const HIGH: usize = 128 << 10;
/// Octets that wait to be sent, beyond which events are lost.
const HIGHEST: usize = 512 << 10;

/// What a controller may do (OFPCR_ROLE_).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Role {
    /// As all others.
    #[default]
    Equal = 1,
    /// The only one that changes anything.
    Master = 2,
    /// It reads.
    Slave = 3,
}

impl Role {
    pub(crate) fn new(number: u32) -> Option<Role> {
        [Role::Equal, Role::Master, Role::Slave].get((number as usize).checked_sub(1)?).copied()
    }
}

/// What asynchronous messages it gets: for each reason a bit, as equal or master, and as slave.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Wants(pub(crate) [u32; 6]);

impl Default for Wants {
    fn default() -> Wants {
        Wants([0b111, 0, 0b111, 0b111, 0b1111, 0])
    }
}

/// The kinds of asynchronous messages, in the order in which they are configured.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Event {
    PacketIn = 0,
    PortStatus = 2,
    FlowRemoved = 4,
}

/// A controller.
#[derive(Default)]
pub(crate) struct Connection {
    /// The version that was agreed on, or zero before that.
    pub(crate) version: u8,
    pub(crate) role: Role,
    pub(crate) wants: Wants,
    /// Octets of a frame that it gets where nothing else says so.
    pub(crate) miss_send_len: u16,
    pub(crate) input: Vec<u8>,
    pub(crate) output: Vec<u8>,
    /// Octets at the start of `output` that were taken.
    pub(crate) taken: usize,
    /// A reply that is not finished.
    pub(crate) dump: Option<Dump>,
    /// Nothing more comes over it.
    pub(crate) is_hushed: bool,
    /// It is to be closed when all is sent.
    pub(crate) is_over: bool,
}

impl Connection {
    /// Whether the protocol has begun.
    pub(crate) fn is_open(&self) -> bool {
        self.version != 0 && !self.is_over
    }

    /// Octets that wait.
    pub(crate) fn waiting(&self) -> &[u8] {
        self.output.get(self.taken..).unwrap_or_default()
    }

    /// Whether so much waits that nothing more is read.
    pub(crate) fn is_busy(&self) -> bool {
        self.output.len() - self.taken > HIGH
    }

    /// Whether it is told of an event. One from which nothing more comes gets none.
    pub(crate) fn is_told(&self, event: Event, reason: u32) -> bool {
        let at = event as usize + usize::from(self.role == Role::Slave);
        let wanted = self.wants.0.get(at).copied().unwrap_or(0);
        // OpenFlow 1.0 knows no such configuration.
        let is_wanted = self.version == V1_0 || wanted >> reason & 1 != 0;
        self.is_open() && !self.is_hushed && is_wanted
    }

    /// Whether there is room for one more event.
    pub(crate) fn has_room(&self) -> bool {
        self.output.len() - self.taken < HIGHEST
    }

    /// Forgets what was taken.
    pub(crate) fn take(&mut self, count: usize) {
        self.taken = (self.taken + count).min(self.output.len());
        if self.taken == self.output.len() {
            self.output.clear();
            self.taken = 0;
        } else if self.taken > HIGH {
            self.output.drain(..self.taken);
            self.taken = 0;
        }
    }
}

/// The version that both sides speak, from what the other one says of itself: a number, and perhaps all of them as bits.
pub(crate) fn agree(offered: u32, version: u8, bitmap: Option<u32>) -> Option<u8> {
    let theirs = bitmap.unwrap_or(match version {
        // OpenFlow 1.3.5, 6.3.1: the lower one of the two highest is spoken. Of ours, the highest may be in between.
        0 => 0,
        1..=3 => 1 << version,
        _ => 1 << V1_3,
    });
    [V1_3, V1_0].into_iter().find(|version| theirs & offered & 1 << version != 0)
}
