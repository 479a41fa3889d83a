//! Lines: who has interrupted, and waiting for the next.
//!
//! The stubs count; [`poll`] takes the counts. An interrupt ends the window that let it in, and windows are opened a bounded
//! number of times in a row, so a line that is raised without end costs time and no more.
//! [`source`](crate::source) keeps such a line quiet for a while.

use crate::apic::LocalApic;
use core::sync::atomic::{AtomicBool, AtomicU8, AtomicU32, AtomicU64, Ordering};

/// How many lines there are: the timer, the log and the devices.
pub const LINES: usize = 32;

/// The line of the timer.
const TIMER: usize = 0;

/// Windows for interrupts that are opened in one look.
const WINDOWS: usize = 64;

/// How often each line was raised since the last look: the stubs count.
pub(super) static PENDING: [AtomicU32; LINES] = [const { AtomicU32::new(0) }; LINES];
/// Lines that were raised since the last look, one bit each, so that an idle look costs one load.
pub(super) static ANY: AtomicU32 = AtomicU32::new(0);
/// Interrupts that were no line's.
pub(super) static STRAY: AtomicU32 = AtomicU32::new(0);

/// Interrupts of lines without a device, and those of devices.
static TAKEN: [AtomicU64; 2] = [const { AtomicU64::new(0) }; 2];

/// Lines that are kept quiet, one bit each, and until when; for ever where there are none.
static HELD: AtomicU32 = AtomicU32::new(0);
static HELD_UNTIL: AtomicU64 = AtomicU64::new(u64::MAX);

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
        if let Some(count) = PENDING.get(self.number()) {
            count.store(1, Ordering::Relaxed);
            ANY.fetch_or(1 << self.0, Ordering::Relaxed);
        }
    }

    /// Has [`poll`] tell of this line once more when `until` has come, in nanoseconds of [`crate::clock::now`].
    pub(crate) fn hold(self, until: u64) {
        HELD.store(HELD.load(Ordering::Relaxed) | 1 << self.0, Ordering::Relaxed);
        HELD_UNTIL.store(until, Ordering::Relaxed);
    }

    /// A line that no device has yet. `None` when all are taken.
    pub(crate) fn take_next() -> Option<Self> {
        let number = NEXT.load(Ordering::Relaxed);
        (usize::from(number) < LINES).then(|| {
            NEXT.store(number + 1, Ordering::Relaxed);
            Self(number)
        })
    }

    /// The line of a number.
    pub(crate) fn of(number: usize) -> Self {
        Self(number as u8)
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

/// Takes interrupts that have arrived and calls `pending` for each line among them, but the timer's, with the number of times
/// that it was raised: zero for a line that was kept quiet and is to be so no longer. It returns whether there is a device
/// behind the line.
pub fn poll(mut pending: impl FnMut(Line, u32) -> bool) {
    let mut raised = 0;
    for _ in 0..WINDOWS {
        // The processor takes interrupts behind the instruction that follows `sti` (Intel SDM 2B, STI).
        // SAFETY: the stubs change nothing but the counts and the APIC.
        unsafe { core::arch::asm!("sti", "nop", "cli", options(nostack)) };
        match ANY.swap(0, Ordering::Relaxed) {
            0 => break,
            lines => raised |= lines,
        }
    }
    let released = released();
    let mut lines = (raised | released) & !(1 << TIMER);
    while lines != 0 {
        let number = lines.trailing_zeros() as usize;
        lines &= lines - 1;
        let Some(count) = PENDING.get(number) else { return };
        let times = count.swap(0, Ordering::Relaxed);
        let is_released = released >> number & 1 != 0;
        let is_claimed = pending(Line::of(number), if is_released { 0 } else { times });
        let taken = &TAKEN[usize::from(is_claimed)];
        taken.store(taken.load(Ordering::Relaxed) + u64::from(times), Ordering::Relaxed);
    }
}

/// The lines that were kept quiet until now.
fn released() -> u32 {
    let until = HELD_UNTIL.load(Ordering::Relaxed);
    if until == u64::MAX || crate::clock::now() < until {
        return 0;
    }
    HELD_UNTIL.store(u64::MAX, Ordering::Relaxed);
    HELD.swap(0, Ordering::Relaxed)
}

/// Calls `visit` with the name and the value of each thing that is counted here.
pub fn visit_counters(visit: &mut dyn FnMut(&'static str, u64)) {
    let [unclaimed, taken] = &TAKEN;
    visit("taken", taken.load(Ordering::Relaxed));
    visit("spurious", unclaimed.load(Ordering::Relaxed) + u64::from(STRAY.load(Ordering::Relaxed)));
}

/// Sleeps until an interrupt arrives or `deadline`, in nanoseconds of [`crate::clock::now`], has passed. Returns early
/// at times; afterwards [`poll`] tells why.
pub fn wait(deadline: Option<u64>) {
    if ANY.load(Ordering::Relaxed) != 0 {
        return;
    }
    let held = HELD_UNTIL.load(Ordering::Relaxed);
    let deadline = Some(deadline.unwrap_or(u64::MAX).min(held)).filter(|deadline| *deadline != u64::MAX);
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
