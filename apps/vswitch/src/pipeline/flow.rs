//! A flow entry.

use super::{action::Program, fields::Match};
use alloc::vec::Vec;
use unik_sched::time::Instant;

/// A flow entry.
pub struct Flow {
    /// The controller's own number.
    pub cookie: u64,
    /// When it was made.
    pub created: Instant,
    /// When a frame last matched.
    pub used: Instant,
    /// Frames that matched.
    pub packets: u64,
    /// Their octets.
    pub bytes: u64,
    /// What is done with them.
    pub program: Program,
    /// The values, a word for each that the tuple looks at.
    pub(super) key: Vec<u64>,
    pub(super) hash: u32,
    pub(super) next: u32,
    pub(super) tuple: u16,
    /// Whether it is preferred to others.
    pub priority: u16,
    /// Seconds without a frame after which it ends, or zero.
    pub idle: u16,
    /// Seconds after which it ends, or zero.
    pub hard: u16,
    /// OFPFF_.
    pub flags: u16,
    /// Its table.
    pub table: u8,
}

impl Flow {
    /// Whether it is the entry for all frames that have no other (OpenFlow 1.3.5, 5.4).
    #[inline]
    pub(crate) fn is_table_miss(&self) -> bool {
        self.priority == 0 && self.key.is_empty()
    }
}

/// What is said of an entry to be added.
pub struct NewFlow {
    /// Its table.
    pub table: u8,
    /// Whether it is preferred to others.
    pub priority: u16,
    /// What it wants.
    pub matching: Match,
    /// What it does.
    pub program: Program,
    /// The controller's own number.
    pub cookie: u64,
    /// Seconds without a frame after which it ends, or zero.
    pub idle: u16,
    /// Seconds after which it ends, or zero.
    pub hard: u16,
    /// OFPFF_.
    pub flags: u16,
}
