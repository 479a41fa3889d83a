//! An allocator that runs out of memory when a test says so, and tells what an operation took.
//!
//! A test program installs it once and then lets single allocations of its own thread fail, one after the other, or
//! all that would go beyond a number of bytes:
//!
//! ```
//! use unik_testkit::{Scarce, Scarcity};
//!
//! #[global_allocator]
//! static HEAP: Scarce = Scarce;
//!
//! let reserve = || Vec::<u8>::new().try_reserve(100).is_ok();
//! assert!(!Scarcity::Nth(0).during(reserve).0);
//! assert!(Scarcity::Nth(1).during(reserve).0, "there is only one allocation");
//! assert!(!Scarcity::Bytes(99).during(reserve).0);
//! assert!(Scarcity::Bytes(100).during(reserve).0);
//! ```
//!
//! What an operation keeps and what it takes on the way can be bounded in a test as well:
//!
//! ```
//! use unik_testkit::{Scarce, Usage};
//!
//! #[global_allocator]
//! static HEAP: Scarce = Scarce;
//!
//! let (kept, usage) = Usage::of(|| {
//!     drop(vec![0_u8; 300]);
//!     vec![0_u8; 200]
//! });
//! assert_eq!(kept.len(), 200);
//! assert_eq!(usage, Usage { kept: 200, peak: 300 });
//! ```
//!
//! What the operation under test does not expect to fail ends the process, as it ends an image.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::ptr::null_mut;

/// The allocator: that of the system, unless a [`Scarcity`] is in force on the thread.
pub struct Scarce;

/// What fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scarcity {
    /// The allocation of this number, counted from 0, and no other.
    Nth(usize),
    /// The allocation of this number and all that follow.
    From(usize),
    /// Every allocation for which less than its size is left of so many bytes; what is freed meanwhile comes back.
    Bytes(usize),
}

/// What an operation took of the memory, beyond what its thread had before, in bytes as they were asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Usage {
    /// What was still there in the end.
    pub kept: usize,
    /// The most at any time.
    pub peak: usize,
}

thread_local! {
    static USED: Cell<isize> = const { Cell::new(0) };
    static PEAK: Cell<isize> = const { Cell::new(0) };
    static IN_FORCE: Cell<Option<Scarcity>> = const { Cell::new(None) };
    static REFUSED: Cell<usize> = const { Cell::new(0) };
}

impl Usage {
    /// Runs `operation`, and tells what it returns and what it took. Only what this thread allocates is counted, and what it
    /// gives back.
    pub fn of<T>(operation: impl FnOnce() -> T) -> (T, Self) {
        USED.set(0);
        PEAK.set(0);
        let result = operation();
        (result, Self { kept: USED.get().max(0) as usize, peak: PEAK.get().max(0) as usize })
    }
}

/// Counts bytes that were allocated, or given back.
fn count(bytes: isize) {
    USED.set(USED.get() + bytes);
    PEAK.set(PEAK.get().max(USED.get()));
}

impl Scarcity {
    /// Runs `operation` while memory is scarce on this thread; what it returns, and how many allocations failed.
    pub fn during<T>(self, operation: impl FnOnce() -> T) -> (T, usize) {
        REFUSED.set(0);
        IN_FORCE.set(Some(self));
        let result = operation();
        IN_FORCE.set(None);
        (result, REFUSED.get())
    }

    /// What is in force after an allocation of `size` bytes, and whether that is refused.
    fn next(self, size: usize) -> (Self, bool) {
        match self {
            Self::Nth(number) => (Self::Nth(number.wrapping_sub(1)), number == 0),
            Self::From(number) => (Self::From(number.saturating_sub(1)), number == 0),
            Self::Bytes(left) => match left.checked_sub(size) {
                Some(left) => (Self::Bytes(left), false),
                None => (self, true),
            },
        }
    }
}

/// Whether an allocation of `size` bytes is to fail.
fn refuses(size: usize) -> bool {
    let Some((next, refused)) = IN_FORCE.get().map(|scarcity| scarcity.next(size)) else { return false };
    IN_FORCE.set(Some(next));
    if refused {
        REFUSED.set(REFUSED.get() + 1);
    }
    refused
}

// SAFETY: it is the system's allocator, which sometimes has no memory.
unsafe impl GlobalAlloc for Scarce {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        if refuses(layout.size()) {
            return null_mut();
        }
        count(layout.size() as isize); // no allocation is larger than `isize::MAX`
        // SAFETY: the caller keeps the rules for `alloc`.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        if let Some(Scarcity::Bytes(left)) = IN_FORCE.get() {
            IN_FORCE.set(Some(Scarcity::Bytes(left.saturating_add(layout.size()))));
        }
        count(-(layout.size() as isize)); // as above
        // SAFETY: the caller keeps the rules for `dealloc`, and all memory comes from the system.
        unsafe { System.dealloc(pointer, layout) };
    }
}
