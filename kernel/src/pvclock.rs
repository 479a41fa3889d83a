//! The clock that KVM offers to its guests, read once for the rate of the time stamp counter and once for the date.
//!
//! KVM fills a structure in the guest's memory when a model-specific register is written; what it means is in Linux,
//! Documentation/virt/kvm/x86/msr.rst. Nothing is left switched on: time itself is always counter times rate.

use crate::rate::Rate;
use core::time::Duration;

/// 32-bit words of the structure that tells how the counter becomes time (`pvclock_vcpu_time_info`).
pub const TIME_WORDS: usize = 8;
/// 32-bit words of the structure that tells the date (`pvclock_wall_clock`).
pub const DATE_WORDS: usize = 3;

/// Flag of the time structure: the counter runs alike on all processors and never jumps.
const STABLE: u32 = 1;

/// Reads a structure whose first word is its version: odd while it is written, zero before that, another one afterwards.
/// `None` where the reading was not whole. It is not tried again: KVM writes before the processor goes on.
pub fn whole<const N: usize>(word: impl Fn(usize) -> u32) -> Option<[u32; N]> {
    let words: [u32; N] = core::array::from_fn(&word);
    let version = *words.first()?;
    (version != 0 && version & 1 == 0 && version == word(0)).then_some(words)
}

/// The rate of the counter, if the hypervisor calls the counter stable and the rate is no absurd one.
pub fn rate(time: &[u32; TIME_WORDS]) -> Option<Rate> {
    let [_, _, _, _, _, _, multiplier, shift_and_flags] = *time;
    let [shift, flags, ..] = shift_and_flags.to_le_bytes();
    if u32::from(flags) & STABLE == 0 {
        return None;
    }
    Rate::from_multiplier(multiplier, i8::from_le_bytes([shift]))
}

/// The date when the counter shows `ticks`, as time since the Unix epoch. `None` where the structures say nothing that
/// can be a date.
pub fn date(time: &[u32; TIME_WORDS], date: &[u32; DATE_WORDS], ticks: u64) -> Option<Duration> {
    let [_, _, then_low, then_high, system_low, system_high, ..] = *time;
    let wide = |low, high| u64::from(high) << 32 | u64::from(low);
    let elapsed = rate(time)?.nanoseconds(ticks.saturating_sub(wide(then_low, then_high)));
    // The date is that of the moment when the system time was zero.
    let [_, seconds, nanoseconds] = *date;
    if seconds == 0 || nanoseconds >= 1_000_000_000 {
        return None;
    }
    let start = Duration::new(seconds.into(), nanoseconds);
    start.checked_add(Duration::from_nanos(wide(system_low, system_high).checked_add(elapsed)?))
}

#[cfg(target_os = "none")]
pub(crate) use hardware::{date_now, rate_told};

#[cfg(target_os = "none")]
mod hardware {
    use super::{TIME_WORDS, date, rate, whole};
    use crate::clock::ticks;
    use crate::rate::Rate;
    use core::arch::x86_64::{__cpuid, CpuidResult};
    use core::cell::UnsafeCell;
    use core::time::Duration;
    use x86_64::registers::model_specific::Msr;

    const DATE: u32 = 0x4b56_4d00;
    const TIME: u32 = 0x4b56_4d01;
    /// Bit of the time structure's address: keep it up to date.
    const ENABLE: u64 = 1;

    /// Where KVM writes; it stays where it is for as long as the image runs, and lies in one page.
    #[repr(align(64))]
    struct Shared(UnsafeCell<[u32; TIME_WORDS]>);

    // SAFETY: there is one processor; the words are only read and written whole, and volatile.
    unsafe impl Sync for Shared {}

    static SHARED: Shared = Shared(UnsafeCell::new([0; TIME_WORDS]));

    /// The rate of the time stamp counter, if CPUID leaf 0x40000000 is KVM's.
    pub(crate) fn rate_told(hypervisor: &CpuidResult) -> Option<Rate> {
        rate(&time(hypervisor)?)
    }

    /// The date of this moment.
    pub(crate) fn date_now() -> Option<Duration> {
        let time = time(&__cpuid(0x4000_0000))?;
        date(&time, &ask(DATE, 0)?, ticks())
    }

    /// The time structure, where the hypervisor is KVM and offers one whose flags can be trusted.
    fn time(hypervisor: &CpuidResult) -> Option<[u32; TIME_WORDS]> {
        // The registers from 0x4b564d00 on, and the flag that the counter is stable (cpuid.rst).
        const FEATURES: u32 = 1 << 3 | 1 << 24;
        // "KVMKVMKVM"
        let is_kvm = [hypervisor.ebx, hypervisor.ecx, hypervisor.edx] == [0x4b4d_564b, 0x564b_4d56, 0x4d];
        if !is_kvm || __cpuid(0x4000_0001).eax & FEATURES != FEATURES {
            return None;
        }
        let time = ask(TIME, ENABLE);
        write(TIME, 0);
        time
    }

    /// Has KVM fill the memory, and reads it.
    fn ask<const N: usize>(register: u32, flags: u64) -> Option<[u32; N]> {
        let words = SHARED.0.get().cast::<u32>();
        // SAFETY: the first word of the static, which nobody has a reference to.
        unsafe { words.write_volatile(0) };
        write(register, words.addr() as u64 | flags);
        whole(|index| {
            let word = words.wrapping_add(index % TIME_WORDS);
            // SAFETY: the remainder is an index in the static.
            unsafe { word.read_volatile() }
        })
    }

    fn write(register: u32, value: u64) {
        // SAFETY: 1. KVM says that it has the two registers; 2. what it writes is the static, which is mapped to the same
        // address and is read as it was written: by somebody else at any time.
        unsafe { Msr::new(register).write(value) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use core::cell::Cell;

    /// A counter of 2.4 GHz that showed 5,000 at 7 seconds.
    const TIME: [u32; TIME_WORDS] = {
        let system = 7_000_000_000_u64;
        // 1 / 2.4 = 0.8333 / 2
        [2, 0, 5_000, 0, system as u32, (system >> 32) as u32, 3_579_139_413, 0x01ff]
    };
    const DATE: [u32; DATE_WORDS] = [4, 1_700_000_000, 250_000_000];

    #[test]
    fn a_whole_reading_has_one_even_version() {
        assert_eq!(whole::<3>(|index| [2, 7, 9][index]), Some([2, 7, 9]));
        assert_eq!(whole::<3>(|index| [0, 7, 9][index]), None, "never written");
        assert_eq!(whole::<3>(|index| [3, 7, 9][index]), None, "being written");
    }

    #[test]
    fn a_reading_during_which_the_version_changed_is_not_whole() {
        let reads = Cell::new(0);
        let word = |_| {
            reads.set(reads.get() + 2);
            reads.get()
        };
        assert_eq!(whole::<8>(word), None);
        assert_eq!(reads.get(), 2 * 9);
    }

    #[test]
    fn multiplier_and_shift_make_the_rate() {
        let rate = rate(&TIME).unwrap();
        assert!(rate.nanoseconds(2_400_000_000).abs_diff(1_000_000_000) <= 2);
    }

    #[test]
    fn a_counter_that_is_not_stable_has_no_rate() {
        let mut time = TIME;
        time[7] = 0x00ff;
        assert_eq!(rate(&time), None);
        time[7] = 0xfeff;
        assert_eq!(rate(&time), None, "other flags do not count");
    }

    #[test]
    fn absurd_rates_are_refused() {
        for (multiplier, shift) in
            [(0, 0), (1, 0), (u32::MAX, 127), (u32::MAX, 0x80), (1, 0xe0), (u32::MAX, 32)]
        {
            let mut time = TIME;
            time[6] = multiplier;
            time[7] = 0x0100 | shift;
            assert_eq!(rate(&time), None, "{multiplier} {shift}");
            assert_eq!(date(&time, &DATE, 0), None);
        }
    }

    #[test]
    fn the_date_is_that_of_the_start_and_what_has_passed_since() {
        let at = |ticks| date(&TIME, &DATE, ticks).unwrap();
        assert_eq!(at(5_000), Duration::new(1_700_000_007, 250_000_000));
        let later = at(5_000 + 2_400_000_000);
        assert!(later.abs_diff(Duration::new(1_700_000_008, 250_000_000)) <= Duration::from_nanos(2));
        assert_eq!(at(0), at(5_000), "a counter before the structure's moment counts nothing");
    }

    #[test]
    fn what_cannot_be_a_date_is_none() {
        assert_eq!(date(&TIME, &[2, 0, 0], 5_000), None);
        assert_eq!(date(&TIME, &[2, 1, 1_000_000_000], 5_000), None);
        let mut time = TIME;
        time[4..6].fill(u32::MAX);
        assert_eq!(date(&time, &DATE, u64::MAX), None, "more than 64 bits of nanoseconds");
        assert!(date(&time, &[2, u32::MAX, 999_999_999], 5_000).is_some(), "absurd, and no panic");
    }
}
