//! Frames that a controller decides about, one by one: PACKET_IN and PACKET_OUT, against Open vSwitch in the Linux guest.
//!
//! The switch has one entry, for frames that no other one takes: they go to the controller, whole. The controller is a thread here, which
//! sends each out by port 2; another one sends frames into port 1, and a further one for each that has come out of port 2. Both switches
//! hang on the same two taps, one after the other. Invariant: a frame counts when it has arrived, once.

use std::io::{ErrorKind, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::fd::{AsRawFd as _, OwnedFd};
use std::path::PathBuf;
use std::sync::mpsc::{self, Receiver, Sender};
use std::thread;
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::sys::socket::{MsgFlags, SockProtocol, recv, send, setsockopt, sockopt::ReceiveTimeout};
use nix::sys::time::{TimeVal, TimeValLike as _};

use crate::bench::PATIENCE;
use crate::bench::net::namespace::Namespace;
use crate::bench::net::raw;
use crate::bench::net::side::{self, BUILD, RAM, Side};
use crate::bench::net::statistics::{Comparison, Samples};
use crate::bench::net::{Options, ROUNDS, ROUNDS_QUICK};
use crate::bench::rows::Verdict;
use crate::console::Running;
use crate::error::{Context, Error, Result};
use crate::guest::Guest;
use crate::image::Image;
use crate::options::Network;
use crate::workspace::Workspace;

/// What the row is called.
pub(super) const NAME: &str = "packet-in";
/// How often unik is to be as fast as Open vSwitch.
const BOUND: f64 = 2.0;
/// The taps of port 1 and of port 2.
const TAPS: [&str; 2] = ["first", "second"];
/// Frames under way.
const WINDOWS: [usize; 3] = [1, 16, 64];
/// The forwarding planes of Open vSwitch, of which the better one counts.
const DATAPATHS: [&str; 2] = ["netdev", "system"];
/// The port of the protocol (OpenFlow 1.3.5, 6.3.1).
const PORT: u16 = 6653;
/// Octets of a frame, without the check sequence that makes them 64.
const LENGTH: usize = 60;
/// How long a frame is waited for before it counts as lost.
const LOST: Duration = Duration::from_millis(300);
/// How often that may happen in a round: a switch that has just heard of its controller is not always ready for frames.
const LOSSES: usize = 50;
/// How long a round goes before it counts.
const LEAD: Duration = Duration::from_millis(300);

/// What is measured.
struct Field {
    image: Image,
    /// The folder of the Linux guest, where it is built and wanted.
    linux: Option<PathBuf>,
    taps: [OwnedFd; 2],
    duration: Duration,
    /// Tells rounds apart.
    round: u8,
}

/// Measures all windows on both sides, in turn.
///
/// # Errors
/// The Linux guest is wanted and not built.
pub(super) fn run(
    workspace: &Workspace,
    image: &Image,
    namespace: &Namespace,
    options: &Options,
) -> Result<u8> {
    let folder = workspace.target.join("peers/linux");
    let is_built = folder.join("tuned/initramfs.openvswitch").exists();
    if !is_built && !options.no_peer {
        return Err(Error::failed(format!("build the Linux guests first ({BUILD}), or say --no-peer")));
    }
    let linux = Some(folder).filter(|_| !options.no_peer);
    let sides: Vec<Side> = [Side::Unik].into_iter().chain(linux.as_ref().map(|_| Side::Linux)).collect();
    for side in &sides {
        namespace.lay(side.wire())?;
    }
    TAPS.iter().try_for_each(|tap| namespace.lay_bare(tap))?;
    let taps = [raw::receiver(TAPS[0], SockProtocol::EthAll)?, raw::receiver(TAPS[1], SockProtocol::EthAll)?];
    let patience = TimeVal::milliseconds(LOST.as_millis() as i64);
    setsockopt(&taps[1], ReceiveTimeout, &patience).or_cannot(|| format!("listen to {}", TAPS[1]))?;
    let (rounds, seconds) = if options.quick { (ROUNDS_QUICK, 1) } else { (ROUNDS, 3) };
    println!(
        "\n[{NAME}] frames of 64 octets that the controller sends on, QEMU under TCG, one processor and {RAM} each; \
         {rounds} rounds of {seconds} s a side, in turn"
    );
    let mut field =
        Field { image: image.clone(), linux, taps, duration: Duration::from_secs(seconds), round: 0 };
    let title = |window| format!("{window} under way (frames a second)");
    let mut rows = WINDOWS.map(|window| Comparison::new(title(window), &sides));
    let mut planes = Planes::default();
    for _ in 0..rounds {
        add(&mut rows, Side::Unik, field.measure(Side::Unik, ""));
        if field.linux.is_none() {
            continue;
        }
        let measured = DATAPATHS.map(|datapath| field.measure(Side::Linux, datapath));
        for (plane, measured) in planes.0.iter_mut().zip(&measured) {
            plane.add(measured);
        }
        let [one, other] = measured;
        add(&mut rows, Side::Linux, better(one, other));
    }
    Ok(tell(&rows, &planes))
}

/// The better figures of two forwarding planes.
fn better(one: Result<Rates>, other: Result<Rates>) -> Result<Rates> {
    match (one, other) {
        (Ok(one), Ok(other)) => {
            let mut rates = one;
            rates.iter_mut().zip(other).for_each(|(rate, other)| *rate = rate.max(other));
            Ok(rates)
        }
        (Ok(rates), Err(_)) | (Err(_), Ok(rates)) => Ok(rates),
        (Err(error), Err(_)) => Err(error),
    }
}

/// Frames a second, for each window.
type Rates = [f64; WINDOWS.len()];

fn add(rows: &mut [Comparison], side: Side, measured: Result<Rates>) {
    for (index, row) in rows.iter_mut().enumerate() {
        let rate = measured.clone().map(|rates| rates.get(index).copied().unwrap_or(0.0));
        row.add(side, rate);
    }
}

/// The figures of each forwarding plane.
#[derive(Default)]
struct Planes([Plane; DATAPATHS.len()]);

/// The figures of one, for each window, and why there was none in a round.
#[derive(Default)]
struct Plane {
    windows: [Samples; WINDOWS.len()],
    failure: Option<Error>,
}

impl Plane {
    fn add(&mut self, measured: &Result<Rates>) {
        match measured {
            Ok(rates) => self.windows.iter_mut().zip(rates).for_each(|(samples, rate)| samples.add(*rate)),
            Err(error) => self.failure = Some(error.clone()),
        }
    }
}

/// Tells the figures, and whether unik is as fast as it is to be.
fn tell(rows: &[Comparison], planes: &Planes) -> u8 {
    let verdict = Verdict::default();
    for (index, row) in rows.iter().enumerate() {
        verdict.show(row);
        for (datapath, plane) in DATAPATHS.iter().zip(&planes.0) {
            if let Some(best) = plane.windows.get(index).and_then(Samples::best) {
                println!("  of Open vSwitch, datapath_type={datapath}: {best:.0} at best");
            }
        }
        if let Some(ratio) = row.best_ratio() {
            verdict.judge(&format!("at least {BOUND} times Open vSwitch"), ratio >= BOUND);
        }
    }
    for (datapath, plane) in DATAPATHS.iter().zip(&planes.0) {
        if let Some(error) = &plane.failure {
            println!("  a round with datapath_type={datapath} brought no figure: {error}");
        }
    }
    verdict.code()
}

impl Field {
    /// Starts a switch and measures each window.
    fn measure(&mut self, side: Side, datapath: &str) -> Result<Rates> {
        let doing = || "listen for the switch".to_owned();
        let listener = TcpListener::bind((side.wire().host(), PORT)).or_cannot(doing)?;
        listener.set_nonblocking(true).or_cannot(doing)?;
        let mut running = Running::start(&self.guest(side, datapath)?.command()?)?;
        let ready = if side == Side::Unik { "ready: vswitch" } else { "ready: openvswitch" };
        running.line(ready, PATIENCE)?;
        let measured = self.measure_with(&listener);
        measured.map_err(|error| running.report(&error.to_string()))
    }

    /// The switch of a side.
    fn guest(&self, side: Side, datapath: &str) -> Result<Guest> {
        let wire = side.wire();
        let controller = SocketAddr::from((wire.host(), PORT));
        let guest = match (side, &self.linux) {
            (Side::Unik, _) => side::unik(&self.image)?,
            (Side::Linux, Some(folder)) => side::linux(folder, "openvswitch")?,
            (Side::Linux, None) => return Err(Error::failed("there is no Linux guest")),
        };
        let words = match side {
            Side::Unik => format!("openflow.controllers=tcp:{controller} openflow.fail=secure"),
            Side::Linux => format!("peer.controller={controller} peer.datapath={datapath}"),
        };
        let cmdline = format!("{} {words}", guest.cmdline);
        let taps = [wire.tap].into_iter().chain(TAPS);
        Ok(Guest { cmdline, networks: taps.map(|tap| Network::Tap(tap.to_owned())).collect(), ..guest })
    }

    fn measure_with(&mut self, listener: &TcpListener) -> Result<Rates> {
        let stream = accept(listener)?;
        let (ready, is_ready) = mpsc::channel();
        let end = stream.try_clone().or_cannot(|| "speak with the switch".to_owned())?;
        let controller = thread::spawn(move || control(stream, &ready));
        let rates = self.rates(&is_ready);
        let _ = end.shutdown(std::net::Shutdown::Both);
        let controlled =
            controller.join().unwrap_or_else(|_| Err(Error::failed("the controller has panicked")));
        rates.map_err(|error| controlled.err().unwrap_or(error))
    }

    fn rates(&mut self, is_ready: &Receiver<()>) -> Result<Rates> {
        let unready = |_| Error::failed("the switch does not do what the controller says");
        is_ready.recv_timeout(PATIENCE).map_err(unready)?;
        let mut rates = Rates::default();
        for (rate, window) in rates.iter_mut().zip(WINDOWS) {
            self.round = self.round.wrapping_add(1);
            *rate = flow(&self.taps, self.round, window, self.duration)?;
        }
        Ok(rates)
    }
}

/// Waits until the switch calls.
fn accept(listener: &TcpListener) -> Result<TcpStream> {
    let doing = || "wait for the switch".to_owned();
    let deadline = Instant::now() + PATIENCE;
    loop {
        match listener.accept() {
            Ok((stream, _)) => {
                stream.set_nonblocking(false).or_cannot(doing)?;
                stream.set_nodelay(true).or_cannot(doing)?;
                return Ok(stream);
            }
            Err(error) if error.kind() != ErrorKind::WouldBlock || Instant::now() > deadline => {
                return Err(error).or_cannot(doing);
            }
            Err(_) => thread::sleep(Duration::from_millis(1)),
        }
    }
}

/// Sends frames into one tap, as many as are to be under way, and a further one for each that comes out of the other; frames a second.
fn flow(taps: &[OwnedFd; 2], round: u8, window: usize, duration: Duration) -> Result<f64> {
    let [from, to] = taps;
    let mut number = 0_u32;
    let mut put = |count: usize| -> Result<()> {
        for _ in 0..count {
            number = number.wrapping_add(1);
            send(from.as_raw_fd(), &frame(round, number), MsgFlags::empty())
                .or_cannot(|| format!("send frames to {}", TAPS[0]))?;
        }
        Ok(())
    };
    put(window)?;
    let begin = Instant::now() + LEAD;
    let end = begin + duration;
    let (mut arrived, mut lost) = (0_u64, 0);
    loop {
        let mut space = [0; 2048];
        match recv(to.as_raw_fd(), &mut space, MsgFlags::empty()) {
            Ok(length) if is_of(&space[..length], round) => put(1)?,
            // Others have things to say too.
            Ok(_) => continue,
            // All that was under way is gone.
            Err(Errno::EAGAIN | Errno::EINTR) => {
                lost += 1;
                put(window)?;
                if lost > LOSSES {
                    return Err(Error::failed("no frame comes out of the switch"));
                }
                continue;
            }
            Err(error) => return Err(error).or_cannot(|| format!("receive frames from {}", TAPS[1])),
        }
        let now = Instant::now();
        if now >= end {
            return Ok(arrived as f64 / now.duration_since(begin).as_secs_f64());
        }
        arrived += u64::from(now >= begin);
    }
}

/// A frame of a protocol that nobody answers.
fn frame(round: u8, number: u32) -> [u8; LENGTH] {
    let mut frame = [0; LENGTH];
    // IEEE 802, 9.2.3: a type for experiments
    frame[..14].copy_from_slice(&[2, 0, 0, 0, 0, 2, 2, 0, 0, 0, 0, 1, 0x88, 0xb5]);
    frame[14] = round;
    frame[15..19].copy_from_slice(&number.to_be_bytes());
    frame
}

/// Whether a frame is one of this round.
fn is_of(frame: &[u8], round: u8) -> bool {
    frame.get(12..15) == Some(&[0x88, 0xb5, round])
}

/// OpenFlow 1.3, types of its messages (7.1), and a frame that no buffer holds.
const VERSION: u8 = 4;
const HELLO: u8 = 0;
const ERROR: u8 = 1;
const ECHO_REQUEST: u8 = 2;
const ECHO_REPLY: u8 = 3;
const PACKET_IN: u8 = 10;
const PACKET_OUT: u8 = 13;
const FLOW_MOD: u8 = 14;
const BARRIER_REQUEST: u8 = 20;
const BARRIER_REPLY: u8 = 21;
const NO_BUFFER: [u8; 4] = [0xff; 4];
const HEADER: usize = 8;

/// Is the controller of a switch, until the connection ends.
fn control(mut stream: TcpStream, ready: &Sender<()>) -> Result<()> {
    let doing = || "speak with the switch".to_owned();
    let mut out = Vec::new();
    message(&mut out, HELLO, 1, &[]);
    message(&mut out, FLOW_MOD, 2, &all_to_controller());
    message(&mut out, BARRIER_REQUEST, 3, &[]);
    let (mut input, mut filled) = (vec![0; 1 << 20], 0);
    loop {
        stream.write_all(&out).or_cannot(doing)?;
        out.clear();
        let count = stream.read(input.get_mut(filled..).unwrap_or_default()).or_cannot(doing)?;
        if count == 0 {
            return Ok(());
        }
        filled += count;
        let mut at = 0;
        while let Some(whole) = next(input.get(at..filled).unwrap_or_default()) {
            at += whole.len();
            answer(whole, &mut out, ready)?;
        }
        input.copy_within(at..filled, 0);
        filled -= at;
    }
}

/// The message that octets begin with, if all of it is there.
fn next(octets: &[u8]) -> Option<&[u8]> {
    let length = usize::from(u16::from_be_bytes([*octets.get(2)?, *octets.get(3)?])).max(HEADER);
    octets.get(..length)
}

/// Answers a message.
fn answer(whole: &[u8], out: &mut Vec<u8>, ready: &Sender<()>) -> Result<()> {
    let Some(([_, kind, _, _, xid @ ..], body)) = whole.split_first_chunk::<HEADER>() else { return Ok(()) };
    let xid = u32::from_be_bytes(*xid);
    match *kind {
        ECHO_REQUEST => message(out, ECHO_REPLY, xid, body),
        BARRIER_REPLY => {
            let _ = ready.send(());
        }
        PACKET_IN => {
            let body = packet_out(body).ok_or_else(|| Error::failed("a PACKET_IN makes no sense"))?;
            message(out, PACKET_OUT, xid, &body);
        }
        ERROR => return Err(Error::failed(format!("the switch refuses a message: {body:x?}"))),
        _ => {}
    }
    Ok(())
}

fn message(out: &mut Vec<u8>, kind: u8, xid: u32, body: &[u8]) {
    let [high, low] = ((HEADER + body.len()) as u16).to_be_bytes();
    out.extend_from_slice(&[VERSION, kind, high, low]);
    out.extend_from_slice(&xid.to_be_bytes());
    out.extend_from_slice(body);
}

/// The FLOW_MOD of a table-miss entry that sends frames to the controller, whole (OpenFlow 1.3.5, 5.4 and 7.3.4.1).
fn all_to_controller() -> Vec<u8> {
    // Cookie and mask, table 0, ADD, no timeouts, priority 0, no buffer, any port and group, no flags.
    let mut body = vec![0; 24];
    body.extend_from_slice(&[0xff; 12]);
    body.extend_from_slice(&[0; 4]);
    // A match without fields, then APPLY_ACTIONS.
    body.extend_from_slice(&[0, 1, 0, 4, 0, 0, 0, 0, 0, 4, 0, 24, 0, 0, 0, 0]);
    body.extend_from_slice(&output(0xffff_fffd));
    body
}

/// OpenFlow 1.3.5, 7.2.5: OFPAT_OUTPUT of the whole frame.
fn output(port: u32) -> [u8; 16] {
    let [a, b, c, d] = port.to_be_bytes();
    [0, 0, 0, 16, a, b, c, d, 0xff, 0xff, 0, 0, 0, 0, 0, 0]
}

/// What answers a PACKET_IN: the frame leaves by port 2 (OpenFlow 1.3.5, 7.4.1 and 7.3.7).
fn packet_out(packet_in: &[u8]) -> Option<Vec<u8>> {
    // Buffer, length, reason, table and cookie; then the match, whose padding is not counted in it, and two octets more.
    let length = usize::from(u16::from_be_bytes([*packet_in.get(18)?, *packet_in.get(19)?]));
    let frame = packet_in.get(16 + length.next_multiple_of(8) + 2..)?;
    let mut body = NO_BUFFER.to_vec();
    body.extend_from_slice(&[0, 0, 0, 1, 0, 16, 0, 0, 0, 0, 0, 0]);
    body.extend_from_slice(&output(2));
    body.extend_from_slice(frame);
    Some(body)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frame_that_comes_in_goes_out_by_port_2() {
        let sent = frame(7, 9);
        // Port 1 in the match, which is padded.
        let mut body = [&NO_BUFFER[..], &[0, 60, 0, 0], &[0; 8], &[0, 1, 0, 12, 0x80, 0, 0, 4]].concat();
        body.extend_from_slice(&[0, 0, 0, 1, 0, 0, 0, 0, 0, 0]);
        body.extend_from_slice(&sent);
        let (ready, _keep) = mpsc::channel();
        let (mut whole, mut out) = (Vec::new(), Vec::new());
        message(&mut whole, PACKET_IN, 5, &body);
        assert_eq!(next(&[&whole[..], &[4, 10]].concat()), Some(&whole[..]));
        assert_eq!(next(&whole[..whole.len() - 1]), None);
        answer(&whole, &mut out, &ready).unwrap();
        assert_eq!(out[..8], [4, 13, 0, 8 + 16 + 16 + 60, 0, 0, 0, 5]);
        assert_eq!(out[8..16], [0xff, 0xff, 0xff, 0xff, 0, 0, 0, 1]);
        assert_eq!(out[24..32], [0, 0, 0, 16, 0, 0, 0, 2]);
        assert!(out.ends_with(&sent) && is_of(&sent, 7) && !is_of(&sent, 8));
        assert!(answer(&[4, PACKET_IN, 0, 10, 0, 0, 0, 0, 0, 0], &mut out, &ready).is_err());
    }

    #[test]
    fn the_better_plane_counts_for_each_window() {
        let failed = || Err(Error::failed("no"));
        assert_eq!(better(Ok([1.0, 5.0, 3.0]), Ok([2.0, 4.0, 3.0])), Ok([2.0, 5.0, 3.0]));
        assert_eq!(better(failed(), Ok([1.0; 3])), Ok([1.0; 3]));
        assert!(better(failed(), failed()).is_err());
    }
}
