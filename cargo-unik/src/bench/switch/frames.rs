//! The row about frames a second.

use super::Field;
use super::joint::{Joint, Time, tell_least};
use super::load::{Load, Passed, WINDOW};
use crate::bench::net::statistics::Comparison;
use crate::error::Result;

/// How long frames are, and how many times the bridge's the image has to pass. With the check sequence the short ones are of 64 octets.
const LENGTHS: [(usize, &str, f64); 2] = [(60, "64 octets", 1.4), (1514, "1,514 octets", 1.5)];
/// The part of what QEMU passes without a guest that the image has to pass.
const HUB: f64 = 0.7;
/// Where the sender waits for no more than this part of the time, it may be the limit.
const DOUBT: f64 = 0.05;
/// The ends of a cable with nothing in it.
const CABLE: [&str; 2] = ["frames-near", "frames-far"];

/// Frames that pass in a second, one way.
pub(super) fn row(field: &Field<'_>) -> Result<()> {
    let joints = field.joints(true);
    let mut ways = Vec::new();
    for joint in &joints {
        let mut joined = field.join("frames", *joint)?;
        let [near, far] = &joined.taps;
        let load = Load::open(near, far).map_err(|error| joined.report(&error))?;
        ways.push((joined, load));
    }
    field.namespace()?.lay_cable(CABLE)?;
    let cable = Load::open(CABLE[0], CABLE[1])?;
    for (length, words, least) in LENGTHS {
        let title = format!("frames of {words}, {WINDOW} under way (1/s)");
        let mut comparison = Comparison::new(title, &joints);
        let mut all = Vec::new();
        for _ in 0..field.rounds {
            for (joined, load) in &ways {
                let passed = joined.time(|| {
                    let passed = load.run(length, field.duration(2))?;
                    Ok((passed, (passed.sent - passed.lost) as f64))
                });
                all.extend(passed.as_ref().ok().map(|passed| (joined.joint, *passed)));
                comparison.add(joined.joint, passed.map(|(passed, _)| passed.rate));
            }
        }
        field.verdict.show(&comparison);
        joints.iter().for_each(|joint| tell(*joint, &all));
        let alone = (0..field.rounds).map(|_| cable.run(length, field.duration(1)));
        let alone = alone.flatten().map(|passed| passed.rate).fold(0.0, f64::max);
        println!("  the sender alone, over a virtual cable: {alone:.0} (1/s) at best");
        for (joint, least) in [(Joint::Bridge, least), (Joint::Hub, HUB)] {
            field.judge(&comparison, joint, least);
        }
    }
    Ok(())
}

/// Tells what was lost by one of them, what a frame took at least, and whether it had enough to do in its best round.
fn tell(joint: Joint, all: &[(Joint, (Passed, Time))]) {
    let of_joint = || all.iter().filter(|(other, _)| *other == joint).map(|(_, outcome)| outcome);
    let of = || of_joint().map(|(passed, _)| passed);
    let (sent, lost): (u64, u64) = (of().map(|one| one.sent).sum(), of().map(|one| one.lost).sum());
    let Some(best) = of().max_by(|one, other| one.rate.total_cmp(&other.rate)) else { return };
    tell_least(joint, of_joint().map(|(_, time)| *time), "a frame");
    let waited = best.waited * 100.0;
    println!(
        "  {joint}: {lost} of {sent} frames were lost; in its best round the sender waited for {waited:.0} % of the time"
    );
    if best.waited < DOUBT {
        println!("  {joint}: the sender is its limit");
    }
}

impl Field<'_> {
    /// Tells whether the image's best is so many times that of another, where both are measured.
    pub(super) fn judge(&self, comparison: &Comparison<Joint>, other: Joint, least: f64) {
        if let Some(ratio) = comparison.best_ratio_to(other) {
            let bound = format!("at least {least} times the best of the {other}, and it is {ratio:.2}");
            self.verdict.judge(&bound, ratio >= least);
        }
    }
}
