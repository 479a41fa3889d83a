//! Time: nanoseconds since the image's first instruction, and the wall clock.
//!
//! The time stamp counter gives every reading. Its rate comes from the hypervisor (KVM's clock, or CPUID leaf 0x40000010)
//! or the processor (leaf 0x15; leaf 0x16 is no rate of the counter) or, where all say nothing, from the local APIC's
//! timer, which counts nanoseconds under every hypervisor known here. The window of that measurement is the boot itself:
//! it opens when the APIC is started and closes at the first reading, so that it costs nothing where at least [`WINDOW`]
//! has passed by then; it is closed once more, longer and so more exact, before the processor first sleeps. Time never
//! goes backwards when the rate changes.

use crate::apic::LocalApic;
use crate::rate::Rate;
use crate::timeline::{Anchor, Timeline};
use crate::{layout, pvclock, rtc};
use core::arch::x86_64::{__cpuid, _rdtsc};
use core::sync::atomic::{AtomicBool, Ordering};
use core::time::Duration;
use spin::{Mutex, MutexGuard};

/// Shortest window to measure the rate in, in nanoseconds.
const WINDOW: u32 = 50_000;

struct Clock {
    timeline: Timeline,
    /// Counter when the APIC timer was started, as long as the rate is still to be measured.
    window: Option<u64>,
    unmeasured: bool,
}

static CLOCK: Mutex<Clock> =
    Mutex::new(Clock { timeline: Timeline::new(0, Rate::STOPPED), window: None, unmeasured: false });

/// The long window is open.
static IS_ROUGH: AtomicBool = AtomicBool::new(false);

/// Starts the clock at the entry's time stamp. The APIC timer has just been started.
pub(crate) fn start() {
    let mut clock = clock();
    let told = rate_told();
    clock.timeline = Timeline::new(layout::entry_ticks(), told.unwrap_or(Rate::GIGAHERTZ));
    if told.is_none() {
        clock.window = Some(ticks());
        clock.unmeasured = true;
        IS_ROUGH.store(true, Ordering::Relaxed);
    }
}

/// Nanoseconds since the image's first instruction; never goes backwards.
#[inline]
pub fn now() -> u64 {
    let mut clock = CLOCK.lock();
    if clock.unmeasured {
        clock.measure();
    }
    clock.timeline.read(ticks())
}

/// Closes the long window, before the processor sleeps for the first time.
pub(crate) fn refine() {
    if IS_ROUGH.swap(false, Ordering::Relaxed) {
        let mut clock = clock();
        clock.measure();
        clock.window = None;
    }
}

/// Time since the Unix epoch: by KVM's clock, or by the machine's real-time clock, which is exact to a second. It is read
/// once; from there on it goes with [`now`]. `None` where there is neither.
pub fn wall() -> Option<Duration> {
    static DATE: Mutex<Option<Anchor>> = Mutex::new(None);
    let now = now();
    let mut date = DATE.lock();
    if date.is_none() {
        let read = pvclock::date_now().or_else(|| rtc::read().map(Duration::from_secs));
        *date = read.map(|since_epoch| Anchor::new(now, since_epoch));
    }
    Some((*date)?.at(now))
}

/// The clock, locked. Where it is not read all the time, one copy of the lock's loop is enough.
#[inline(never)]
fn clock() -> MutexGuard<'static, Clock> {
    CLOCK.lock()
}

impl Clock {
    fn measure(&mut self) {
        let Some(mut opened) = self.window else { return };
        let apic = LocalApic::started();
        let elapsed = loop {
            match apic.elapsed() {
                Some(elapsed) if elapsed >= WINDOW => break elapsed,
                Some(_) => {}
                // The long window stayed open for too long: what was measured in the short one stays.
                None if !self.unmeasured => return,
                None => {
                    opened = ticks();
                    apic.count();
                }
            }
        };
        let ticks = ticks();
        if let Some(rate) = Rate::measured(ticks.saturating_sub(opened), u64::from(elapsed)) {
            // The first rate holds from the start on: nobody has read the time yet.
            let from = if self.unmeasured { layout::entry_ticks() } else { ticks };
            self.timeline.change_rate(from, rate);
        }
        self.unmeasured = false;
    }
}

/// The time stamp counter.
pub(crate) fn ticks() -> u64 {
    // SAFETY: every x86-64 processor has the instruction, and nothing here forbids it.
    unsafe { _rdtsc() }
}

/// The counter's rate where hypervisor or processor tell it.
fn rate_told() -> Option<Rate> {
    const HYPERVISOR: u32 = 0x4000_0000;
    const HYPERVISOR_TIMING: u32 = 0x4000_0010;
    const CRYSTAL: u32 = 0x15;
    let hypervisor = __cpuid(HYPERVISOR);
    if let Some(rate) = pvclock::rate_told(&hypervisor) {
        return Some(rate);
    }
    let hertz = if (HYPERVISOR_TIMING..HYPERVISOR + 0x100).contains(&hypervisor.eax) {
        u64::from(__cpuid(HYPERVISOR_TIMING).eax) * 1_000
    } else if __cpuid(0).eax >= CRYSTAL {
        // Intel SDM 2A, CPUID: counter = crystal (ECX, in Hz) * EBX / EAX.
        let leaf = __cpuid(CRYSTAL);
        (u64::from(leaf.ecx) * u64::from(leaf.ebx)).checked_div(u64::from(leaf.eax))?
    } else {
        return None;
    };
    Rate::measured(hertz, 1_000_000_000)
}
