//! The row about queries a second, in machines.

use std::path::PathBuf;
use std::time::Duration;

use super::guests::DNS;
use super::zone::Zone;
use super::{Field, dnsperf};
use crate::bench::net::side::Side;
use crate::bench::net::statistics::Comparison;
use crate::error::{Context, Result};

/// Seconds of a round, and when there is no time.
const TIME: Duration = Duration::from_secs(3);
const TIME_QUICK: Duration = Duration::from_secs(1);
/// Questions that are asked again and again.
const QUESTIONS: usize = 10_000;

/// One who answers.
pub(super) struct Answering {
    pub(super) side: Side,
    pub(super) address: std::net::SocketAddr,
    /// The process whose time is its own.
    pub(super) process: u32,
}

/// Both sides under QEMU.
pub(super) fn row(field: &Field<'_>) -> Result<()> {
    let zones = field.pack("peer", &Zone::of_peer())?;
    let mut servers = Vec::new();
    for side in field.sides() {
        servers.push(field.start(side, &field.guest(side, &zones)?)?);
    }
    let answering: Vec<Answering> = servers
        .iter()
        .map(|server| Answering {
            side: server.side,
            address: server.port(DNS),
            process: server.running.process(),
        })
        .collect();
    field.compare("queries answered under QEMU, dnsperf, 1,000 names (1/s)", &answering)
}

impl Field<'_> {
    /// Asks each in turn.
    pub(super) fn compare(&self, title: &str, answering: &[Answering]) -> Result<()> {
        let questions = self.questions()?;
        let sides: Vec<Side> = answering.iter().map(|one| one.side).collect();
        let mut comparison = Comparison::new(title, &sides);
        let mut busy = Vec::new();
        for _ in 0..self.rounds {
            for one in answering {
                let time = if self.quick { TIME_QUICK } else { TIME };
                let outcome = dnsperf::ask(one.address, &questions, time, one.process);
                busy.extend(outcome.as_ref().ok().map(|outcome| (one.side, *outcome)));
                comparison.add(one.side, outcome.map(|outcome| outcome.rate));
            }
        }
        self.verdict.show(&comparison);
        for side in sides {
            let of_side = || busy.iter().filter(|(other, _)| *other == side).map(|(_, outcome)| outcome);
            let lost = of_side().map(|outcome| outcome.lost).fold(0.0, f64::max);
            if let Some(best) = of_side().max_by(|one, other| one.rate.total_cmp(&other.rate)) {
                println!(
                    "  {side}: in its best round the server kept {:.2} processors busy, dnsperf {:.2}; at most {:.2} % were lost",
                    best.server,
                    best.client,
                    lost * 100.0
                );
            }
        }
        Ok(())
    }

    fn questions(&self) -> Result<PathBuf> {
        let path = self.workspace.target.join("unik/bench/dns/questions.txt");
        std::fs::write(&path, Zone::of_peer().questions(QUESTIONS))
            .or_cannot(|| "write the questions".to_owned())?;
        Ok(path)
    }
}
