//! A simulated wire with two ends, for tests and experiments in virtual time.
//!
//! Each [`End`] is a [`Nic`]. Frames travel with a delay and, by seed, get lost, are doubled, overtake each other or come
//! with a bit flipped, as [`Conditions`] say; the same seed gives the same wire. A [`Tap`] records what is put onto the wire as a pcap file.
//! Spawn [`Wire::run`] as a task: it announces frames to their end when they are due.

mod end;
mod pcap;
mod random;

pub use end::{End, Wire, WireCounters};
pub use pcap::Tap;
pub use random::numbers;

use alloc::rc::Rc;
use core::cell::RefCell;

use unik_sched::time::{Duration, Time};

/// How a wire treats frames, the same in both directions.
#[derive(Clone, Copy)]
pub struct Conditions {
    /// From being sent to being received.
    pub delay: Duration,
    /// Frames lost of 1000.
    pub loss: u32,
    /// Frames doubled of 1000.
    pub duplication: u32,
    /// Frames of 1000 that take [`Conditions::lateness`] longer, so that later ones overtake them.
    pub reordering: u32,
    /// How much longer a reordered frame takes.
    pub lateness: Duration,
    /// Frames of 1000 that arrive with one bit flipped, anywhere in them. An ARP frame is lost instead: no checksum of
    /// its own protects it, only that of Ethernet, which this wire does not have.
    pub corruption: u32,
    /// Time that each frame occupies the wire: the bandwidth in frames. Zero does not limit it.
    pub interval: Duration,
    /// Frames that wait at an end for their turn on the wire before it refuses more.
    pub queue: usize,
    /// The largest IP packet in bytes.
    pub mtu: usize,
}

impl Default for Conditions {
    /// A quick and faithful wire: 50 microseconds, no loss.
    fn default() -> Self {
        Conditions {
            delay: Duration::from_micros(50),
            loss: 0,
            duplication: 0,
            reordering: 0,
            lateness: Duration::from_millis(5),
            corruption: 0,
            interval: Duration::ZERO,
            queue: 64,
            mtu: 1500,
        }
    }
}

/// A wire with its two ends.
pub fn wire(time: &Time, conditions: Conditions, seed: u64) -> (End, End, Wire) {
    let shared = Rc::new(RefCell::new(end::Shared::new(conditions, seed)));
    let end = |side| End::new(shared.clone(), time.clone(), side);
    (end(0), end(1), Wire::new(shared.clone(), time.clone()))
}
