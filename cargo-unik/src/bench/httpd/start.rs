//! The row about the time from QEMU's start to the first page, against a guest that exits at once.

use std::time::Duration;

use super::Field;
use super::guests::HTTP;
use super::site;
use crate::bench::http::first_answer;
use crate::bench::net::side::{Server, Side};
use crate::bench::{Times, time_to_exit};
use crate::error::Result;
use crate::guest::Guest;
use crate::image::{self, Profile, Request};

/// How long an answer is waited for before one more connection asks. What is sent before the guest listens waits for it at the tap.
const REPEAT: Duration = Duration::from_millis(5);
/// How many times as long as that guest takes, at the median.
const MOST: f64 = 2.0;

/// Each side with the page, and a guest that does nothing, in turn.
pub(super) fn row(field: &Field<'_>) -> Result<()> {
    let app = field.workspace.app(Some("exit"), &field.workspace.root)?;
    let request = Request::new(field.workspace, Profile::Release);
    let request = Request { output: request.output.join("bench"), ..request };
    let exit = image::build(field.workspace, &app, &request)?;
    let sides = field.sides();
    let mut guests = Vec::new();
    for side in &sides {
        // The inspection channel costs a device that nobody needs here.
        guests.push(Guest { monitor: None, ..field.guest(*side, &site::of_page(), "")? });
    }
    let (mut exits, mut answers) = (Vec::new(), Vec::new());
    for _ in 0..field.rounds {
        exits.push(time_to_exit(&exit)?);
        for (side, guest) in sides.iter().zip(&guests) {
            answers.push((*side, time_to_answer(*side, guest)?));
        }
    }
    let exit = Times::of(exits);
    println!("a guest that exits at once                               {exit}");
    for side in sides {
        let of_side = answers.iter().filter(|(other, _)| *other == side);
        let times = Times::of(of_side.map(|(_, time)| *time).collect());
        let ratio = |one: Duration, other: Duration| one.as_secs_f64() / other.as_secs_f64();
        let (least, middle) = (ratio(times.minimum, exit.minimum), ratio(times.median, exit.median));
        println!("  {side:54} {times}  {least:.2} and {middle:.2} times that");
        if side == Side::Unik {
            field.verdict.judge(&format!("at most {MOST} times the median of that guest"), middle <= MOST);
        }
    }
    Ok(())
}

fn time_to_answer(side: Side, guest: &Guest) -> Result<Duration> {
    let mut server = Server::start(side, guest)?;
    first_answer(server.port(HTTP), REPEAT).map_err(|error| server.report(&error))?;
    Ok(server.age())
}
