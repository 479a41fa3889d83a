//! Measures what the echo of one datagram costs, in instructions, from the interrupt to the next sleep: through a socket, and in
//! the buffer that it came in.
//!
//! The guest is warm, and sleeps when a datagram or a burst of them comes.

use std::net::UdpSocket;
use std::path::Path;
use std::thread::sleep;
use std::time::Duration;

use super::steps::{self, PAUSE};
use super::{ADDRESS, guest};
use crate::error::{Context, Error, Result};
use crate::guest::Guest;
use crate::image::{self, Image, Profile, Request};
use crate::options::{Forward, Network, Protocol};
use crate::port::free_port;
use crate::workspace::Workspace;

/// Bytes of a datagram.
const LENGTH: usize = 64;
/// Datagrams before the first that counts, and those that count.
const WARM: usize = 20;
const COUNTED: usize = 64;
/// Datagrams that come together.
const BURST: usize = 16;
/// How long an echo may take.
const ECHO: Duration = Duration::from_secs(2);

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
    Ok([cost("echo")?, cost("echo_in_place")?])
}

/// The instructions that a guest executes for each datagram, where so many come together.
fn instructions(image: &Image, trace: &Path, name: &str, burst: usize) -> Result<u64> {
    let host = free_port()?;
    let guest = Guest {
        cmdline: ADDRESS.to_owned(),
        networks: vec![Network::User],
        forwards: vec![Forward { protocol: Protocol::Udp, host, guest: 7 }],
        ..guest(image)
    };
    let mut talk = |datagrams| echo(host, datagrams, burst);
    let count = steps::count(&guest, trace, &format!("ready: {name}"), WARM, COUNTED, &mut talk)?;
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
