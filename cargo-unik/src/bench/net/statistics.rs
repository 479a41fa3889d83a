//! Samples of one figure on all sides, and how they are told: best, median and spread, and the ratio of the first side to each other.

use std::fmt;

use super::side::Side;
use crate::error::{Error, Result};

/// What one side reached, once a round. More is better.
#[derive(Debug, Clone, Default)]
pub(crate) struct Samples(Vec<f64>);

impl Samples {
    pub(crate) fn add(&mut self, value: f64) {
        let place = self.0.partition_point(|other| *other > value);
        self.0.insert(place, value);
    }

    /// The highest, which noise of the computer has disturbed least.
    pub(crate) fn best(&self) -> Option<f64> {
        self.0.first().copied()
    }

    pub(crate) fn median(&self) -> Option<f64> {
        self.0.get(self.0.len() / 2).copied()
    }

    pub(crate) fn lowest(&self) -> Option<f64> {
        self.0.last().copied()
    }
}

/// One figure of all sides: most times of the two of [`Side`].
#[derive(Debug)]
pub(crate) struct Comparison<S = Side> {
    title: String,
    sides: Vec<Outcome<S>>,
}

/// The samples of a side, and the rounds that brought none.
#[derive(Debug)]
struct Outcome<S> {
    side: S,
    samples: Samples,
    failures: Vec<Error>,
}

impl<S: Copy + PartialEq + fmt::Display> Comparison<S> {
    /// A figure with its unit in its title, for these sides.
    pub(crate) fn new(title: impl Into<String>, sides: &[S]) -> Comparison<S> {
        let outcome = |side: &S| Outcome { side: *side, samples: Samples::default(), failures: Vec::new() };
        Comparison { title: title.into(), sides: sides.iter().map(outcome).collect() }
    }

    /// Adds the result of a round. A failure is a result as well.
    pub(crate) fn add(&mut self, side: S, result: Result<f64>) {
        for outcome in self.sides.iter_mut().filter(|outcome| outcome.side == side) {
            match &result {
                Ok(value) => outcome.samples.add(*value),
                Err(error) => outcome.failures.push(error.clone()),
            }
        }
    }

    /// Whether each side has a sample.
    pub(crate) fn is_complete(&self) -> bool {
        self.sides.iter().all(|outcome| outcome.samples.best().is_some())
    }

    /// The best figure of the first side over that of another one.
    pub(crate) fn best_ratio_to(&self, other: S) -> Option<f64> {
        self.ratio(self.others().find(|outcome| outcome.side == other)?, Samples::best)
    }

    /// All sides but the first.
    fn others(&self) -> impl Iterator<Item = &Outcome<S>> {
        self.sides.iter().skip(1)
    }

    /// The first side's figure over the one of another.
    fn ratio(&self, other: &Outcome<S>, of: fn(&Samples) -> Option<f64>) -> Option<f64> {
        let (first, other) = (of(&self.sides.first()?.samples)?, of(&other.samples)?);
        (other > 0.0).then_some(first / other)
    }
}

impl Comparison {
    /// unik's best figure over the best one of Linux.
    pub(crate) fn best_ratio(&self) -> Option<f64> {
        self.best_ratio_to(Side::Linux)
    }
}

impl<S: Copy + PartialEq + fmt::Display> fmt::Display for Comparison<S> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(formatter, "{:56} {:>9} {:>9} {:>9}", self.title, "best", "median", "lowest")?;
        for Outcome { side, samples, failures } in &self.sides {
            if let (Some(best), Some(median), Some(lowest)) =
                (samples.best(), samples.median(), samples.lowest())
            {
                let values = [best, median, lowest].map(number);
                writeln!(formatter, "  {side:54} {:>9} {:>9} {:>9}", values[0], values[1], values[2])?;
            }
            if let Some(first) = failures.first() {
                let all = failures.len() + samples.0.len();
                writeln!(formatter, "  {side}: {} of {all} rounds failed: {first}", failures.len())?;
            }
        }
        for other in self.others() {
            if let (Some(first), Some(best), Some(median)) =
                (self.sides.first(), self.ratio(other, Samples::best), self.ratio(other, Samples::median))
            {
                let words = format!("{} over {}", first.side, other.side);
                writeln!(formatter, "  {words:54} {best:>9.2} {median:>9.2}")?;
            }
        }
        Ok(())
    }
}

/// A number with as many places as it deserves.
fn number(value: f64) -> String {
    if value >= 1000.0 { format!("{value:.0}") } else { format!("{value:.1}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn samples(values: &[f64]) -> Samples {
        let mut samples = Samples::default();
        values.iter().for_each(|value| samples.add(*value));
        samples
    }

    #[test]
    fn the_best_is_the_highest_and_the_median_the_middle() {
        let samples = samples(&[3.0, 9.0, 1.0, 7.0, 5.0, 2.0, 8.0]);
        assert_eq!((samples.best(), samples.median(), samples.lowest()), (Some(9.0), Some(5.0), Some(1.0)));
    }

    #[test]
    fn no_samples_have_no_best() {
        assert_eq!((Samples::default().best(), Samples::default().median()), (None, None));
    }

    #[test]
    fn both_sides_and_their_ratio_are_told() {
        let mut comparison = Comparison::new("bulk (MB/s)", &[Side::Unik, Side::Linux]);
        for (unik, linux) in [(300.0, 400.0), (200.0, 100.0), (250.0, 250.0)] {
            comparison.add(Side::Unik, Ok(unik));
            comparison.add(Side::Linux, Ok(linux));
        }
        let lines: Vec<Vec<String>> = comparison
            .to_string()
            .lines()
            .map(|line| line.split_whitespace().map(str::to_owned).collect())
            .collect();
        assert_eq!(lines[0], ["bulk", "(MB/s)", "best", "median", "lowest"]);
        assert_eq!(lines[1], ["unik", "300.0", "250.0", "200.0"]);
        assert_eq!(lines[2], ["linux", "400.0", "250.0", "100.0"]);
        assert_eq!(lines[3], ["unik", "over", "linux", "0.75", "1.00"]);
    }

    #[test]
    fn the_first_of_several_sides_is_compared_with_each_other() {
        let mut comparison = Comparison::new("frames (1/s)", &["unik", "bridge", "hub"]);
        for (side, figure) in [("unik", 60.0), ("bridge", 40.0), ("hub", 120.0)] {
            comparison.add(side, Ok(figure));
        }
        assert_eq!(comparison.best_ratio_to("bridge"), Some(1.5));
        assert_eq!(comparison.best_ratio_to("hub"), Some(0.5));
        let text = comparison.to_string();
        assert!(text.contains("unik over bridge ") && text.ends_with(" 0.50      0.50\n"), "{text}");
    }

    #[test]
    fn a_round_that_failed_is_told_with_its_reason_and_makes_no_ratio() {
        let mut comparison = Comparison::new("bulk (MB/s)", &[Side::Unik, Side::Linux]);
        comparison.add(Side::Unik, Err(Error::failed("it stalled")));
        comparison.add(Side::Linux, Ok(1.0));
        let text = comparison.to_string();
        assert!(text.contains("unik: 1 of 1 rounds failed: it stalled"), "{text}");
        assert!(!text.contains("over"), "{text}");
        assert!(!comparison.is_complete());
    }
}
