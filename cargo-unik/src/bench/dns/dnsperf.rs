//! Debian's dnsperf as the client of all sides, and the processor time that it and the server take.

use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use crate::bench::process::{TICKS, ended, running};
use crate::error::{Context, Error, Result};

/// Queries under way at the same time.
const WINDOW: &str = "100";
/// The share of the queries that may be lost: a server in a hurry drops one now and then, and one that drops many is not fast.
const MOST_LOST: f64 = 0.005;

/// What became of a run.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Outcome {
    /// Queries a second that were answered.
    pub(super) rate: f64,
    /// The share of those that were not.
    pub(super) lost: f64,
    /// Processors that dnsperf kept busy.
    pub(super) client: f64,
    /// Processors that the server kept busy.
    pub(super) server: f64,
}

/// Asks the questions in `file` for so long. `process` is the one that answers.
///
/// # Errors
/// dnsperf is not there, or an answer was lost or was not the one to expect.
pub(super) fn ask(address: SocketAddr, file: &Path, time: Duration, process: u32) -> Result<Outcome> {
    let (server, client, started) = (running(process)?, ended()?, Instant::now());
    let mut command = Command::new("dnsperf");
    command.args(["-s", &address.ip().to_string(), "-p", &address.port().to_string()]);
    command.arg("-d").arg(file).args(["-l", &time.as_secs().to_string(), "-q", WINDOW]);
    let output =
        command.output().or_cannot(|| "start dnsperf ('apt-get install dnsperf' brings it)".to_owned())?;
    let elapsed = started.elapsed().as_secs_f64();
    let text = String::from_utf8_lossy(&output.stdout);
    let (rate, lost) = rate(&text).ok_or_else(|| {
        let complaint = String::from_utf8_lossy(&output.stderr);
        Error::failed(format!("dnsperf gets no answers, or wrong ones:\n{text}{complaint}"))
    })?;
    if lost > MOST_LOST {
        return Err(Error::failed(format!("{:.1} % were lost at {rate:.0} a second", lost * 100.0)));
    }
    let busy = |before: f64, after: f64| (after - before) / TICKS / elapsed;
    Ok(Outcome { rate, lost, client: busy(client, ended()?), server: busy(server, running(process)?) })
}

/// The queries a second of a run in which all answers were good, and the share of those that did not come.
fn rate(text: &str) -> Option<(f64, f64)> {
    let after = |title: &str| {
        let line = text.lines().find_map(|line| line.trim().strip_prefix(title))?;
        line.split_whitespace().next()?.parse::<f64>().ok()
    };
    let codes = text.lines().find_map(|line| line.trim().strip_prefix("Response codes:"))?.trim();
    let is_good = codes.starts_with("NOERROR") && codes.ends_with("(100.00%)") && !codes.contains(',');
    let lost = after("Queries lost:")? / after("Queries sent:")?.max(1.0);
    is_good.then_some((after("Queries per second:")?, lost))
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = "Statistics:\n\n  Queries sent:         14000\n  Queries completed:    14000 (100.00%)\n  Queries lost:         0 (0.00%)\n\n  \
        Response codes:       NOERROR 14000 (100.00%)\n  Queries per second:   13890.123\n";

    #[test]
    fn the_rate_is_read_where_all_went_well() {
        assert_eq!(rate(GOOD), Some((13890.123, 0.0)));
        assert_eq!(rate(&GOOD.replace("lost:         0", "lost:         14")), Some((13890.123, 0.001)));
        assert_eq!(rate(&GOOD.replace("NOERROR 14000 (100.00%)", "NXDOMAIN 14000 (100.00%)")), None);
        assert_eq!(rate("[Fatal] Can't open file"), None);
    }
}
