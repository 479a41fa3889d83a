//! Frames that are sent into one device and counted where they come out, by another.
//!
//! The sender keeps a window of frames under way, so that a switch is asked for all that it can do. The last frame of each batch is a mark: where
//! it comes out, those before it have arrived, or never will. Only marks are read; how many frames arrived is what the kernel has counted at
//! the other device, since reading them would cost the processors that the switch is to have. Invariant: what counts has arrived within the time.

use std::fs::File;
use std::io::IoSlice;
use std::os::fd::{AsRawFd as _, OwnedFd};
use std::os::unix::fs::FileExt as _;
use std::thread::sleep;
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::sys::socket::{
    LinkAddr, MsgFlags, MultiHeaders, SockProtocol, recv, send, sendmmsg, setsockopt, sockopt,
};
use nix::sys::time::{TimeVal, TimeValLike as _};

use crate::bench::PATIENCE;
use crate::bench::net::raw;
use crate::error::{Context, Error, Result};

/// Frames that may be under way: what the queues of a card hold, several times.
pub(super) const WINDOW: u64 = 1024;
/// Frames of one system call.
const BATCH: usize = 64;
/// How long the sender leaves the processors to others when the window is full.
const PAUSE: Duration = Duration::from_micros(50);
/// How long no mark comes before all that is under way counts as lost.
const STALL: Duration = Duration::from_millis(100);
/// How long frames flow before they count.
const LEAD: Duration = Duration::from_millis(200);
/// How long nothing arrives before nothing will.
const REST: Duration = Duration::from_millis(50);
/// How long a frame is waited for before it is sent again, until the way is open.
const REPEAT: i64 = 20;

/// Where the type of a frame stands; the one for experiments (IEEE 802, 9.2.3), and that of marks, which a socket is for.
const TYPE: usize = 12;
const EXPERIMENT: [u8; 2] = [0x88, 0xb5];
const IPV6: [u8; 2] = [0x86, 0xdd];
const MARK: SockProtocol = SockProtocol::EthIpv6;

/// What became of frames.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Passed {
    /// Frames a second that arrived.
    pub(super) rate: f64,
    /// The part of the time in which the sender waited for room in the window. Where it never does, it is what is measured.
    pub(super) waited: f64,
    /// Frames that were sent, and those of them that never arrived, before and after the time that counts too.
    pub(super) sent: u64,
    pub(super) lost: u64,
}

/// A way from one device to another.
#[derive(Debug)]
pub(super) struct Load {
    near: OwnedFd,
    /// Where marks come out.
    marks: OwnedFd,
    /// What the kernel tells of the devices (proc(5), `/proc/net/dev`).
    devices: File,
    far: String,
}

impl Load {
    /// The way from `near` to `far`, once frames pass it in both directions as they are.
    ///
    /// # Errors
    /// They do not.
    pub(super) fn open(near: &str, far: &str) -> Result<Load> {
        let (there, back) = (frame(1, 2, EXPERIMENT, 1514), frame(2, 1, EXPERIMENT, 60));
        // Each station is heard before a frame goes there.
        pass(far, near, &back)?;
        pass(near, far, &there)?;
        pass(near, far, &frame(1, 2, EXPERIMENT, 60))?;
        let devices =
            File::open("/proc/thread-self/net/dev").or_cannot(|| "read what devices count".to_owned())?;
        let (near, marks) = (raw::sender(near)?, raw::receiver(far, MARK)?);
        Ok(Load { near, marks, devices, far: far.to_owned() })
    }

    /// Sends frames of so many octets, and counts for so long those that arrive.
    ///
    /// # Errors
    /// The device refuses them, or is gone.
    pub(super) fn run(&self, length: usize, time: Duration) -> Result<Passed> {
        while self.next_mark().is_some() {}
        let (before, started) = (self.arrived()?, Instant::now());
        let frame = frame(1, 2, EXPERIMENT, length);
        let mut headers = MultiHeaders::preallocate(BATCH, None);
        let (mut flow, mut first, mut waited) = (Flow::new(started), None, Duration::ZERO);
        let (rate, time) = loop {
            let now = Instant::now();
            while let Some(mark) = self.next_mark() {
                flow.settle(mark, now);
            }
            match first {
                None if now.duration_since(started) >= LEAD => first = Some((now, self.arrived()?)),
                Some((since, at_first)) if now.duration_since(since) >= time => {
                    let (arrived, elapsed) = (self.arrived()? - at_first, since.elapsed());
                    break (arrived as f64 / elapsed.as_secs_f64(), now.duration_since(started));
                }
                _ => {}
            }
            if !flow.has_room(now) {
                sleep(PAUSE);
                waited += now.elapsed();
                continue;
            }
            flow.sent += self.send(&frame, flow.sent, &mut headers)?;
        };
        let arrived = self.settle()?.saturating_sub(before);
        let waited = waited.as_secs_f64() / time.as_secs_f64();
        Ok(Passed { rate, waited, sent: flow.sent, lost: flow.sent.saturating_sub(arrived) })
    }

    /// Sends a batch behind so many that were sent before: how many frames that are.
    fn send(&self, frame: &[u8], before: u64, headers: &mut MultiHeaders<LinkAddr>) -> Result<u64> {
        let mut mark = frame.to_vec();
        let number = before + BATCH as u64;
        for (place, octet) in mark.iter_mut().skip(TYPE).zip(IPV6.into_iter().chain(number.to_be_bytes())) {
            *place = octet;
        }
        let mut messages = [[IoSlice::new(frame)]; BATCH];
        if let Some(last) = messages.last_mut() {
            *last = [IoSlice::new(&mark)];
        }
        let addresses: [Option<LinkAddr>; BATCH] = [None; BATCH];
        match sendmmsg(self.near.as_raw_fd(), headers, &messages, addresses, [], MsgFlags::empty()) {
            Ok(sent) => Ok(sent.count() as u64),
            // The queue of the device is full.
            Err(Errno::ENOBUFS) => Ok(0),
            Err(error) => Err(error).or_cannot(|| format!("send frames to {}", self.far)),
        }
    }

    /// The next mark that has come out: how many frames were sent up to it.
    fn next_mark(&self) -> Option<u64> {
        let mut octets = [0; TYPE + 2 + 8];
        let length = recv(self.marks.as_raw_fd(), &mut octets, MsgFlags::MSG_DONTWAIT).ok()?;
        octets.get(TYPE + 2..length)?.first_chunk().map(|number| u64::from_be_bytes(*number))
    }

    /// Frames that have arrived, once no more do.
    fn settle(&self) -> Result<u64> {
        let mut arrived = self.arrived()?;
        loop {
            sleep(REST);
            let now = self.arrived()?;
            if now == arrived {
                return Ok(arrived);
            }
            arrived = now;
        }
    }

    /// Frames that have arrived since the far device is there.
    fn arrived(&self) -> Result<u64> {
        let mut text = [0; 4096];
        let mut length = 0;
        while let Some(room) = text.get_mut(length..).filter(|room| !room.is_empty()) {
            match self
                .devices
                .read_at(room, length as u64)
                .or_cannot(|| "read what devices count".to_owned())?
            {
                0 => break,
                more => length += more,
            }
        }
        let text = String::from_utf8_lossy(text.get(..length).unwrap_or_default());
        received(&text, &self.far).ok_or_else(|| Error::failed(format!("nothing is told of {}", self.far)))
    }
}

/// Frames under way.
#[derive(Debug)]
struct Flow {
    sent: u64,
    /// Those that have arrived, or never will.
    settled: u64,
    /// When the last mark came out.
    heard: Instant,
}

impl Flow {
    fn new(now: Instant) -> Flow {
        Flow { sent: 0, settled: 0, heard: now }
    }

    /// Notes that a mark came out, up to which so many were sent.
    fn settle(&mut self, mark: u64, now: Instant) {
        (self.settled, self.heard) = (self.settled.max(mark.min(self.sent)), now);
    }

    /// Whether another batch may be sent.
    fn has_room(&mut self, now: Instant) -> bool {
        if now.duration_since(self.heard) > STALL {
            (self.settled, self.heard) = (self.sent, now);
        }
        self.sent - self.settled + BATCH as u64 <= WINDOW
    }
}

/// Sends a frame until it has come out at the other end as it was.
fn pass(from: &str, to: &str, frame: &[u8]) -> Result<()> {
    let doing = || format!("send frames from {from} to {to}");
    let (near, far) = (raw::sender(from)?, raw::receiver(to, SockProtocol::EthAll)?);
    setsockopt(&far, sockopt::ReceiveTimeout, &TimeVal::milliseconds(REPEAT)).or_cannot(doing)?;
    let (mut buffer, deadline) = ([0; 2048], Instant::now() + PATIENCE);
    while Instant::now() < deadline {
        // One that cannot be sent yet counts as lost.
        let _ = send(near.as_raw_fd(), frame, MsgFlags::empty());
        while let Ok(length) = recv(far.as_raw_fd(), &mut buffer, MsgFlags::empty()) {
            if buffer.get(..length) == Some(frame) {
                return Ok(());
            }
        }
    }
    Err(Error::failed(format!("no frame passes from {from} to {to}")))
}

/// A frame from one station to another.
fn frame(from: u8, to: u8, kind: [u8; 2], length: usize) -> Vec<u8> {
    let mut frame = Vec::with_capacity(length);
    for station in [to, from] {
        frame.extend_from_slice(&[2, 0, 0, 0, 0, station]);
    }
    frame.extend_from_slice(&kind);
    let rest = length.saturating_sub(frame.len());
    frame.extend((0..rest).map(|number| number as u8));
    frame
}

/// The frames that a device has received (proc(5), `/proc/net/dev`: octets, frames and so on behind its name and a colon).
fn received(text: &str, device: &str) -> Option<u64> {
    let mut lines = text.lines().filter_map(|line| line.split_once(':'));
    let (_, figures) = lines.find(|(name, _)| name.trim() == device)?;
    figures.split_whitespace().nth(1)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_device_is_found_by_its_whole_name() {
        let text =
            "Inter-|   Receive\n face |bytes    packets errs\n  far2: 7 8 0 0\n   far: 120       2    0 0\n";
        assert_eq!(received(text, "far"), Some(2));
        assert_eq!(received(text, "near"), None);
    }

    #[test]
    fn a_window_is_full_until_a_mark_comes_out_or_is_given_up() {
        let (start, batch) = (Instant::now(), BATCH as u64);
        let mut flow = Flow::new(start);
        assert!(flow.has_room(start));
        flow.sent = WINDOW;
        assert!(!flow.has_room(start));
        flow.settle(batch, start);
        assert!(flow.has_room(start));
        flow.sent += batch;
        assert!(!flow.has_room(start + STALL));
        assert!(flow.has_room(start + STALL + PAUSE));
        assert_eq!(flow.settled, flow.sent);
        // What no honest switch brings back makes no room.
        flow.settle(u64::MAX, start);
        assert_eq!(flow.settled, flow.sent);
    }

    #[test]
    fn a_frame_says_who_sends_it_and_is_as_long_as_was_asked() {
        let frame = frame(1, 2, EXPERIMENT, 60);
        assert_eq!((frame.len(), &frame[..14]), (60, &[2, 0, 0, 0, 0, 2, 2, 0, 0, 0, 0, 1, 0x88, 0xb5][..]));
    }
}
