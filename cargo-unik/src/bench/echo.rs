//! Measures what the echo of one datagram costs, in instructions, from the interrupt to the next sleep: through a socket, and in
//! the buffer that it came in.
//!
//! QEMU names each instruction that the guest executes (`-d exec`, one instruction a block), so nothing is left out: interrupts,
//! the executor's turns, the driver. The guest is warm, and sleeps when a datagram or a burst of them comes.

use std::fs::File;
use std::io::{BufRead as _, BufReader};
use std::net::UdpSocket;
use std::path::Path;
use std::thread::sleep;
use std::time::Duration;

use super::{ADDRESS, PATIENCE, guest};
use crate::console::{Running, free_port};
use crate::error::{Context, Error, Result};
use crate::guest::Guest;
use crate::image::{self, Image, Profile, Request};
use crate::options::{Forward, Network, Protocol};
use crate::workspace::Workspace;

/// Bytes of a datagram.
const LENGTH: usize = 64;
/// Datagrams before the first that counts, and those that count.
const WARM: usize = 20;
const COUNTED: usize = 64;
/// Datagrams that come together.
const BURST: usize = 16;
/// How long the guest has to fall asleep. Executing one instruction at a time it takes a hundredth of that for an echo.
const PAUSE: Duration = Duration::from_millis(20);
/// How long an echo may take.
const ECHO: Duration = Duration::from_secs(2);
/// How QEMU is told to execute one instruction at a time, by old versions and by new ones.
const STEPS: [&str; 2] = ["singlestep on", "one-insn-per-tb on"];

/// What an echo costs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cost {
    /// Instructions of one that comes alone.
    pub alone: u64,
    /// Instructions of each of [`BURST`] that come together.
    pub together: u64,
}

/// Builds the images and measures them: with a socket, and in place.
///
/// # Errors
/// An image that does not build, or a guest that does not do its part.
pub fn measure(workspace: &Workspace) -> Result<[Cost; 2]> {
    let trace = std::env::temp_dir().join(format!("unik-bench-{}.trace", std::process::id()));
    let cost = |name: &str| -> Result<Cost> {
        let app = workspace.app(Some(name), &workspace.root)?;
        let request = Request::new(workspace, Profile::Release);
        let image =
            image::build(workspace, &app, &Request { output: request.output.join("bench"), ..request })?;
        Ok(Cost {
            alone: instructions(&image, &trace, name, 1)?,
            together: instructions(&image, &trace, name, BURST)?,
        })
    };
    let costs = [cost("echo"), cost("echo_in_place")];
    // What is left of it is of no use, and nobody misses what is not there.
    let _ = std::fs::remove_file(&trace);
    let [socket, in_place] = costs;
    Ok([socket?, in_place?])
}

/// The instructions that a guest executes for each datagram, where so many come together.
fn instructions(image: &Image, trace: &Path, name: &str, burst: usize) -> Result<u64> {
    let host = free_port(Protocol::Udp)?;
    let guest = Guest {
        cmdline: ADDRESS.to_owned(),
        networks: vec![Network::User],
        forwards: vec![Forward { protocol: Protocol::Udp, host, guest: 7 }],
        extra: vec!["-D".into(), trace.into()],
        ..guest(image)
    };
    let (mut running, mut qmp) = Running::start_controlled(&guest.command()?)?;
    running.line(&format!("ready: {name}"), PATIENCE)?;
    let mut counted = || {
        echo(host, WARM, burst)?;
        let steps = STEPS.iter().any(|command| qmp.tell(command).is_ok_and(|answer| answer.is_empty()));
        if !steps || !qmp.tell("log exec,nochain")?.is_empty() {
            return Err(Error::failed("this QEMU does not say which instructions it executes"));
        }
        echo(host, COUNTED, burst)?;
        qmp.tell("log none")
    };
    if let Err(error) = counted() {
        return Err(running.report(&error.to_string()));
    }
    drop(running);
    let doing = || format!("read {}", trace.display());
    let mut count = 0;
    for line in BufReader::new(File::open(trace).or_cannot(doing)?).lines() {
        count += u64::from(line.or_cannot(doing)?.starts_with("Trace "));
    }
    Ok(count / COUNTED as u64)
}

/// Has datagrams echoed, so many together, and lets the guest sleep before and after each burst.
fn echo(port: u16, datagrams: usize, burst: usize) -> Result<()> {
    let doing = || format!("have 127.0.0.1:{port} echo");
    let socket = UdpSocket::bind(("127.0.0.1", 0)).or_cannot(doing)?;
    socket.connect(("127.0.0.1", port)).or_cannot(doing)?;
    socket.set_read_timeout(Some(ECHO)).or_cannot(doing)?;
    for first in (0..datagrams).step_by(burst) {
        sleep(PAUSE);
        for number in first..first + burst {
            socket.send(&[number as u8; LENGTH]).or_cannot(doing)?;
        }
        let mut datagram = [0; 2 * LENGTH];
        for _ in 0..burst {
            let length = socket.recv(&mut datagram).or_cannot(doing)?;
            if length != LENGTH {
                return Err(Error::failed(format!("{length} bytes came back, not {LENGTH}")));
            }
        }
    }
    sleep(PAUSE);
    Ok(())
}
