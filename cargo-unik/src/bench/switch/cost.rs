//! The row about instructions: what a frame of 64 octets costs the switch. It is received, it is looked up where it goes, and it is sent by
//! another port; from the interrupt to the next sleep, with all that the machine does meanwhile.
//!
//! The frames come and go on two links whose other ends are held here.

use std::io::{Read as _, Write as _};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::PathBuf;
use std::process::Command;
use std::thread::sleep;

use super::Field;
use crate::bench::steps::{self, PAUSE};
use crate::bench::{ADDRESS, PATIENCE, guest, write};
use crate::error::{Context, Error, Result};
use crate::guest::Guest;
use crate::image::Image;
use crate::options::{Forward, Network, Protocol};
use crate::port::free_port;

/// Octets of a frame, without the check sequence that makes them 64.
pub(super) const LENGTH: usize = 60;
/// Bursts before the first that counts, and those that count.
const WARM: usize = 4;
const COUNTED: usize = 32;
/// Frames of a burst: one, and as many as a kick is to be enough for.
pub(super) const BURST: usize = 32;
/// The port of OpenFlow (OpenFlow 1.3.5, 6.3.1).
const OPENFLOW: u16 = 6653;

/// What a switch is told, what it is given, and the most instructions that a frame may cost where several come together.
struct Mode {
    name: &'static str,
    words: &'static str,
    program: &'static dyn Fn(u16) -> Result<()>,
    most: u64,
}

/// The switch has learned where frames go, or entries of a flow table say so, which the switch remembers having asked.
const MODES: [Mode; 2] = [
    Mode { name: "learning", words: "", program: &|_| Ok(()), most: 300 },
    Mode { name: "flow entry, cached", words: " openflow.listen=on", program: &program, most: 400 },
];

/// What a frame costs in each mode. It is written to `bench/switch.txt`.
pub(super) fn row(field: &Field<'_>) -> Result<()> {
    let mut text =
        "instructions a frame of 64 bytes from one port to another, from the interrupt to the next sleep (QEMU, -d exec, microvm)\n"
            .to_owned();
    for Mode { name, words, program, most } in MODES {
        let cost = |burst| {
            let frames = &|number| vec![frame(2, 1, number); burst];
            instructions(&field.image, &Trial { words, program, frames, burst })
        };
        let (alone, together) = (cost(1)?, cost(BURST)?);
        let line = format!("{name:20} alone {alone:>6}  each of {BURST} together {together:>6}\n");
        print!("{line}");
        text += &line;
        let bound = format!("at most {most} where {BURST} come together, and it is {together}");
        field.verdict.judge(&bound, together <= most);
    }
    write(field.workspace, "switch.txt", &text).map(drop)
}

/// Frames that a switch is given.
pub(super) struct Trial<'a> {
    /// What its configuration says beside its address.
    pub(super) words: &'a str,
    /// Programs it, through this port of the host.
    pub(super) program: &'a dyn Fn(u16) -> Result<()>,
    /// The frames of a burst, by its number, which leave as they came; how many there are.
    pub(super) frames: &'a dyn Fn(usize) -> Vec<Vec<u8>>,
    pub(super) burst: usize,
}

/// The instructions that a guest executes for each frame.
pub(super) fn instructions(image: &Image, trial: &Trial<'_>) -> Result<u64> {
    // Paths of Unix sockets are short (108 bytes), so these are not below the target folder.
    let path = |name| std::env::temp_dir().join(format!("unik-bench-{}-{name}", std::process::id()));
    let (mut one, mut other) = (Cable::new(path("one"))?, Cable::new(path("other"))?);
    let port = free_port()?;
    let guest = Guest {
        cmdline: format!("{ADDRESS}{}", trial.words),
        networks: vec![Network::User, Network::Link(one.path.clone()), Network::Link(other.path.clone())],
        forwards: vec![Forward { protocol: Protocol::Tcp, host: port, guest: OPENFLOW }],
        ..guest(image)
    };
    let trace = path("trace");
    let mut bursts_before = 0;
    let mut talk = |bursts: usize| {
        if bursts_before == 0 {
            (trial.program)(port)?;
        }
        // Each hears of the other, and both of what else is said at the start.
        other.send(&[frame(1, 2, 0)])?;
        one.expect(&frame(1, 2, 0))?;
        for number in bursts_before..bursts_before + bursts {
            sleep(PAUSE);
            let frames = (trial.frames)(number);
            one.send(&frames)?;
            frames.iter().try_for_each(|frame| other.expect(frame))?;
        }
        bursts_before += bursts;
        sleep(PAUSE);
        Ok(())
    };
    let counted = steps::count(&guest, &trace, "ready: vswitch", WARM, COUNTED, &mut talk)?;
    // The frame that is sent back first costs what others do.
    Ok(counted / (COUNTED * trial.burst + 1) as u64)
}

/// Puts two entries in the place of all that the switch has: what comes in by one port leaves by the other.
fn program(port: u16) -> Result<()> {
    let target = format!("tcp:127.0.0.1:{port}");
    ofctl(&["del-flows", &target])?;
    ofctl(&["add-flow", &target, "priority=10,in_port=1,actions=output:2"])?;
    ofctl(&["add-flow", &target, "priority=10,in_port=2,actions=output:1"])
}

/// Lets Open vSwitch's tool program a switch.
pub(super) fn ofctl(words: &[&str]) -> Result<()> {
    let mut command = Command::new("ovs-ofctl");
    command.args(["-O", "OpenFlow13"]).args(words);
    let output = command
        .output()
        .or_cannot(|| "start ovs-ofctl ('apt-get install openvswitch-common' brings it)".to_owned())?;
    let complaint = String::from_utf8_lossy(&output.stderr);
    output
        .status
        .success()
        .then_some(())
        .ok_or_else(|| Error::failed(format!("ovs-ofctl fails: {}", complaint.trim())))
}

/// A frame from one host to another.
fn frame(to: u8, from: u8, number: usize) -> Vec<u8> {
    let mut frame = [to, from].iter().flat_map(|host| [2, 0, 0, 0, 0, *host]).collect::<Vec<u8>>();
    // IEEE 802, 9.2.3: a type for experiments. What tells frames of one flow apart stands behind what is the same for all.
    frame.extend_from_slice(&[0x88, 0xb5, 0, 0, number as u8]);
    frame.resize(LENGTH, 0);
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

    /// Sends frames, each behind its length, as the link carries them.
    fn send(&mut self, frames: &[Vec<u8>]) -> Result<()> {
        let octets: Vec<u8> = frames
            .iter()
            .flat_map(|frame| [&(frame.len() as u32).to_be_bytes(), &frame[..]].concat())
            .collect();
        self.stream()?.write_all(&octets).or_cannot(|| "send frames".to_owned())
    }

    /// Takes frames until this one comes.
    fn expect(&mut self, expected: &[u8]) -> Result<()> {
        loop {
            let doing = || "receive a frame".to_owned();
            let mut length = [0; 4];
            self.stream()?.read_exact(&mut length).or_cannot(doing)?;
            let mut frame = vec![0; u32::from_be_bytes(length) as usize];
            self.stream()?.read_exact(&mut frame).or_cannot(doing)?;
            if frame == expected {
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
