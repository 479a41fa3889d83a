//! Measures what a frame of 64 bytes costs the switch in learning mode, in instructions: it is received, both its addresses are looked up, and it is sent by
//! another port. From the interrupt to the next sleep, with all that the machine does meanwhile.
//!
//! The frames come and go on two links whose other ends are held here.

use std::io::{Read as _, Write as _};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::PathBuf;
use std::thread::sleep;

use super::steps::{self, PAUSE};
use super::{ADDRESS, PATIENCE, guest};
use crate::error::{Context, Error, Result};
use crate::guest::Guest;
use crate::image::{self, Image, Profile, Request};
use crate::options::Network;
use crate::workspace::Workspace;

/// Bytes of a frame, without the check sequence that makes them 64.
const LENGTH: usize = 60;
/// Bursts before the first that counts, and those that count.
const WARM: usize = 4;
const COUNTED: usize = 32;
/// Frames of a burst: one, and as many as a kick is to be enough for.
const BURST: usize = 32;

/// What a frame costs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cost {
    /// Instructions of one that comes alone.
    pub alone: u64,
    /// Instructions of each of [`BURST`] that come together.
    pub together: u64,
}

/// Builds the image and measures it.
///
/// # Errors
/// An image that does not build, or a guest that does not do its part.
pub fn measure(workspace: &Workspace) -> Result<Cost> {
    let app = workspace.app(Some("vswitch"), &workspace.root)?;
    let request = Request::new(workspace, Profile::Release);
    let output = request.output.join("bench");
    let image = image::build(workspace, &app, &Request { output, ..request })?;
    Ok(Cost { alone: instructions(&image, 1)?, together: instructions(&image, BURST)? })
}

/// The instructions that a guest executes for each frame, where so many come together.
fn instructions(image: &Image, burst: usize) -> Result<u64> {
    // Paths of Unix sockets are short (108 bytes), so these are not below the target folder.
    let path = |name| std::env::temp_dir().join(format!("unik-bench-{}-{name}", std::process::id()));
    let (mut one, mut other) = (Cable::new(path("one"))?, Cable::new(path("other"))?);
    let guest = Guest {
        cmdline: ADDRESS.to_owned(),
        networks: vec![Network::User, Network::Link(one.path.clone()), Network::Link(other.path.clone())],
        ..guest(image)
    };
    let trace = path("trace");
    let mut talk = |bursts: usize| {
        // Each hears of the other, and both of what else is said at the start.
        other.send(&frame(1, 2, 0))?;
        one.expect(&frame(1, 2, 0))?;
        for number in 0..bursts {
            sleep(PAUSE);
            let frames = frame(2, 1, number).repeat(burst);
            one.send(&frames)?;
            for _ in 0..burst {
                other.expect(&frame(2, 1, number))?;
            }
        }
        sleep(PAUSE);
        Ok(())
    };
    let counted = steps::count(&guest, &trace, "ready: vswitch", WARM, COUNTED, &mut talk)?;
    // The frame that is sent back first costs what others do.
    Ok(counted / (COUNTED * burst + 1) as u64)
}

/// A frame from one host to another, behind its length, as the link carries it.
fn frame(to: u8, from: u8, number: usize) -> Vec<u8> {
    let mut frame = (LENGTH as u32).to_be_bytes().to_vec();
    for host in [to, from] {
        frame.extend_from_slice(&[2, 0, 0, 0, 0, host]);
    }
    // IEEE 802, 9.2.3: a type for experiments. What tells frames of one flow apart stands behind what is the same for all.
    frame.extend_from_slice(&[0x88, 0xb5, 0, 0, number as u8]);
    frame.resize(4 + LENGTH, 0);
    frame
}

/// The other end of a link.
struct Cable {
    path: PathBuf,
    listener: UnixListener,
    stream: Option<UnixStream>,
}

impl Cable {
    fn new(path: PathBuf) -> Result<Cable> {
        // One that is not there is none that is in the way.
        let _ = std::fs::remove_file(&path);
        let listener = UnixListener::bind(&path).or_cannot(|| format!("listen at {}", path.display()))?;
        Ok(Cable { path, listener, stream: None })
    }

    fn stream(&mut self) -> Result<&mut UnixStream> {
        let doing = || "wait for the guest's end of a link".to_owned();
        if self.stream.is_none() {
            let (stream, _) = self.listener.accept().or_cannot(doing)?;
            stream.set_read_timeout(Some(PATIENCE)).or_cannot(doing)?;
            self.stream = Some(stream);
        }
        self.stream.as_mut().ok_or_else(|| Error::failed("there is no link"))
    }

    fn send(&mut self, frames: &[u8]) -> Result<()> {
        self.stream()?.write_all(frames).or_cannot(|| "send frames".to_owned())
    }

    /// Takes frames until this one comes.
    fn expect(&mut self, expected: &[u8]) -> Result<()> {
        loop {
            let doing = || "receive a frame".to_owned();
            let mut length = [0; 4];
            self.stream()?.read_exact(&mut length).or_cannot(doing)?;
            let mut frame = vec![0; u32::from_be_bytes(length) as usize];
            self.stream()?.read_exact(&mut frame).or_cannot(doing)?;
            if Some(&frame[..]) == expected.get(4..) {
                return Ok(());
            }
        }
    }
}

impl Drop for Cable {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.path);
    }
}
