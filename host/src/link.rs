//! A cable through a Unix socket: joins two processes, or a process and a virtual machine, without any privilege.
//!
//! Whoever comes first serves the path, the other one connects to it. The frames on the stream are those of QEMU
//! ([`framing`](crate::framing)), so `-netdev stream,server=off,addr.type=unix,addr.path=PATH` is an other end too, and
//! with `server=on`, if it comes first. A cable has two ends: a third that connects waits until the second has gone.
//!
//! While there is no other end, frames are lost (and counted), as on a cable that is not plugged in. The end that
//! serves takes the next other end when one goes; the end that connected stays unplugged.

use std::collections::VecDeque;
use std::io::{ErrorKind, IoSlice, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::rc::Rc;

use unik_net::{BatchNic, Frame, Nic, Offloads};
use unik_sched::counter::CounterSet;
use unik_sched::sync::Event;
use unik_virtio::{Buffer, Pool};

use crate::framing::{Decoder, Next, PREFIX, prefix};
use crate::path::{End, Served, open};
use crate::platform::{HostPlatform, Interest, Watch};
use crate::{Error, MTU, hardware_address};

/// The most frames that wait until the other end has read what it was sent.
const QUEUE_LIMIT: usize = 64;
/// Frames written by one system call.
const BATCH: usize = 16;
/// System calls of one search for a frame: a peer that sends rubbish does not hold up everything else.
const READS: usize = 4;
/// A frame without even an Ethernet header is none.
const SHORTEST: usize = 14;

unik_sched::counters! {
    /// What a link has done.
    pub struct LinkCounters {
        /// Frames received.
        received,
        /// Frames sent.
        transmitted,
        /// Received frames dropped since they are larger than a buffer.
        receive_too_long,
        /// Received frames dropped since they are shorter than an Ethernet header.
        receive_too_short,
        /// Times that nothing could be received for want of a buffer.
        receive_no_buffer,
        /// Frames given back since too many wait already.
        transmit_full,
        /// Frames lost since there was no other end, or it went before it had read them.
        transmit_unplugged,
        /// Frames dropped since they were to be cut into segments, which nobody here does.
        transmit_unsupported,
        /// Times that the other end came.
        plugged,
        /// Times that the other end went, or sent what is no sequence of frames.
        unplugged,
    }
}

/// Which end of a link this is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// The one that came first and serves the path.
    Server,
    /// The one that connected to it.
    Client,
}

/// A network card with a cable to another one.
pub struct Link {
    platform: Rc<HostPlatform>,
    served: Option<(Rc<Served>, Watch)>,
    peer: Option<Peer>,
    /// Frames to send, and the bytes of the first of them, prefix included, that have gone.
    queue: VecDeque<Buffer>,
    sent: usize,
    event: Event,
    /// Apart, so that frames which wait for sending never keep others from being received: else two ends that only
    /// send would wait for each other.
    to_receive: Pool,
    to_transmit: Pool,
    address: [u8; 6],
    counters: Rc<LinkCounters>,
}

struct Peer {
    stream: Rc<UnixStream>,
    watch: Watch,
    decoder: Decoder,
}

impl Link {
    /// Opens the link at `path`, with `buffers` buffers of 2 KiB in each direction.
    ///
    /// Serves the path where nobody does, connects to it otherwise. The socket of a process that has gone without removing it
    /// is replaced. The card's own address follows from the path and the role, so that both ends differ.
    ///
    /// # Errors
    /// The variants of [`Error`] that speak of links.
    pub fn try_new(platform: &Rc<HostPlatform>, path: &Path, buffers: usize) -> Result<Self, Error> {
        let end = open(path)?;
        let role: &[u8] = if matches!(end, End::Server(_)) { b"#server" } else { b"#client" };
        let event = Event::new();
        let mut link = Self {
            platform: platform.clone(),
            served: None,
            peer: None,
            queue: VecDeque::with_capacity(QUEUE_LIMIT),
            sent: 0,
            event: event.clone(),
            to_receive: Pool::heap(buffers),
            to_transmit: Pool::heap(buffers),
            address: hardware_address(&[path.as_os_str().as_encoded_bytes(), role].concat()),
            counters: Rc::default(),
        };
        match end {
            End::Server(served) => {
                let served = Rc::new(served);
                let watch = platform.watch(served.clone(), event);
                link.served = Some((served, watch));
            }
            End::Client(stream) => link.plug(stream),
        }
        Ok(link)
    }

    /// Which end this is.
    pub fn role(&self) -> Role {
        if self.served.is_some() { Role::Server } else { Role::Client }
    }

    /// Whether there is another end, as far as has been noticed.
    pub fn is_plugged(&self) -> bool {
        self.peer.is_some()
    }

    fn plug(&mut self, stream: UnixStream) {
        if stream.set_nonblocking(true).is_err() {
            return;
        }
        let stream = Rc::new(stream);
        let watch = self.platform.watch(stream.clone(), self.event.clone());
        self.peer = Some(Peer { stream, watch, decoder: Decoder::new(Buffer::CAPACITY) });
        self.counters.plugged.increment();
    }

    fn unplug(&mut self) {
        if self.peer.take().is_some() {
            self.counters.unplugged.increment();
        }
        self.counters.transmit_unplugged.add(self.queue.len() as u64);
        self.queue.clear();
        self.sent = 0;
    }

    /// Takes the other end, if there is none and one has come.
    fn accept(&mut self) {
        if self.peer.is_none()
            && let Some((served, _)) = &self.served
            && let Some(stream) = served.accept()
        {
            self.plug(stream);
        }
    }

    /// Sends what waits, as far as the other end has room.
    fn send(&mut self) {
        while !self.queue.is_empty() {
            let Some(peer) = &self.peer else { return self.unplug() };
            match write(&peer.stream, &self.queue, self.sent) {
                Ok(0) => return self.unplug(),
                Ok(written) => self.sent += written,
                Err(ErrorKind::Interrupted) => {}
                Err(ErrorKind::WouldBlock) => return,
                Err(_) => return self.unplug(),
            }
            while let Some(length) = self.queue.front().map(|frame| PREFIX + frame.len())
                && length <= self.sent
            {
                self.sent -= length;
                self.queue.pop_front();
                self.counters.transmitted.increment();
            }
        }
    }

    /// Reads more of the stream; false if there is nothing more for now.
    fn fill(&mut self) -> bool {
        let Some(peer) = &mut self.peer else { return false };
        match (&*peer.stream).read(peer.decoder.space()) {
            Ok(count @ 1..) => {
                peer.decoder.put(count);
                return true;
            }
            Err(error) if error.kind() == ErrorKind::Interrupted => return true,
            Err(error) if error.kind() == ErrorKind::WouldBlock => {}
            Ok(0) | Err(_) => self.unplug(),
        }
        false
    }
}

/// Writes the first frames of `queue`, each behind its prefix, from the byte `sent` on; returns how many bytes went.
fn write(mut stream: &UnixStream, queue: &VecDeque<Buffer>, sent: usize) -> Result<usize, ErrorKind> {
    let mut prefixes = [[0; PREFIX]; BATCH];
    for (bytes, frame) in prefixes.iter_mut().zip(queue) {
        *bytes = prefix(frame.len());
    }
    let mut slices = [IoSlice::new(&[]); 2 * BATCH];
    let pairs = prefixes.iter().zip(queue).flat_map(|(prefix, frame)| [&prefix[..], frame]);
    for (slice, bytes) in slices.iter_mut().zip(pairs) {
        *slice = IoSlice::new(bytes);
    }
    let mut slices = &mut slices[..];
    IoSlice::advance_slices(&mut slices, sent);
    stream.write_vectored(slices).map_err(|error| error.kind())
}

impl BatchNic for Link {}

impl Nic for Link {
    fn hardware_address(&self) -> [u8; 6] {
        self.address
    }

    fn mtu(&self) -> usize {
        MTU
    }

    fn receive(&mut self) -> Option<Frame> {
        self.send();
        self.accept();
        let Some(mut buffer) = self.to_receive.allocate() else {
            self.counters.receive_no_buffer.increment();
            return None;
        };
        let mut reads = 0;
        loop {
            match self.peer.as_mut()?.decoder.next() {
                Next::Frame(frame) if frame.len() < SHORTEST => self.counters.receive_too_short.increment(),
                Next::Frame(frame) => {
                    self.counters.received.increment();
                    return buffer.copy_from(frame).ok().map(|()| buffer.into());
                }
                Next::TooLong => self.counters.receive_too_long.increment(),
                Next::Nothing => {
                    reads += 1;
                    if reads > READS || !self.fill() {
                        return None;
                    }
                }
                Next::Broken => self.unplug(),
            }
        }
    }

    fn allocate(&mut self, _length: usize) -> Option<Buffer> {
        self.to_transmit.allocate()
    }

    fn transmit(&mut self, mut frame: Frame) -> Result<(), Frame> {
        if !frame.settle(Offloads::default()) {
            self.counters.transmit_unsupported.increment();
            return Ok(());
        }
        self.accept();
        if self.peer.is_none() {
            self.counters.transmit_unplugged.increment();
            return Ok(());
        }
        if self.queue.len() >= QUEUE_LIMIT {
            self.send();
        }
        if self.queue.len() >= QUEUE_LIMIT {
            self.counters.transmit_full.increment();
            return Err(frame);
        }
        self.queue.push_back(frame.buffer);
        Ok(())
    }

    fn flush(&mut self) {
        self.send();
    }

    fn arm(&mut self) -> bool {
        if let Some(peer) = &self.peer {
            peer.watch.arm(if self.queue.is_empty() { Interest::Read } else { Interest::ReadOrWrite });
            return peer.decoder.has_next();
        }
        if let Some((_, watch)) = &self.served {
            watch.arm(Interest::Read);
        }
        false
    }

    fn disarm(&mut self) {
        if let Some(peer) = &self.peer {
            peer.watch.disarm();
        }
        if let Some((_, watch)) = &self.served {
            watch.disarm();
        }
    }

    fn event(&self) -> Event {
        self.event.clone()
    }

    fn counters(&self) -> Rc<dyn CounterSet> {
        self.counters.clone()
    }
}
