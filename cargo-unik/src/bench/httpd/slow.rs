//! The row about clients that are slow on purpose: Debian's slowhttptest holds a thousand connections, and a client that means well
//! is served meanwhile.
//!
//! The image is tried as it comes, where one client has its share of the connections and no more, and as it is behind an address that
//! all share, where the connection is closed that has waited longest. The client that means well has an address of its own, opens a
//! connection for each page, and gives a second for it.

use std::net::SocketAddr;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

use super::Field;
use super::guests::HTTP;
use super::site::{self, LARGE_NAME, PAGE};
use crate::bench::http::{Client, GET};
use crate::bench::net::connections::asked;
use crate::bench::net::side::{Server, Side};
use crate::bench::process::Process;
use crate::error::{Context, Error, Result};
use crate::monitor::counters;

/// Connections of an attack, and how many are opened in a second.
const CONNECTIONS: &str = "1000";
const OPENED: &str = "500";
/// How long one attack lasts, and when there is no time.
const TIME: Duration = Duration::from_secs(20);
const TIME_QUICK: Duration = Duration::from_secs(6);
/// How long a page may take, and the pause before the next one.
const PATIENCE: Duration = Duration::from_secs(1);
const PAUSE: Duration = Duration::from_millis(50);

/// The attacks, with the words of slowhttptest that make them.
const ATTACKS: [(&str, &[&str]); 4] = [
    ("heads that never end (-H)", &["-H", "-i", "1", "-x", "24"]),
    ("bodies that never end (-B)", &["-B", "-i", "1", "-s", "8192", "-x", "10"]),
    ("responses that are hardly read (-X)", &["-X", "-w", "16", "-y", "64", "-n", "1", "-z", "8", "-k", "3"]),
    ("ranges that overlap (-R)", &["-R", "-t", "GET", "-a", "10", "-b", "3000"]),
];

/// What the client that means well has seen.
#[derive(Debug, Default)]
struct Seen {
    asked: u32,
    failures: Vec<Error>,
    worst: Duration,
}

/// All attacks on the image in two configurations, and on nginx.
pub(super) fn row(field: &Field<'_>) -> Result<()> {
    let unik = [(Side::Unik, "as it comes", ""), (Side::Unik, "all clients share one address", "net0.nat=1")];
    let linux = field.linux.as_ref().map(|_| (Side::Linux, "nginx", ""));
    for (side, what, words) in unik.into_iter().chain(linux) {
        let mut server = field.start(side, &field.guest(side, &site::of_both(), words)?)?;
        println!("a page while a thousand connections are slow, {side}, {what}");
        let (mut failures, mut before) = (0, counted(&server)?);
        for (attack, words) in ATTACKS {
            let seen = attacked(&server, words, if field.quick { TIME_QUICK } else { TIME });
            let seen = seen.map_err(|error| server.report(&error))?;
            let failed = seen.failures.len();
            println!(
                "  {attack:54} {} pages, {failed} failed, the slowest took {:.0} ms",
                seen.asked,
                seen.worst.as_secs_f64() * 1e3
            );
            if let Some(first) = seen.failures.first() {
                println!("    the first that failed: {first}");
            }
            failures += failed;
            let after = counted(&server)?;
            if let (Some(before), Some(after)) = (before, after) {
                let [connections, refused, displaced] =
                    [0, 1, 2].map(|index| after.get(index).unwrap_or(&0) - before.get(index).unwrap_or(&0));
                println!(
                    "    {connections} connections, {refused} of them refused, {displaced} closed for others"
                );
            }
            before = after;
        }
        if side == Side::Unik {
            field.verdict.judge(&format!("every page within {PATIENCE:?}"), failures == 0);
        }
    }
    Ok(())
}

/// What a page takes while so many connections are slow.
fn attacked(server: &Server, words: &[&str], time: Duration) -> Result<Seen> {
    let address = server.port(HTTP);
    let (mut seen, started) = (Seen::default(), Instant::now());
    let mut attacker = attack(address, words, time)?;
    while started.elapsed() < time {
        // It ends when all its connections are closed, and begins again.
        if matches!(attacker.0.try_wait(), Ok(Some(_))) {
            attacker = attack(address, words, time.saturating_sub(started.elapsed()))?;
        }
        let asked = Instant::now();
        let page = page(server, address);
        seen.worst = seen.worst.max(asked.elapsed());
        seen.asked += 1;
        seen.failures.extend(page.err());
        std::thread::sleep(PAUSE);
    }
    Ok(seen)
}

/// The connections of an image, those that it refused, and those that it closed for others, so far; nothing of Linux.
fn counted(server: &Server) -> Result<Option<[u64; 3]>> {
    if server.side == Side::Linux {
        return Ok(None);
    }
    let options = counters::Options { all: true, ..counters::Options::default() };
    let counted = asked(&server.monitor, &mut |guest, view| counters::run(guest, &options, view))?;
    let value = |name: &str| counted.get(name).and_then(Value::as_u64).unwrap_or_default();
    let names = ["httpd.connections", "httpd.connections_refused", "httpd.connections_displaced"];
    Ok(Some(names.map(value)))
}

/// One page over a connection of its own.
fn page(server: &Server, address: SocketAddr) -> Result<()> {
    let SocketAddr::V4(address) = address else { return Err(Error::failed("an address of IPv6")) };
    let response = Client::connect_from(server.side.wire().other_client(), address, PATIENCE)?.ask(GET)?;
    if response.code != 200 || response.contents.len() != PAGE {
        return Err(Error::failed(format!("not the page: {}", response.head)));
    }
    Ok(())
}

fn attack(address: SocketAddr, words: &[&str], time: Duration) -> Result<Process> {
    let mut command = Command::new("slowhttptest");
    command.args(["-c", CONNECTIONS, "-r", OPENED, "-l", &(time.as_secs() + 1).to_string(), "-p", "2"]);
    command.args(words).args(["-u", &format!("http://{address}/{LARGE_NAME}")]);
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    let doing = || "start slowhttptest ('apt-get install slowhttptest' brings it)".to_owned();
    command.spawn().map(Process).or_cannot(doing)
}
