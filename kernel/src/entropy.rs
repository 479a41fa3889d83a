//! Random bytes of the processor, to seed generators with.

use core::arch::x86_64::{__cpuid, __cpuid_count, _rdrand64_step, _rdseed64_step};

/// Tries at an instruction that may run dry (Intel DRNG software implementation guide, 5.2.1).
const TRIES: u32 = 32;

/// Fills `seed` from RDSEED or RDRAND. False where the processor has neither, or both stay dry.
pub fn fill(seed: &mut [u64]) -> bool {
    const RDRAND: u32 = 1 << 30;
    const RDSEED: u32 = 1 << 18;
    let has_rdrand = __cpuid(1).ecx & RDRAND != 0;
    let has_rdseed = __cpuid(0).eax >= 7 && __cpuid_count(7, 0).ebx & RDSEED != 0;
    seed.iter_mut().all(|word| {
        // SAFETY: CPUID says that the instruction exists.
        (has_rdseed && retry(word, |word| unsafe { rdseed(word) }))
            // SAFETY: CPUID says that the instruction exists.
            || (has_rdrand && retry(word, |word| unsafe { rdrand(word) }))
    })
}

fn retry(word: &mut u64, step: impl Fn(&mut u64) -> i32) -> bool {
    (0..TRIES).any(|_| step(word) == 1)
}

#[target_feature(enable = "rdseed")]
fn rdseed(word: &mut u64) -> i32 {
    _rdseed64_step(word)
}

#[target_feature(enable = "rdrand")]
fn rdrand(word: &mut u64) -> i32 {
    _rdrand64_step(word)
}
