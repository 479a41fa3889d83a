//! Measures what a DNS query costs, in instructions, and what the inspection channel adds to it while nobody listens.
//!
//! Two images that differ in one parameter of `main` are asked the same question one time after the other, under
//! `-icount`, where an instruction is a nanosecond of the guest's clock. At its end each tells what its tasks took; the
//! difference of a long and a short series, divided by the questions between them, is the cost of one.

use std::net::UdpSocket;
use std::path::Path;

use super::{ADDRESS, PATIENCE, QUESTION, REPEAT, guest};
use crate::console::Running;
use crate::error::{Context, Error, Result};
use crate::guest::Guest;
use crate::image::{self, Image, Profile, Request};
use crate::options::{Forward, Machine, Network, Protocol};
use crate::port::free_port;
use crate::workspace::Workspace;

/// Questions of the two series.
const SHORT: u64 = 100;
const LONG: u64 = 1100;
/// How often each is measured. The middle counts: a question that came twice, or two in one turn, are rare.
const ROUNDS: usize = 5;
/// What the images say at the end, in front of the number.
const SPENT: &str = "queries took ";

/// What a query costs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cost {
    /// Instructions without a channel in the image.
    pub without: u64,
    /// Instructions with a channel in the image and its device in the machine.
    pub with: u64,
}

/// Builds both images and measures them.
///
/// # Errors
/// An image that does not build, or a guest that does not do its part.
pub fn measure(workspace: &Workspace) -> Result<Cost> {
    let dns = workspace.app(Some("dns"), &workspace.root)?;
    let folder = dns.defaults.data.unwrap_or_else(|| dns.folder.join("zones"));
    let zones = image::pack(&folder, &workspace.target.join("unik/bench/query.data.cpio"))?;
    let build = |name: &str| {
        let app = workspace.app(Some(name), &workspace.root)?;
        let request = Request::new(workspace, Profile::Release);
        image::build(workspace, &app, &Request { output: request.output.join("bench"), ..request })
    };
    let socket = std::env::temp_dir().join(format!("unik-bench-{}.socket", std::process::id()));
    let without = middle(&build("account")?, &zones, None)?;
    let with = middle(&build("account_monitor")?, &zones, Some(&socket));
    let _ = std::fs::remove_file(socket);
    Ok(Cost { without, with: with? })
}

fn middle(image: &Image, zones: &Path, monitor: Option<&Path>) -> Result<u64> {
    let mut costs = Vec::new();
    for _ in 0..ROUNDS {
        let (short, long) = (spent(image, zones, monitor, SHORT)?, spent(image, zones, monitor, LONG)?);
        costs.push(long.saturating_sub(short) / (LONG - SHORT));
    }
    costs.sort_unstable();
    Ok(costs.get(ROUNDS / 2).copied().unwrap_or_default())
}

/// What the tasks of a guest took that was asked so often.
fn spent(image: &Image, zones: &Path, monitor: Option<&Path>, questions: u64) -> Result<u64> {
    let host = free_port()?;
    let guest = Guest {
        initrd: Some(zones.to_owned()),
        // The limit on answers is counted in, and not reached.
        cmdline: format!("{ADDRESS} dns.rrl=10000"),
        // The one with a power button: it ends an image that has no channel.
        machine: Machine::Q35,
        networks: vec![Network::User],
        forwards: vec![Forward { protocol: Protocol::Udp, host, guest: 53 }],
        monitor: monitor.map(Path::to_owned),
        extra: ["-icount", "shift=0,sleep=off"].map(Into::into).into(),
        ..guest(image)
    };
    let (mut running, mut qmp) = Running::start_controlled(&guest.command()?)?;
    running.line("ready: account", PATIENCE)?;
    if let Err(error) = ask(host, questions) {
        return Err(running.report(&error.to_string()));
    }
    // A guest may end before QEMU has said that the button was pressed; one that does not end is seen in the next line.
    let _ = qmp.power_down();
    let line = running.line(SPENT, PATIENCE)?;
    running.end(PATIENCE)?;
    let number = line.split_once(SPENT).and_then(|(_, rest)| rest.split(' ').next()?.parse().ok());
    number.ok_or_else(|| Error::failed(format!("no number in '{line}'")))
}

/// Asks one question after the other, and repeats what was lost.
fn ask(port: u16, questions: u64) -> Result<()> {
    let doing = || format!("ask 127.0.0.1:{port}");
    let socket = UdpSocket::bind(("127.0.0.1", 0)).or_cannot(doing)?;
    socket.connect(("127.0.0.1", port)).or_cannot(doing)?;
    socket.set_read_timeout(Some(REPEAT * 50)).or_cannot(doing)?;
    let mut answer = [0; 512];
    for _ in 0..questions {
        let tries = (0..60).any(|_| socket.send(QUESTION).is_ok() && socket.recv(&mut answer).is_ok());
        if !tries {
            return Err(Error::failed(format!("no answer from 127.0.0.1:{port}")));
        }
    }
    Ok(())
}
