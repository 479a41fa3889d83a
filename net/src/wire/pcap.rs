//! A record of a wire in the pcap format, for tcpdump and Wireshark.

use alloc::{rc::Rc, vec::Vec};
use core::cell::RefCell;

use unik_sched::time::Instant;

/// The bytes of a frame that are recorded; longer ones are cut.
const SNAPSHOT: usize = 65535;

/// Records the frames of a wire. Clones share one record.
#[derive(Clone)]
pub struct Tap(Rc<RefCell<Vec<u8>>>);

impl Tap {
    pub(super) fn new() -> Self {
        let mut file = Vec::new();
        // Times in nanoseconds, version 2.4, UTC, Ethernet.
        for word in [0xa1b2_3c4d_u32, 0x0004_0002, 0, 0, SNAPSHOT as u32, 1] {
            file.extend_from_slice(&word.to_le_bytes());
        }
        Tap(Rc::new(RefCell::new(file)))
    }

    pub(super) fn record(&self, now: Instant, frame: &[u8]) {
        let file = &mut *self.0.borrow_mut();
        let nanos = now.as_nanos();
        let (kept, _) = frame.split_at(frame.len().min(SNAPSHOT));
        for word in [nanos / 1_000_000_000, nanos % 1_000_000_000, kept.len() as u64, frame.len() as u64] {
            file.extend_from_slice(&(word as u32).to_le_bytes());
        }
        file.extend_from_slice(kept);
    }

    /// The pcap file so far.
    pub fn file(&self) -> Vec<u8> {
        self.0.borrow().clone()
    }

    /// The recorded frames, with the instants at which they were put onto the wire.
    pub fn frames(&self) -> Vec<(Instant, Vec<u8>)> {
        let file = self.0.borrow();
        let mut frames = Vec::new();
        let mut rest = file.get(24..).unwrap_or_default();
        while let Some((header, after)) = rest.split_first_chunk::<16>() {
            let word = |index: usize| {
                let mut bytes = [0; 4];
                bytes.copy_from_slice(&header[index * 4..index * 4 + 4]);
                u64::from(u32::from_le_bytes(bytes))
            };
            let (frame, after) = after.split_at((word(2) as usize).min(after.len()));
            frames.push((Instant::from_nanos(word(0) * 1_000_000_000 + word(1)), frame.to_vec()));
            rest = after;
        }
        frames
    }
}
