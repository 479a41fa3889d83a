//! The generator with its sources: how it is seeded, when it is seeded again, and what is refused.
//!
//! No clock and no hardware: time is an argument, and what samples come from is a trait.

use super::generator::{Generator, Sample, is_plausible};
use unik_sched::time::{Duration, Instant};

/// The most that is given out on one seed, in bytes.
pub(crate) const OUTPUT_LIMIT: usize = 64 << 10;
/// The longest that one seed serves. It is looked at when something is drawn.
pub(crate) const AGE_LIMIT: Duration = Duration::from_secs(300);

/// Where samples come from.
pub(crate) trait Sources {
    /// Shows `absorb` a sample of each source that has one. With `wait`, sources that take a while are waited for, within
    /// bounds; without it, what such a source gives is what it was asked for the last time.
    fn visit(&mut self, wait: bool, absorb: &mut dyn FnMut(&Sample));
}

/// A generator that seeds itself.
pub(crate) struct Seeded<S> {
    generator: Generator,
    sources: S,
    /// Whether no source has ever given a plausible sample.
    weak: bool,
    /// Bytes that may still be given out on this seed.
    left: usize,
    /// When this seed ends.
    end: Instant,
}

impl<S: Sources> Seeded<S> {
    /// Seeds a generator from all of the sources.
    pub(crate) fn new(sources: S, now: Instant) -> Self {
        let mut seeded = Self { generator: Generator::new(), sources, weak: true, left: 0, end: now };
        seeded.seed(now, true);
        seeded
    }

    /// Whether everything drawn so far can be guessed: no source has given anything that can be random.
    pub(crate) fn is_weak(&self) -> bool {
        self.weak
    }

    /// Fills `bytes`.
    pub(crate) fn fill(&mut self, now: Instant, bytes: &mut [u8]) {
        for part in bytes.chunks_mut(OUTPUT_LIMIT) {
            if self.left < part.len() || now >= self.end {
                self.seed(now, false);
            }
            self.left -= part.len();
            self.generator.fill(part);
        }
    }

    /// Mixes a sample of each source into the state. One that cannot be random is not taken.
    fn seed(&mut self, now: Instant, wait: bool) {
        // The moment is worth little and counts for nothing, but it is there for all.
        self.generator.stir(&now.as_nanos().to_le_bytes());
        self.sources.visit(wait, &mut |sample| {
            if is_plausible(sample) {
                self.generator.absorb(sample);
                self.weak = false;
            } else {
                log::warn!("a source of random numbers gives constants and is not used");
            }
        });
        self.left = OUTPUT_LIMIT;
        self.end = now + AGE_LIMIT;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::cell::RefCell;
    use std::rc::Rc;

    /// Sources in a test's hands: what each gives, again and again, and how often and how they were asked.
    #[derive(Clone, Default)]
    struct Script(Rc<RefCell<(Vec<Sample>, Vec<bool>)>>);

    impl Script {
        fn of(samples: &[Sample]) -> Self {
            Self(Rc::new(RefCell::new((samples.to_vec(), Vec::new()))))
        }

        fn set(&self, samples: &[Sample]) {
            self.0.borrow_mut().0 = samples.to_vec();
        }

        /// Whether each visit was one that waits.
        fn visits(&self) -> Vec<bool> {
            self.0.borrow().1.clone()
        }
    }

    impl Sources for Script {
        fn visit(&mut self, wait: bool, absorb: &mut dyn FnMut(&Sample)) {
            let (samples, visits) = &mut *self.0.borrow_mut();
            visits.push(wait);
            samples.iter().for_each(absorb);
        }
    }

    const START: Instant = Instant::from_nanos(1_000_000);

    /// A sample that looks random; another one for another number.
    fn sample(number: u8) -> Sample {
        core::array::from_fn(|index| (index as u8).wrapping_mul(37).wrapping_add(number))
    }

    fn first(samples: &[Sample]) -> [u8; 32] {
        let mut bytes = [0; 32];
        Seeded::new(Script::of(samples), START).fill(START, &mut bytes);
        bytes
    }

    #[test]
    fn every_source_decides_together_with_the_others() {
        let both = first(&[sample(1), sample(2)]);
        assert_ne!(both, first(&[sample(3), sample(2)]), "the second source does not decide alone");
        assert_ne!(both, first(&[sample(1), sample(3)]), "the first source does not decide alone");
        assert_eq!(both, first(&[sample(1), sample(2)]));
    }

    #[test]
    fn without_a_source_or_with_broken_ones_it_is_weak() {
        for samples in [vec![], vec![[0; 32]], vec![[0xff; 32]], vec![[0xff; 32], [0; 32]]] {
            assert!(Seeded::new(Script::of(&samples), START).is_weak(), "{samples:?}");
        }
        assert!(
            !Seeded::new(Script::of(&[[0xff; 32], sample(1)]), START).is_weak(),
            "one good source is enough"
        );
    }

    #[test]
    fn a_broken_source_changes_nothing() {
        assert_eq!(first(&[sample(1)]), first(&[[0xff; 32], sample(1), [0; 32]]));
    }

    #[test]
    fn the_first_seed_waits_for_its_sources_and_later_ones_do_not() {
        let script = Script::of(&[sample(1)]);
        let mut seeded = Seeded::new(script.clone(), START);
        assert_eq!(script.visits(), [true]);
        seeded.fill(START + AGE_LIMIT, &mut [0; 8]);
        assert_eq!(script.visits(), [true, false]);
    }

    #[test]
    fn a_seed_serves_a_bounded_time() {
        let script = Script::of(&[sample(1)]);
        let mut seeded = Seeded::new(script.clone(), START);
        seeded.fill(START + AGE_LIMIT - Duration::from_nanos(1), &mut [0; 8]);
        assert_eq!(script.visits().len(), 1);
        seeded.fill(START + AGE_LIMIT, &mut [0; 8]);
        assert_eq!(script.visits().len(), 2);
        seeded.fill(START + AGE_LIMIT, &mut [0; 8]);
        assert_eq!(script.visits().len(), 2);
    }

    #[test]
    fn a_seed_serves_a_bounded_number_of_bytes() {
        let script = Script::of(&[sample(1)]);
        let mut seeded = Seeded::new(script.clone(), START);
        seeded.fill(START, &mut vec![0; OUTPUT_LIMIT - 1]);
        seeded.fill(START, &mut [0; 1]);
        assert_eq!(script.visits().len(), 1);
        seeded.fill(START, &mut [0; 1]);
        assert_eq!(script.visits().len(), 2);
        seeded.fill(START, &mut vec![0; 3 * OUTPUT_LIMIT]);
        assert_eq!(script.visits().len(), 5, "one draw of any length is bounded too");
    }

    #[test]
    fn a_second_seed_recovers_from_a_state_that_somebody_knows() {
        let (known, unknown) = (Script::of(&[sample(1)]), Script::of(&[sample(1)]));
        let (mut left, mut right) = (Seeded::new(known, START), Seeded::new(unknown.clone(), START));
        let (mut one, mut other) = ([0; 32], [0; 32]);
        left.fill(START, &mut one);
        right.fill(START, &mut other);
        assert_eq!(one, other);
        unknown.set(&[sample(77)]);
        left.fill(START + AGE_LIMIT, &mut one);
        right.fill(START + AGE_LIMIT, &mut other);
        assert_ne!(one, other);
    }

    #[test]
    fn a_source_that_answers_later_ends_the_weakness() {
        let script = Script::default();
        let mut seeded = Seeded::new(script.clone(), START);
        seeded.fill(START, &mut [0; 8]);
        assert!(seeded.is_weak());
        script.set(&[sample(1)]);
        seeded.fill(START + AGE_LIMIT, &mut [0; 8]);
        assert!(!seeded.is_weak());
    }
}
