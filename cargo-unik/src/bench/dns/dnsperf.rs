//! Debian's dnsperf as the client of all sides, and the processor time that it and the server take.

use std::fs;
use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use crate::error::{Context, Error, Result};

/// Queries under way at the same time.
const WINDOW: &str = "100";
/// The share of the queries that may be lost: a server in a hurry drops one now and then, and one that drops many is not fast.
const MOST_LOST: f64 = 0.005;
/// Ticks of the kernel's accounts in a second (`USER_HZ`, proc(5)).
const TICKS: f64 = 100.0;

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

/// The processor time so far of those of this process's children that have ended.
fn ended() -> Result<f64> {
    read_ticks(&stat("self")?, true).ok_or_else(|| Error::failed("no times in /proc/self/stat"))
}

/// The processor time so far of a process and all that descend from it.
fn running(process: u32) -> Result<f64> {
    let processes = fs::read_dir("/proc").or_cannot(|| "read /proc".to_owned())?;
    let names = processes.flatten().filter_map(|entry| entry.file_name().into_string().ok());
    // One that has ended since is not there any more.
    let stats = names.filter(|name| name.parse::<u32>().is_ok()).filter_map(|name| stat(&name).ok());
    let all: Vec<((u32, u32), f64)> =
        stats.filter_map(|stat| Some((family(&stat)?, read_ticks(&stat, false)?))).collect();
    let mut own = vec![process];
    let mut place = 0;
    while let Some(&id) = own.get(place) {
        own.extend(all.iter().filter(|((_, parent), _)| *parent == id).map(|((child, _), _)| child));
        place += 1;
    }
    Ok(all.iter().filter(|((id, _), _)| own.contains(id)).map(|(_, ticks)| ticks).sum())
}

/// A process and its parent.
fn family(stat: &str) -> Option<(u32, u32)> {
    let (id, rest) = stat.split_once(' ')?;
    let (_, rest) = rest.rsplit_once(')')?;
    Some((id.parse().ok()?, rest.split_whitespace().nth(1)?.parse().ok()?))
}

/// proc(5), `/proc/PID/stat`.
fn stat(process: &str) -> Result<String> {
    let path = format!("/proc/{process}/stat");
    fs::read_to_string(&path).or_cannot(|| format!("read {path}"))
}

/// The time of a process in ticks, or of its children that have ended.
fn read_ticks(text: &str, of_children: bool) -> Option<f64> {
    // The second field, a name in parentheses, may hold anything.
    let (_, rest) = text.rsplit_once(')')?;
    let mut fields = rest.split_whitespace().skip(if of_children { 13 } else { 11 });
    Some(fields.next()?.parse::<f64>().ok()? + fields.next()?.parse::<f64>().ok()?)
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

    #[test]
    fn processor_times_are_read_behind_a_name_with_spaces() {
        let text = "7 (a b) c) S 1 2 3 4 5 6 7 8 9 10 20 22 40 44 0";
        assert_eq!((read_ticks(text, false), read_ticks(text, true)), (Some(42.0), Some(84.0)));
        assert_eq!(read_ticks("7 (a", false), None);
        assert_eq!(family(text), Some((7, 1)));
    }
}
