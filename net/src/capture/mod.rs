//! A copy of all frames that pass a card, while somebody wants one.
//!
//! The frames are copied where they pass ([`crate::link`]), so that the answers of the stack itself are among them:
//! address resolution, echoes, resets. A stack knows its capture only as a [`Witness`]; what stands behind it is not
//! in an image that never captures.

mod ring;

use alloc::{boxed::Box, rc::Rc};
use core::cell::{Cell, RefCell};

use unik_sched::{sync::Event, time::Instant};

use crate::{counters::NetCounters, stack::Shared};
use ring::Ring;

/// Bytes of memory that a capture takes; less where memory is scarce, by halves, but never less than the second.
const MEMORY: usize = 128 * 1024;
const MEMORY_LEAST: usize = 16 * 1024;

/// Which way a frame goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// From the card.
    Received,
    /// To the card.
    Sent,
}

/// A frame that has passed the card.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Captured<'a> {
    /// When.
    pub time: Instant,
    /// Which way it went.
    pub direction: Direction,
    /// Its length in bytes, without a frame check sequence.
    pub length: usize,
    /// Its first bytes, from the destination address on.
    pub bytes: &'a [u8],
}

/// Who is shown the frames of a stack.
pub(crate) trait Witness {
    /// Looks at a frame that passes at `now`.
    fn see(&self, direction: Direction, now: Instant, frame: &[u8]);
}

/// Copies the frames that pass the card of a stack, in both directions; made by [`crate::Net::capture`]. Dropping it
/// ends that and gives the memory back.
pub struct Capture {
    stack: Shared,
    recorder: Rc<Recorder>,
}

/// What the stack and the capture share.
struct Recorder {
    ring: RefCell<Ring>,
    /// Bytes of each frame that are copied.
    length: usize,
    lost: Cell<u64>,
    event: Event,
    counters: Rc<NetCounters>,
}

impl Capture {
    /// The most bytes of a frame that are copied.
    pub const LENGTH_LIMIT: usize = 1536;

    pub(crate) fn begin(stack: &Shared, length: usize, event: Event) -> Option<Self> {
        let link = &mut stack.borrow_mut().link;
        if link.witness.is_some() {
            return None;
        }
        let recorder = Rc::new(Recorder {
            ring: RefCell::new(memory()?),
            length: length.min(Self::LENGTH_LIMIT),
            lost: Cell::new(0),
            event,
            counters: link.counters().clone(),
        });
        link.witness = Some(Box::new(recorder.clone()));
        Some(Capture { stack: stack.clone(), recorder })
    }

    /// Hands out the frames in their order until `visit` returns false: that frame is the first again next time.
    /// Frames that pass during a call of `visit` are lost: it should not send any.
    pub fn read(&mut self, visit: &mut dyn FnMut(&Captured<'_>) -> bool) {
        let ring = &mut *self.recorder.ring.borrow_mut();
        while ring.first().is_some_and(|frame| visit(&frame)) {
            ring.pop();
        }
    }

    /// The number of frames that found no room since the last call.
    pub fn take_lost(&mut self) -> u64 {
        self.recorder.lost.take()
    }
}

impl Drop for Capture {
    fn drop(&mut self) {
        self.stack.borrow_mut().link.witness = None;
    }
}

impl Witness for Rc<Recorder> {
    fn see(&self, direction: Direction, now: Instant, frame: &[u8]) {
        let kept = frame.get(..self.length).unwrap_or(frame);
        let captured = Captured { time: now, direction, length: frame.len(), bytes: kept };
        if self.ring.try_borrow_mut().is_ok_and(|mut ring| ring.push(&captured)) {
            self.counters.captured.increment();
            self.event.set();
        } else {
            self.counters.capture_dropped.increment();
            self.lost.set(self.lost.get() + 1);
        }
    }
}

/// The memory of a capture: as much is left as is taken.
fn memory() -> Option<Ring> {
    let mut size = MEMORY;
    while size >= MEMORY_LEAST {
        if Ring::try_new(2 * size).is_some() {
            return Ring::try_new(size);
        }
        size /= 2;
    }
    None
}
