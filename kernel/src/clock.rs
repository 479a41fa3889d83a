//! Time: nanoseconds since the image's first instruction, and the wall clock.
//!
//! The time stamp counter gives every reading. Its rate comes from the processor or the hypervisor (CPUID leaves 0x15
//! and 0x40000010) or, where both say nothing, from the local APIC's timer, which counts nanoseconds under every
//! hypervisor known here. The window of that measurement is the boot itself: it opens when the APIC is started and
//! closes at the first reading, so that it costs nothing where at least [`WINDOW`] has passed by then; it is closed
//! once more, longer and so more exact, before the processor first sleeps. Time never goes backwards when the rate
//! changes.

use crate::apic::LocalApic;
use crate::layout;
use crate::rate::Rate;
use core::arch::x86_64::{__cpuid, _rdtsc};
use core::time::Duration;
use spin::Mutex;

/// Shortest window to measure the rate in, in nanoseconds.
const WINDOW: u32 = 50_000;

struct Clock {
    /// A reading of the counter, and the time it stood for.
    base: (u64, u64),
    rate: Rate,
    /// Counter when the APIC timer was started, as long as the rate is still to be measured.
    window: Option<u64>,
    measured: bool,
}

static CLOCK: Mutex<Clock> =
    Mutex::new(Clock { base: (0, 0), rate: Rate::GIGAHERTZ, window: None, measured: true });

/// Starts the clock at the entry's time stamp. The APIC timer has just been started.
pub(crate) fn start() {
    let mut clock = CLOCK.lock();
    clock.base = (layout::entry_ticks(), 0);
    match rate_told() {
        Some(rate) => clock.rate = rate,
        None => {
            clock.window = Some(ticks());
            clock.measured = false;
        }
    }
}

/// Nanoseconds since the image's first instruction; never goes backwards.
pub fn now() -> u64 {
    let mut clock = CLOCK.lock();
    if !clock.measured {
        clock.measure();
    }
    clock.at(ticks())
}

/// Closes the long window, before the processor sleeps for the first time.
pub(crate) fn refine() {
    let mut clock = CLOCK.lock();
    if clock.window.is_some() {
        clock.measure();
        clock.window = None;
    }
}

/// Time since the Unix epoch by the machine's real-time clock, exact to a second. `None` where there is none.
pub fn wall() -> Option<Duration> {
    static READ: Mutex<Option<(u64, u64)>> = Mutex::new(None);
    let now = now();
    let mut read = READ.lock();
    if read.is_none() {
        *read = crate::rtc::read().map(|seconds| (seconds, now));
    }
    let (seconds, then) = (*read)?;
    Some(Duration::from_secs(seconds) + Duration::from_nanos(now.saturating_sub(then)))
}

impl Clock {
    fn at(&self, ticks: u64) -> u64 {
        self.base.1 + self.rate.nanoseconds(ticks.saturating_sub(self.base.0))
    }

    fn measure(&mut self) {
        let Some(mut opened) = self.window else { return };
        let apic = LocalApic::started();
        let elapsed = loop {
            match apic.elapsed() {
                Some(elapsed) if elapsed >= WINDOW => break elapsed,
                Some(_) => {}
                // The long window stayed open for too long: what was measured in the short one stays.
                None if self.measured => return,
                None => {
                    opened = ticks();
                    apic.count();
                }
            }
        };
        let ticks = ticks();
        if let Some(rate) = Rate::measured(ticks.saturating_sub(opened), u64::from(elapsed)) {
            if self.measured {
                self.base = (ticks, self.at(ticks));
            }
            self.rate = rate;
        }
        self.measured = true;
    }
}

/// The time stamp counter.
fn ticks() -> u64 {
    // SAFETY: every x86-64 processor has the instruction, and nothing here forbids it.
    unsafe { _rdtsc() }
}

/// The counter's rate where processor or hypervisor tell it.
fn rate_told() -> Option<Rate> {
    const HYPERVISOR: u32 = 0x4000_0000;
    const HYPERVISOR_TIMING: u32 = 0x4000_0010;
    const CRYSTAL: u32 = 0x15;
    if (HYPERVISOR_TIMING..HYPERVISOR + 0x100).contains(&__cpuid(HYPERVISOR).eax) {
        return Rate::from_kilohertz(__cpuid(HYPERVISOR_TIMING).eax);
    }
    if __cpuid(0).eax < CRYSTAL {
        return None;
    }
    // Intel SDM 2A, CPUID: counter = crystal (ECX, in Hz) * EBX / EAX.
    let leaf = __cpuid(CRYSTAL);
    let hertz = (u64::from(leaf.ecx) * u64::from(leaf.ebx)).checked_div(u64::from(leaf.eax))?;
    Rate::from_kilohertz(u32::try_from(hertz / 1_000).ok()?)
}
