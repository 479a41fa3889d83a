//! Random numbers: one generator for everything in the image that has to be unpredictable.
//!
//! [`Entropy`] is the resource; the stack's ports and numbers are drawn from the same generator. It is ChaCha20, seeded
//! from all sources that the machine has (the processor's RDSEED or RDRAND and a virtio-rng device, or the host of a
//! process), mixed so that no single one decides, and seeded again after a bounded time and number of bytes.
//!
//! Invariant: without a source that works nobody gets random numbers, unless `random=weak` allows it.

mod generator;
#[cfg(all(target_os = "none", feature = "getrandom"))]
mod provided;
mod seeded;

#[cfg(not(all(target_os = "none", feature = "getrandom")))]
mod provided {
    //! Nobody draws but by `Entropy`; or the host's own numbers are drawn.

    pub(super) fn provide(_: &super::Shared) {}
}

pub(crate) use generator::Sample;
pub(crate) use seeded::Sources;

use crate::backend;
use crate::outcome::Failure;
use crate::resource::{Resource, at_once};
use crate::system::System;
use alloc::boxed::Box;
use core::cell::RefCell;
use seeded::Seeded;
use unik_sched::time::Time;

/// The word that allows numbers which can be guessed, and the one value it takes.
const WORD: (&str, &str) = ("random", "weak");

/// Random numbers that nobody can guess; clones draw from the same generator.
///
/// ```no_run
/// # use unik::Entropy;
/// # async fn start(entropy: Entropy) {
/// let mut key = [0; 32];
/// entropy.fill(&mut key);
/// # }
/// ```
#[derive(Clone)]
pub struct Entropy(&'static Shared);

/// There is one, and it stays until the end, as the system does.
struct Shared {
    seeded: RefCell<Seeded<backend::RandomSources>>,
    time: Time,
}

impl Shared {
    fn fill(&self, bytes: &mut [u8]) {
        self.seeded.borrow_mut().fill(self.time.now(), bytes);
    }
}

impl Entropy {
    /// Fills `bytes`.
    pub fn fill(&self, bytes: &mut [u8]) {
        self.0.fill(bytes);
    }

    /// A number of 32 bits.
    pub fn next_u32(&self) -> u32 {
        self.next_u64() as u32
    }

    /// A number of 64 bits.
    pub fn next_u64(&self) -> u64 {
        let mut bytes = [0; 8];
        self.fill(&mut bytes);
        u64::from_le_bytes(bytes)
    }

    /// Whether the numbers can be guessed: the machine has no source of them, and `random=weak` says to go on all the
    /// same. Whoever makes keys refuses then.
    pub fn is_weak(&self) -> bool {
        self.0.seeded.borrow().is_weak()
    }

    /// A generator of its own, for tests.
    #[cfg(test)]
    pub(crate) fn of_host(time: &Time) -> Self {
        let seeded = Seeded::new(backend::RandomSources::of_host(), time.now());
        Self(Box::leak(Box::new(Shared { seeded: RefCell::new(seeded), time: time.clone() })))
    }

    /// The generator of this image, seeded by whoever asks first.
    pub(crate) fn of(system: &System) -> Result<Self, Failure> {
        let slot = system.entropy();
        match slot.get() {
            Some(entropy) => Ok(entropy.clone()),
            None => Self::start(system).map(|entropy| slot.get_or_init(|| entropy).clone()),
        }
    }

    fn start(system: &System) -> Result<Self, Failure> {
        let (word, weak) = WORD;
        let allowed = match system.config().get(word) {
            None => false,
            Some(value) if value == weak => true,
            Some(_) => return Err(Failure::Configuration("random= can only be weak".into())),
        };
        let time = system.time().clone();
        let seeded = Seeded::new(backend::RandomSources::open(system.backend()), time.now());
        if seeded.is_weak() {
            if !allowed {
                return Err(Failure::Configuration(backend::NO_RANDOMNESS.into()));
            }
            log::warn!("random numbers can be guessed: there is no source of them, and random=weak is set");
        }
        let shared: &'static Shared = Box::leak(Box::new(Shared { seeded: RefCell::new(seeded), time }));
        provided::provide(shared);
        Ok(Self(shared))
    }
}

/// Ends the appliance before `main` where the machine has no source of random numbers and `random=weak` is not set.
impl Resource for Entropy {
    fn take<const LOOKED: bool>(system: &System) -> impl Future<Output = Result<Self, Failure>> {
        at_once(|| Self::of(system))
    }

    /// It is never missing silently: what an image without it would do with `None` is to be guessed.
    fn is_present(_: &System) -> bool {
        true
    }
}
