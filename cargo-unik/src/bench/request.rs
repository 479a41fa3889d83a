//! Measures what a request of a page of 612 bytes costs the web server, in instructions, on connections that are kept: from the
//! interrupt to the next sleep, with all that TCP says meanwhile.

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::path::Path;
use std::thread::sleep;

use super::steps::{self, PAUSE};
use super::{ADDRESS, PATIENCE, guest};
use crate::error::{Context, Error, Result};
use crate::guest::Guest;
use crate::image::{self, Image, Profile, Request};
use crate::options::{Forward, Network, Protocol};
use crate::port::free_port;
use crate::workspace::Workspace;

/// Bytes of the page: as many as the one has that nginx comes with.
const LENGTH: usize = 612;
/// Rounds before the first that counts, and those that count.
const WARM: usize = 20;
const COUNTED: usize = 64;
/// Connections that ask at the same time.
const CROWD: usize = 16;

/// What is asked on each connection, as `wrk` does.
const REQUEST: &[u8] = b"GET / HTTP/1.1\r\nHost: 127.0.0.1:8080\r\n\r\n";

/// What a request costs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cost {
    /// Instructions of one that comes alone.
    pub alone: u64,
    /// Instructions of each of [`CROWD`] that come together, on as many connections.
    pub together: u64,
}

/// Builds the image and measures it.
///
/// # Errors
/// An image that does not build, or a guest that does not do its part.
pub fn measure(workspace: &Workspace) -> Result<Cost> {
    let folder = workspace.target.join("unik/bench/request");
    fs::create_dir_all(&folder).or_cannot(|| format!("make {}", folder.display()))?;
    fs::write(folder.join("index.html"), "x".repeat(LENGTH)).or_cannot(|| "write the page".to_owned())?;
    let site = image::pack(&folder, &workspace.target.join("unik/bench/request.data.cpio"))?;
    let app = workspace.app(Some("httpd"), &workspace.root)?;
    let request = Request::new(workspace, Profile::Release);
    let output = request.output.join("bench");
    let image = image::build(workspace, &app, &Request { output, ..request })?;
    Ok(Cost { alone: instructions(&image, &site, 1)?, together: instructions(&image, &site, CROWD)? })
}

/// The instructions that a guest executes for each request, where so many come together.
fn instructions(image: &Image, site: &Path, crowd: usize) -> Result<u64> {
    let host = free_port()?;
    let guest = Guest {
        initrd: Some(site.to_owned()),
        cmdline: format!("{ADDRESS} net0.nat=1"),
        networks: vec![Network::User],
        forwards: vec![Forward { protocol: Protocol::Tcp, host, guest: 80 }],
        ..guest(image)
    };
    let trace = std::env::temp_dir().join(format!("unik-bench-{}.trace", std::process::id()));
    let mut streams = Vec::new();
    let mut talk = |rounds: usize| {
        while streams.len() < crowd {
            streams.push(connect(host)?);
        }
        ask(&mut streams, rounds)
    };
    let counted = steps::count(&guest, &trace, "ready: httpd", WARM, COUNTED, &mut talk)?;
    Ok(counted / (COUNTED * crowd) as u64)
}

fn connect(port: u16) -> Result<TcpStream> {
    let doing = || format!("connect to 127.0.0.1:{port}");
    let stream = TcpStream::connect(("127.0.0.1", port)).or_cannot(doing)?;
    stream.set_nodelay(true).or_cannot(doing)?;
    stream.set_read_timeout(Some(PATIENCE)).or_cannot(doing)?;
    Ok(stream)
}

/// Asks for the page on each connection at once, so many times, and lets the guest sleep before and after.
fn ask(streams: &mut [TcpStream], rounds: usize) -> Result<()> {
    let doing = || "ask for the page".to_owned();
    for _ in 0..rounds {
        sleep(PAUSE);
        for stream in streams.iter_mut() {
            stream.write_all(REQUEST).or_cannot(doing)?;
        }
        for stream in streams.iter_mut() {
            let mut response = Vec::new();
            let mut piece = [0; 2048];
            while !is_whole(&response) {
                let length = stream.read(&mut piece).or_cannot(doing)?;
                if length == 0 {
                    return Err(Error::failed("the connection was closed"));
                }
                response.extend_from_slice(piece.get(..length).unwrap_or_default());
            }
            if !response.starts_with(b"HTTP/1.1 200 OK\r\n") {
                return Err(Error::failed("a response that is none"));
            }
        }
    }
    sleep(PAUSE);
    Ok(())
}

/// Whether a response has all its contents.
fn is_whole(response: &[u8]) -> bool {
    let end = response.windows(4).position(|window| window == b"\r\n\r\n");
    end.is_some_and(|end| response.len() >= end + 4 + LENGTH)
}
