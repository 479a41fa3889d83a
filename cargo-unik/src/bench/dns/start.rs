//! The row about the time from QEMU's start to the first answer, against a guest that exits at once.

use std::time::Duration;

use super::Field;
use super::guests::{DNS, first_answer};
use super::zone::Zone;
use crate::bench::net::side::{Server, Side};
use crate::bench::{Times, time_to_exit};
use crate::error::Result;
use crate::image::{self, Profile, Request};

/// How long an answer is waited for before the question is repeated.
const REPEAT: Duration = Duration::from_millis(2);

/// Each side with 1,000 names, and a guest that does nothing, in turn.
pub(super) fn row(field: &Field<'_>) -> Result<()> {
    let app = field.workspace.app(Some("exit"), &field.workspace.root)?;
    let request = Request::new(field.workspace, Profile::Release);
    let request = Request { output: request.output.join("bench"), ..request };
    let exit = image::build(field.workspace, &app, &request)?;
    let zones = field.pack("peer", &Zone::of_peer())?;
    let sides = field.sides();
    let (mut exits, mut answers) = (Vec::new(), Vec::new());
    for _ in 0..field.rounds {
        exits.push(time_to_exit(&exit)?);
        for side in &sides {
            answers.push((*side, time_to_answer(field, *side, &zones)?));
        }
    }
    let exit = Times::of(exits);
    println!("a guest that exits at once                               {exit}");
    for side in sides {
        let of_side = answers.iter().filter(|(other, _)| *other == side);
        let times = Times::of(of_side.map(|(_, time)| *time).collect());
        let ratio = |one: Duration, other: Duration| one.as_secs_f64() / other.as_secs_f64();
        println!(
            "  {side:54} {times}  {:.2} and {:.2} times that",
            ratio(times.minimum, exit.minimum),
            ratio(times.median, exit.median)
        );
    }
    Ok(())
}

fn time_to_answer(field: &Field<'_>, side: Side, zones: &std::path::Path) -> Result<Duration> {
    let mut guest = field.guest(side, zones)?;
    // The channel costs a device that nobody needs here.
    guest.monitor = None;
    let mut server = Server::start(side, &guest)?;
    first_answer(server.port(DNS), REPEAT).map_err(|error| server.report(&error))?;
    Ok(server.age())
}
