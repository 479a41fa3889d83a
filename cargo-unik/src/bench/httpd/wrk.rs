//! Debian's wrk as the client of all sides, and the processor time that it and the server take.

use std::net::SocketAddr;
use std::process::Command;
use std::time::{Duration, Instant};

use crate::bench::process::{TICKS, ended, running};
use crate::error::{Context, Error, Result};

/// What is asked, and how.
#[derive(Debug, Clone, Copy)]
pub(super) struct Question<'a> {
    /// The path, without its first slash.
    pub(super) path: &'a str,
    /// Connections that are kept, with one request under way on each.
    pub(super) connections: usize,
    pub(super) time: Duration,
}

/// What became of a run.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Outcome {
    /// Requests a second that were answered.
    pub(super) rate: f64,
    /// Milliseconds within which half of them, and 99 of 100, were answered.
    pub(super) half: f64,
    pub(super) most: f64,
    /// Processors that wrk kept busy.
    pub(super) client: f64,
    /// Processors that the server kept busy.
    pub(super) server: f64,
}

/// Asks; `process` is the one that answers.
///
/// # Errors
/// wrk is not there, or not all was answered well.
pub(super) fn ask(address: SocketAddr, question: &Question<'_>, process: u32) -> Result<Outcome> {
    let (server, client, started) = (running(process)?, ended()?, Instant::now());
    let mut command = Command::new("wrk");
    command.args(["-t1", "--latency", "-c", &question.connections.to_string()]);
    command.args(["-d", &format!("{}s", question.time.as_secs().max(1))]);
    command.arg(format!("http://{address}/{}", question.path));
    let output = command.output().or_cannot(|| "start wrk ('apt-get install wrk' brings it)".to_owned())?;
    let elapsed = started.elapsed().as_secs_f64();
    let text = String::from_utf8_lossy(&output.stdout);
    let read = read(&text).ok_or_else(|| {
        let complaint = String::from_utf8_lossy(&output.stderr);
        Error::failed(format!("wrk gets no answers, or wrong ones:\n{text}{complaint}"))
    })?;
    let busy = |before: f64, after: f64| (after - before) / TICKS / elapsed;
    Ok(Outcome { client: busy(client, ended()?), server: busy(server, running(process)?), ..read })
}

/// The figures of a run in which all was answered, and with a success.
fn read(text: &str) -> Option<Outcome> {
    let after = |title: &str| {
        let line = text.lines().find_map(|line| line.trim().strip_prefix(title))?;
        line.split_whitespace().next()
    };
    if text.contains("Socket errors:") || text.contains("Non-2xx or 3xx responses:") {
        return None;
    }
    let rate: f64 = after("Requests/sec:")?.parse().ok()?;
    let (half, most) = (milliseconds(after("50%")?)?, milliseconds(after("99%")?)?);
    (rate > 0.0).then_some(Outcome { rate, half, most, client: 0.0, server: 0.0 })
}

/// A time as wrk writes it: `1.23ms`.
fn milliseconds(text: &str) -> Option<f64> {
    let digits = text.trim_end_matches(|letter: char| letter.is_ascii_alphabetic());
    let factor = match text.get(digits.len()..)? {
        "us" => 1e-3,
        "ms" => 1.0,
        "s" => 1e3,
        "m" => 6e4,
        _ => return None,
    };
    Some(digits.parse::<f64>().ok()? * factor)
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = "Running 1s test @ http://10.91.0.2:80/\n  1 threads and 64 connections\n  Thread Stats   Avg      Stdev     Max   +/- \
        Stdev\n    Latency     3.62ms  403.68us   7.78ms   85.20%\n  Latency Distribution\n     50%    3.57ms\n     75%    3.73ms\n     90%    \
        4.00ms\n     99%    5.10ms\n  17566 requests in 1.00s, 14.11MB read\nRequests/sec:  17508.90\nTransfer/sec:     14.06MB\n";

    #[test]
    fn the_figures_are_read_where_all_went_well() {
        let expected = Outcome { rate: 17508.9, half: 3.57, most: 5.1, client: 0.0, server: 0.0 };
        assert_eq!(read(GOOD), Some(expected));
        let errors = "  Socket errors: connect 0, read 3, write 0, timeout 0\nRequests/sec:";
        assert_eq!(read(&GOOD.replace("Requests/sec:", errors)), None);
        assert_eq!(
            read(&GOOD.replace("Requests/sec:", "  Non-2xx or 3xx responses: 1\nRequests/sec:")),
            None
        );
        assert_eq!(read(&GOOD.replace("17508.90", "0.00")), None);
        assert_eq!(read("unable to connect to 10.91.0.2:80 Connection refused"), None);
    }

    #[test]
    fn times_are_read_in_all_units() {
        assert_eq!(milliseconds("500.00us"), Some(0.5));
        assert_eq!(milliseconds("1.50s"), Some(1500.0));
        assert_eq!(milliseconds("1.50h"), None);
        assert_eq!(milliseconds("ms"), None);
    }
}
