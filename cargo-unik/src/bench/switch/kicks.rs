//! The row about notifications: how often the image tells its cards that there is something to do, by its own counters.

use std::path::Path;

use unik_monitor::{Reply, Request};

use super::Field;
use super::joint::{Joined, Joint};
use super::load::Load;
use crate::bench::net::statistics::Comparison;
use crate::error::{Error, Result};
use crate::monitor::{Connection, PATIENCE};

/// Frames for which one notification is to be enough, of both cards together.
const FRAMES: f64 = 32.0;

/// What the image has counted.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Counted {
    /// Notifications: of the card that receives, and of the one that sends.
    kicks: [u64; 2],
    /// Frames that have left.
    frames: u64,
    /// Frames for which the card that sends had no room.
    refused: u64,
}

/// Notifications for so many frames, as many frames being under way as the row about frames has.
pub(super) fn row(field: &Field<'_>) -> Result<()> {
    let mut joined = field.join("kicks", Joint::Unik)?;
    let mut figures = Vec::new();
    let mut comparison = Comparison::new("frames of 64 octets for each kick", &[Joint::Unik]);
    for _ in 0..field.rounds {
        let counted = count(field, &joined).map_err(|error| joined.report(&error));
        let kicks = |counted: &Counted| counted.kicks.iter().sum::<u64>().max(1) as f64;
        figures.extend(counted.as_ref().ok().copied());
        comparison.add(Joint::Unik, counted.map(|counted| counted.frames as f64 / kicks(&counted)));
    }
    field.verdict.show(&comparison);
    let all = figures.iter().fold(Counted::default(), |sum, one| sum.plus(*one));
    let [received, sent] = all.kicks.map(|kicks| kicks as f64 * FRAMES / all.frames.max(1) as f64);
    println!(
        "  for {FRAMES} frames: {received:.2} kicks by the card that receives, {sent:.2} by the one that sends"
    );
    println!("  {} frames had left, and for {} more the card had no room", all.frames, all.refused);
    let bound = format!("at most 1 for {FRAMES} frames, and it is {:.2}", received + sent);
    field.verdict.judge(&bound, all.frames > 0 && received + sent <= 1.0);
    Ok(())
}

/// Has frames pass, and tells what the image has counted meanwhile.
fn count(field: &Field<'_>, joined: &Joined) -> Result<Counted> {
    let [near, far] = &joined.taps;
    let load = Load::open(near, far)?;
    let before = Counted::read(&joined.monitor)?;
    load.run(60, field.duration(2))?;
    let counted = Counted::read(&joined.monitor)?.minus(before);
    if counted.frames == 0 {
        return Err(Error::failed("the switch has counted no frames"));
    }
    Ok(counted)
}

impl Counted {
    fn read(monitor: &Path) -> Result<Counted> {
        let mut guest = Connection::open(monitor, PATIENCE)?;
        let mut counted = Counted::default();
        let [received, sent] = &mut counted.kicks;
        let (frames, refused) = (&mut counted.frames, &mut counted.refused);
        guest.list(&Request::Counters, "tell its counters", &mut |reply| {
            let Reply::Counter { group, name, value } = reply else { return Ok(false) };
            match (group, name) {
                ("port1", "kicks") => *received = value,
                ("port2", "kicks") => *sent = value,
                ("port2", "out_frames") => *frames = value,
                ("port2", "out_no_room") => *refused = value,
                _ => {}
            }
            Ok(true)
        })?;
        Ok(counted)
    }

    fn minus(self, other: Counted) -> Counted {
        self.with(other, u64::saturating_sub)
    }

    fn plus(self, other: Counted) -> Counted {
        self.with(other, u64::saturating_add)
    }

    fn with(self, other: Counted, change: fn(u64, u64) -> u64) -> Counted {
        let ([received, sent], [other_received, other_sent]) = (self.kicks, other.kicks);
        Counted {
            kicks: [change(received, other_received), change(sent, other_sent)],
            frames: change(self.frames, other.frames),
            refused: change(self.refused, other.refused),
        }
    }
}
