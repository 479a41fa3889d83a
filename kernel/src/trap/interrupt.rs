//! Lines: who has interrupted, and waiting for the next.

use crate::apic::LocalApic;
use core::sync::atomic::{AtomicBool, AtomicU8, Ordering};

/// How many lines there are: the timer, the log and the devices.
pub const LINES: usize = 32;

/// The line of the timer.
const TIMER: usize = 0;

/// One byte a line, set by the stubs.
pub(super) static PENDING: [AtomicU8; LINES] = [const { AtomicU8::new(0) }; LINES];
/// Set by every stub, so that an idle look costs one load.
pub(super) static ANY: AtomicU8 = AtomicU8::new(0);

static NEXT: AtomicU8 = AtomicU8::new(Line::LOG.0 + 1);
static ARMED: AtomicBool = AtomicBool::new(false);

/// An interrupt line: of a device, or of the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Line(u8);

impl Line {
    /// The line that the log raises when it has a new record.
    pub const LOG: Self = Self(TIMER as u8 + 1);

    /// Makes it as if a device had interrupted on this line.
    pub(crate) fn raise(self) {
        if let Some(byte) = PENDING.get(self.number()) {
            byte.store(1, Ordering::Relaxed);
            ANY.store(1, Ordering::Relaxed);
        }
    }

    /// A line that no device has yet. `None` when all are taken.
    pub(crate) fn take_next() -> Option<Self> {
        let number = NEXT.load(Ordering::Relaxed);
        (usize::from(number) < LINES).then(|| {
            NEXT.store(number + 1, Ordering::Relaxed);
            Self(number)
        })
    }

    /// The interrupt vector of this line.
    pub(crate) fn vector(self) -> u8 {
        super::FIRST_LINE_VECTOR + self.0
    }

    /// The line's number, below [`LINES`].
    pub fn number(self) -> usize {
        usize::from(self.0)
    }
}

/// Takes interrupts that have arrived and calls `pending` for each device line among them.
pub fn poll(mut pending: impl FnMut(Line)) {
    // The processor takes interrupts behind the instruction that follows `sti` (Intel SDM 2B, STI).
    // SAFETY: the stubs change nothing but the pending bytes and the APIC.
    unsafe { core::arch::asm!("sti", "nop", "cli", options(nostack)) };
    if ANY.swap(0, Ordering::Relaxed) == 0 {
        return;
    }
    for (number, byte) in PENDING.iter().enumerate() {
        if byte.load(Ordering::Relaxed) != 0 {
            byte.store(0, Ordering::Relaxed);
            if number != TIMER {
                pending(Line(number as u8));
            }
        }
    }
}

/// Sleeps until an interrupt arrives or `deadline`, in nanoseconds of [`crate::clock::now`], has passed. Returns early
/// at times; afterwards [`poll`] tells why.
pub fn wait(deadline: Option<u64>) {
    if ANY.load(Ordering::Relaxed) != 0 {
        return;
    }
    crate::clock::refine();
    let apic = LocalApic::started();
    match deadline {
        Some(deadline) => {
            let now = crate::clock::now();
            if deadline <= now {
                return;
            }
            // Beyond four seconds the timer wakes once on the way, and the caller sleeps again.
            let ticks = u32::try_from(deadline - now).unwrap_or(u32::MAX);
            apic.arm(super::FIRST_LINE_VECTOR + TIMER as u8, ticks);
            ARMED.store(true, Ordering::Relaxed);
        }
        None if ARMED.swap(false, Ordering::Relaxed) => apic.disarm(),
        None => {}
    }
    // An interrupt cannot slip in between: `sti` takes effect behind `hlt`.
    // SAFETY: as in `poll`.
    unsafe { core::arch::asm!("sti", "hlt", "cli", options(nostack)) };
}
