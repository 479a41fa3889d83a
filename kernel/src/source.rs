//! Where lines come from: messages, pins, and pins that devices share.
//!
//! Whoever polls lines hands each to [`attend`], which finds the devices behind it and keeps a line quiet that storms. Pins
//! are edge-triggered, and a pin that devices share stays up until all of them are acknowledged. So they are acknowledged
//! here, together, until in one round none has anything to say: a device that speaks up later makes a new edge.

use crate::trap::interrupt::{LINES, Line};
use crate::{apic, clock};
use core::ptr::NonNull;
use core::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use spin::Mutex;

/// A line that is raised so often between two looks storms: drivers ask for one interrupt at a time, and a device has a
/// handful of queues.
const STORM: u32 = 16;
/// Rounds in which the devices on a pin are acknowledged.
const ROUNDS: usize = 8;
/// How long a line that storms is kept quiet, in nanoseconds. Its device is looked at that often.
const PAUSE: u64 = 10_000_000;
/// The least time between two words about it.
const SILENCE: u64 = 1_000_000_000;

/// What raises a line.
#[derive(Clone, Copy)]
pub(crate) enum Source {
    /// Nothing that can be masked: software, or no device at all.
    Unknown,
    /// The message of an MSI-X entry, whose last word is at this address, mapped for ever.
    Message(NonNull<u32>),
    /// A pin of the I/O APICs, by its global number.
    Pin(u32),
    /// A device behind the pin of another line, and its interrupt status, mapped for ever: a byte that reading clears.
    Shared(Line, NonNull<u8>),
}

/// The sources of all lines.
struct Sources([Source; LINES]);

// SAFETY: the addresses are those of device registers, which have no thread.
unsafe impl Send for Sources {}

static SOURCES: Mutex<Sources> = Mutex::new(Sources([Source::Unknown; LINES]));
/// Whether devices share any.
static ARE_SHARED: AtomicBool = AtomicBool::new(false);
static STORMS: AtomicU64 = AtomicU64::new(0);
/// When something was last said.
static SAID: AtomicU64 = AtomicU64::new(0);

/// Remembers what raises `line`.
pub(crate) fn set(line: Line, source: Source) {
    let mut sources = SOURCES.lock();
    if matches!(source, Source::Shared(..)) {
        ARE_SHARED.store(true, Ordering::Relaxed);
    }
    if let Some(slot) = sources.0.get_mut(line.number()) {
        *slot = source;
    }
}

/// The line of a pin that devices share, if there is one already.
pub(crate) fn line_of_pin(number: u32) -> Option<Line> {
    let sources = SOURCES.lock();
    sources.0.iter().find_map(|source| match *source {
        Source::Shared(line, _) => {
            let pin = sources.0.get(line.number())?;
            matches!(pin, Source::Pin(its) if *its == number).then_some(line)
        }
        _ => None,
    })
}

/// Calls `tell` with the line of each device that may have news, after `line` was raised so many times: what
/// [`poll`](crate::interrupt::poll) tells. True if there is such a device and it knew that it had.
#[inline]
pub fn attend(line: Line, times: u32, tell: &mut dyn FnMut(Line) -> bool) -> bool {
    let is_plain = (1..STORM).contains(&times) && !ARE_SHARED.load(Ordering::Relaxed);
    if is_plain { tell(line) } else { attend_closely(line, times, tell) }
}

/// The same for a line that storms or did, or may be a pin that devices share.
#[cold]
#[inline(never)]
fn attend_closely(line: Line, times: u32, tell: &mut dyn FnMut(Line) -> bool) -> bool {
    let sources = SOURCES.lock();
    let source = sources.0.get(line.number()).copied().unwrap_or(Source::Unknown);
    if times == 0 {
        mask(source, false);
    }
    let mut is_claimed = tell(line);
    let mut is_quiet = true;
    if matches!(source, Source::Pin(_)) {
        is_quiet = (0..ROUNDS).any(|_| {
            let mut found = false;
            for (number, source) in sources.0.iter().enumerate() {
                if let Source::Shared(pin, status) = *source
                    && pin == line
                    // SAFETY: the register is mapped for ever; reading it makes the device take its pin down and no more.
                    && unsafe { status.read_volatile() } != 0
                {
                    found = true;
                    tell(Line::of(number));
                }
            }
            is_claimed |= found;
            !found
        });
    }
    if times >= STORM || !is_quiet {
        calm(line, source);
    }
    is_claimed
}

/// Keeps a line quiet for a while, and says so now and then.
#[cold]
#[inline(never)]
fn calm(line: Line, source: Source) {
    let now = clock::now();
    mask(source, true);
    line.hold(now + PAUSE);
    let storms = STORMS.load(Ordering::Relaxed) + 1;
    STORMS.store(storms, Ordering::Relaxed);
    let said = SAID.load(Ordering::Relaxed);
    if said == 0 || now - said > SILENCE {
        SAID.store(now, Ordering::Relaxed);
        log::warn!("interrupt line {} storms: its device is looked at every 10 ms", line.number());
    }
}

fn mask(source: Source, is_masked: bool) {
    match source {
        Source::Pin(number) => apic::mask(number, is_masked),
        // SAFETY: the word is mapped for ever, and has this bit and no other (PCI 3.0, 6.8.2.9).
        Source::Message(control) => unsafe { control.write_volatile(is_masked.into()) },
        Source::Unknown | Source::Shared(..) => {}
    }
}

/// Calls `visit` with the name and the value of each thing that is counted here.
pub fn visit_counters(visit: &mut dyn FnMut(&'static str, u64)) {
    visit("storms", STORMS.load(Ordering::Relaxed));
}
