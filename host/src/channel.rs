//! The inspection channel of a process: a Unix socket that tools connect to, one at a time.

use std::collections::VecDeque;
use std::io::{ErrorKind, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::rc::Rc;

use unik_monitor::Port;
use unik_sched::counter::CounterSet;
use unik_sched::sync::Event;
use unik_virtio::{Buffer, Pool};

use crate::Error;
use crate::path::{End, Served, open};
use crate::platform::{HostPlatform, Interest, Watch};

/// Buffers that hold what the tool has not read yet.
const QUEUE_LIMIT: usize = 8;
/// And those that hold what it has sent.
const RECEIVED: usize = 2;

unik_sched::counters! {
    /// What a channel has done.
    pub struct ChannelCounters {
        /// Bytes from the tool.
        rx_bytes,
        /// Bytes to the tool.
        tx_bytes,
        /// Times that a tool connected.
        opened,
    }
}

/// The socket, and the tool that is connected to it.
pub struct Channel {
    platform: Rc<HostPlatform>,
    served: Rc<Served>,
    served_watch: Watch,
    peer: Option<Peer>,
    /// The peer came or went, and nobody was told.
    restarted: bool,
    /// Bytes to send, and how many of the first buffer have gone.
    queue: VecDeque<Buffer>,
    sent: usize,
    pool: Pool,
    event: Event,
    counters: Rc<ChannelCounters>,
}

struct Peer {
    stream: Rc<UnixStream>,
    watch: Watch,
}

impl Channel {
    /// Serves the channel at `path`. The socket of a process that has gone without removing it is replaced.
    ///
    /// # Errors
    /// [`Error::ChannelTaken`], and those of links that speak of their path.
    pub fn try_new(platform: &Rc<HostPlatform>, path: &Path) -> Result<Self, Error> {
        let End::Server(served) = open(path)? else { return Err(Error::ChannelTaken) };
        let (served, event) = (Rc::new(served), Event::new());
        Ok(Self {
            platform: platform.clone(),
            served_watch: platform.watch(served.clone(), event.clone()),
            served,
            peer: None,
            restarted: false,
            queue: VecDeque::with_capacity(QUEUE_LIMIT),
            sent: 0,
            pool: Pool::heap(QUEUE_LIMIT + RECEIVED),
            event,
            counters: Rc::default(),
        })
    }

    fn plug(&mut self, stream: UnixStream) {
        if stream.set_nonblocking(true).is_ok() {
            let stream = Rc::new(stream);
            let watch = self.platform.watch(stream.clone(), self.event.clone());
            self.peer = Some(Peer { stream, watch });
            self.restarted = true;
            self.counters.opened.increment();
        }
    }

    fn unplug(&mut self) {
        self.restarted |= self.peer.take().is_some();
        self.queue.clear();
        self.sent = 0;
    }
}

impl Port for Channel {
    fn restarted(&mut self) -> bool {
        if self.peer.is_none()
            && let Some(stream) = self.served.accept()
        {
            self.plug(stream);
        }
        std::mem::take(&mut self.restarted)
    }

    fn receive(&mut self) -> Option<Buffer> {
        let peer = self.peer.as_ref()?;
        let mut buffer = self.pool.allocate()?;
        // A new buffer takes as much.
        let _ = buffer.set_len(Buffer::CAPACITY);
        match (&*peer.stream).read(&mut buffer) {
            Ok(length @ 1..) => {
                self.counters.rx_bytes.add(length as u64);
                buffer.set_len(length).ok().map(|()| buffer)
            }
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted) => None,
            Ok(_) | Err(_) => {
                self.unplug();
                None
            }
        }
    }

    fn give_back(&mut self, buffer: Buffer) {
        drop(buffer);
    }

    fn allocate(&mut self) -> Option<Buffer> {
        let free = self.peer.is_some() && self.queue.len() < QUEUE_LIMIT;
        if free { self.pool.allocate() } else { None }
    }

    fn send(&mut self, buffer: Buffer) {
        if self.peer.is_some() {
            self.queue.push_back(buffer);
        }
    }

    fn flush(&mut self) {
        while let (Some(peer), Some(first)) = (&self.peer, self.queue.front()) {
            match (&*peer.stream).write(first.get(self.sent..).unwrap_or_default()) {
                Ok(written @ 1..) => {
                    self.sent += written;
                    self.counters.tx_bytes.add(written as u64);
                    if self.sent >= first.len() {
                        self.queue.pop_front();
                        self.sent = 0;
                    }
                }
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) if error.kind() == ErrorKind::WouldBlock => return,
                Ok(_) | Err(_) => return self.unplug(),
            }
        }
    }

    fn is_drained(&mut self) -> bool {
        self.queue.is_empty()
    }

    fn arm(&mut self, listens: bool) -> bool {
        match &self.peer {
            Some(peer) => peer.watch.arm(match (listens, self.queue.is_empty()) {
                (true, true) => Interest::Read,
                (true, false) => Interest::ReadOrWrite,
                (false, _) => Interest::Write,
            }),
            None => self.served_watch.arm(Interest::Read),
        }
        self.restarted
    }

    fn disarm(&mut self) {
        if let Some(peer) = &self.peer {
            peer.watch.disarm();
        }
        self.served_watch.disarm();
        self.event.try_take();
    }

    fn event(&self) -> Event {
        self.event.clone()
    }

    fn counters(&self) -> Rc<dyn CounterSet> {
        self.counters.clone()
    }
}
