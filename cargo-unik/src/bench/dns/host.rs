//! The row about queries a second without machines: the appliance as an ordinary process at a tap, and NSD at a virtual cable.

use std::path::Path;
use std::process::{Command, Stdio};

use super::Field;
use super::guests::{DNS, first_answer};
use super::rate::Answering;
use super::zone::Zone;
use crate::bench::REPEAT;
use crate::bench::net::namespace::Wire;
use crate::bench::net::side::{Side, program};
use crate::bench::process::{self, Process};
use crate::error::{Context, Result};

/// The wires of the two processes.
const TAP: Wire = Wire::new("process", 92);
const CABLE: Wire = Wire::new("cable", 93);
/// The other end of [`CABLE`].
const OTHER: &str = "nsd";

/// Both sides as processes.
pub(super) fn row(field: &Field<'_>) -> Result<()> {
    let zone = Zone::of_peer();
    let zones = field.pack("peer", &zone)?;
    field.namespace.lay_for_process(TAP)?;
    let unik = start_unik(field, &zones)?;
    let mut answering = vec![Answering { side: Side::Unik, address: TAP.port(DNS), process: unik.0.id() }];
    let nsd = field.linux.as_deref().map(|folder| start_nsd(field, folder, &zone)).transpose()?;
    if let Some(nsd) = &nsd {
        answering.push(Answering { side: Side::Linux, address: CABLE.port(DNS), process: nsd.0.id() });
    }
    for one in &answering {
        first_answer(one.address, REPEAT)?;
    }
    field.compare("queries answered by processes, dnsperf, 1,000 names (1/s)", &answering)
}

fn start_unik(field: &Field<'_>, zones: &Path) -> Result<Process> {
    let mut command = Command::new(field.workspace.target.join("release/dns"));
    command.arg(format!("--net=tap:{}", TAP.tap)).arg("--data").arg(zones);
    command.args([format!("net0.ip={}/24", TAP.guest()), format!("net0.gateway={}", TAP.host())]);
    command.arg("dns.rrl=off").stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    command.spawn().map(Process).or_cannot(|| "start dns".to_owned())
}

/// NSD in a network namespace of its own, which begins once the cable into it is there.
fn start_nsd(field: &Field<'_>, folder: &Path, zone: &Zone) -> Result<Process> {
    let home = field.workspace.target.join("unik/bench/dns/nsd");
    std::fs::create_dir_all(&home).or_cannot(|| format!("make {}", home.display()))?;
    std::fs::write(home.join("example.org.zone"), zone.text()).or_cannot(|| "write a zone".to_owned())?;
    let file = home.join("nsd.conf");
    std::fs::write(&file, configuration(&home)).or_cannot(|| format!("write {}", file.display()))?;
    let options = ["-d".to_owned(), "-c".to_owned(), file.display().to_string()];
    let words = program(&folder.join("tree"), "usr/sbin/nsd").into_iter().chain(options);
    process::behind_cable(&field.namespace, CABLE, OTHER, words)
}

/// As in the Linux guest: one process that serves, nothing written, nothing limited.
fn configuration(home: &Path) -> String {
    format!(
        "server:\n server-count: 1\n ip-address: {}\n zonesdir: \"{home}\"\n database: \"\"\n pidfile: \"\"\n username: \"\"\n \
         logfile: \"{home}/log\"\n xfrdfile: \"\"\n zonelistfile: \"{home}/zone.list\"\n xfrdir: \"{home}\"\n rrl-ratelimit: 0\n\
         remote-control:\n control-enable: no\nzone:\n name: \"example.org\"\n zonefile: \"example.org.zone\"\n",
        CABLE.guest(),
        home = home.display()
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nsd_is_told_where_its_zone_is_and_to_limit_nothing() {
        let text = configuration(Path::new("/a/b"));
        assert!(text.contains("\n zonesdir: \"/a/b\"\n"), "{text}");
        assert!(text.contains("\n rrl-ratelimit: 0\nremote-control:\n"), "{text}");
    }
}
