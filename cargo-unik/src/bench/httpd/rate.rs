//! The rows about requests a second of a small page, and about megabytes a second of a large file.

use std::net::SocketAddr;
use std::time::Duration;

use super::Field;
use super::guests::{HTTP, UNLIMITED};
use super::site::{self, LARGE, LARGE_NAME, PAGE};
use super::wrk::{self, Outcome, Question};
use crate::bench::net::side::{Server, Side};
use crate::bench::net::statistics::Comparison;
use crate::error::Result;

/// Seconds of a round, and when there is no time.
const TIME: Duration = Duration::from_secs(5);
const TIME_QUICK: Duration = Duration::from_secs(1);
/// Connections that ask for the page, and for the file.
pub(super) const CROWD: usize = 64;
pub(super) const FEW: [usize; 2] = [1, 4];
/// How many times the best of Linux the best of unik has to be.
const REQUESTS: f64 = 4.0;
const FILE: f64 = 1.2;

/// One who answers.
#[derive(Debug, Clone, Copy)]
pub(super) struct Answering {
    pub(super) side: Side,
    pub(super) address: SocketAddr,
    /// The process whose time is its own.
    pub(super) process: u32,
}

/// The page, over 64 connections.
pub(super) fn requests(field: &Field<'_>) -> Result<()> {
    let servers = servers(field)?;
    field.compare_pages("QEMU", &answering(&servers), REQUESTS, true)
}

/// The file, over one connection and over four.
pub(super) fn file(field: &Field<'_>) -> Result<()> {
    let servers = servers(field)?;
    field.compare_files("QEMU", &answering(&servers), Some(FILE))
}

fn servers(field: &Field<'_>) -> Result<Vec<Server>> {
    let start = |side: Side| field.start(side, &field.guest(side, &site::of_both(), UNLIMITED)?);
    field.sides().into_iter().map(start).collect()
}

fn answering(servers: &[Server]) -> Vec<Answering> {
    let one = |server: &Server| Answering {
        side: server.side,
        address: server.port(HTTP),
        process: server.running.process(),
    };
    servers.iter().map(one).collect()
}

impl Field<'_> {
    /// Requests a second, and their times, which are to be no longer than those of Linux where that is asked for.
    pub(super) fn compare_pages(
        &self,
        what: &str,
        answering: &[Answering],
        least: f64,
        judges_times: bool,
    ) -> Result<()> {
        let title = format!("pages of {PAGE} octets, {what}, wrk -t1 -c{CROWD} (1/s)");
        let question = Question { path: "", connections: CROWD, time: self.time() };
        let outcomes = self.compare(title, answering, &question, &|outcome| outcome.rate);
        self.judge_ratio(&outcomes.comparison, least);
        let times = |side| outcomes.shortest(side);
        for one in answering {
            if let Some((half, most)) = times(one.side) {
                println!("  {}: half within {half:.2} ms and 99 % within {most:.2} ms, at best", one.side);
            }
        }
        if let (true, Some((_, unik)), Some((_, linux))) =
            (judges_times, times(Side::Unik), times(Side::Linux))
        {
            self.verdict.judge(
                &format!("99 % within the {linux:.2} ms of linux, and it is {unik:.2}"),
                unik <= linux,
            );
        }
        Ok(())
    }

    /// Megabytes a second.
    pub(super) fn compare_files(
        &self,
        what: &str,
        answering: &[Answering],
        least: Option<f64>,
    ) -> Result<()> {
        for connections in FEW {
            let title = format!("a file of {LARGE} octets, {what}, wrk -t1 -c{connections} (MB/s)");
            let question = Question { path: LARGE_NAME, connections, time: self.time() };
            let megabytes = |outcome: &Outcome| outcome.rate * LARGE as f64 / 1e6;
            let outcomes = self.compare(title, answering, &question, &megabytes);
            if let Some(least) = least {
                self.judge_ratio(&outcomes.comparison, least);
            }
        }
        Ok(())
    }

    fn time(&self) -> Duration {
        if self.quick { TIME_QUICK } else { TIME }
    }

    /// Asks each in turn, and tells `figure`.
    fn compare(
        &self,
        title: String,
        answering: &[Answering],
        question: &Question<'_>,
        figure: &dyn Fn(&Outcome) -> f64,
    ) -> Outcomes {
        let sides: Vec<Side> = answering.iter().map(|one| one.side).collect();
        let mut outcomes = Outcomes { comparison: Comparison::new(title, &sides), all: Vec::new() };
        for _ in 0..self.rounds {
            for one in answering {
                let outcome = wrk::ask(one.address, question, one.process);
                outcomes.all.extend(outcome.as_ref().ok().map(|outcome| (one.side, *outcome)));
                outcomes.comparison.add(one.side, outcome.map(|outcome| figure(&outcome)));
            }
        }
        self.verdict.show(&outcomes.comparison);
        for side in sides {
            if let Some(best) = outcomes.of(side).max_by(|one, other| one.rate.total_cmp(&other.rate)) {
                println!(
                    "  {side}: in its best round the server kept {:.2} processors busy, wrk {:.2}",
                    best.server, best.client
                );
            }
        }
        outcomes
    }
}

/// What became of all rounds.
struct Outcomes {
    comparison: Comparison,
    all: Vec<(Side, Outcome)>,
}

impl Outcomes {
    fn of(&self, side: Side) -> impl Iterator<Item = &Outcome> {
        self.all.iter().filter(move |(other, _)| *other == side).map(|(_, outcome)| outcome)
    }

    /// The times of the round in which 99 of 100 were answered soonest.
    fn shortest(&self, side: Side) -> Option<(f64, f64)> {
        let best = self.of(side).min_by(|one, other| one.most.total_cmp(&other.most))?;
        Some((best.half, best.most))
    }
}
