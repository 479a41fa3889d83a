//! Random numbers for cryptography that draws them by itself, through the `getrandom` crate.
//!
//! The machine's one generator is above this crate: it gives itself out by [`provide`], once. Invariant: before that, and
//! whenever it refuses, whoever draws is told so and gets nothing.

use core::slice;
use spin::Once;

/// A generator of random numbers.
pub trait Source {
    /// Fills `bytes`. False where what it has could be guessed.
    fn fill(&self, bytes: &mut [u8]) -> bool;
}

/// There is one processor and no thread: an image never draws in two places at once, and the generator need not be made for it.
struct Shared(&'static dyn Source);

// SAFETY: as said above: all Rust code of an image runs on one processor, and none of it in interrupts.
unsafe impl Sync for Shared {}
// SAFETY: as above.
unsafe impl Send for Shared {}

static SOURCE: Once<Shared> = Once::new();

/// Lets `source` give out the numbers from now on. The first one counts.
pub fn provide(source: &'static dyn Source) {
    SOURCE.call_once(|| Shared(source));
}

/// What `getrandom` calls where it knows no system: 0, or its code for an error.
///
/// # Safety
/// `length` bytes from `start` on can be written, and nobody else uses them meanwhile; they are initialised.
// SAFETY: no other function of an image has this name: getrandom has it defined once.
#[unsafe(no_mangle)]
unsafe fn __getrandom_custom(start: *mut u8, length: usize) -> u32 {
    // SAFETY: the caller keeps to what is said above.
    let bytes = unsafe { slice::from_raw_parts_mut(start, length) };
    match SOURCE.get() {
        Some(Shared(source)) if source.fill(bytes) => 0,
        _ => getrandom::Error::UNSUPPORTED.code().get(),
    }
}
