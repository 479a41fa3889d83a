//! The driver of virtio-console (virtio 1.2, 5.3), of which it uses one port.
//!
//! With several ports the device says over its control queues which of them there are and when somebody opens one on
//! the host; the first of ports 0 and 1 that it names is the channel. A device without that feature has port 0 alone,
//! which is always open. Bytes that the device writes are handed out in the buffer they came in, bytes to send are taken
//! in a buffer; the device returns it when the host has read it, so that a host that does not read fills the queue and
//! nothing else.
//!
//! Invariant: a device that breaks the rules of its queues is left alone from then on.

use alloc::rc::Rc;
use core::fmt;

use unik_sched::counter::CounterSet;
use unik_sched::sync::Event;
use unik_virtio::{Buffer, Device, Direction, Pool};
use virtio_drivers::{Hal, transport::Transport};

use crate::port::Port;

/// There are several ports and control queues (virtio 1.2, 5.3.3).
const FEATURE_MULTIPORT: u64 = 1 << 1;

/// The queues (virtio 1.2, 5.3.2): what a port receives stands before what it sends.
const PORTS: [usize; 2] = [0, 4];
const CONTROL_RECEIVE: usize = 2;
const CONTROL_TRANSMIT: usize = 3;
const QUEUE_SIZES: [u16; 6] = [RECEIVED, SENT, CONTROL, CONTROL, RECEIVED, SENT];

/// Buffers that wait for what the host sends, that hold what it has not read, and for control messages each way.
const RECEIVED: u16 = 2;
const SENT: u16 = 8;
const CONTROL: u16 = 4;

/// Bytes of a control message, and its events (virtio 1.2, 5.3.6.2): the port, the event, its value.
const CONTROL_MESSAGE: usize = 8;
const DEVICE_READY: u16 = 0;
const PORT_ADD: u16 = 1;
const PORT_REMOVE: u16 = 2;
const PORT_READY: u16 = 3;
const PORT_OPEN: u16 = 6;

unik_sched::counters! {
    /// What the driver of the channel's device has counted.
    pub struct ConsoleCounters {
        /// Bytes from the host.
        rx_bytes,
        /// Bytes to the host.
        tx_bytes,
        /// Times somebody opened the port on the host.
        opened,
        /// Control messages that made no sense, ignored.
        control_malformed,
        /// Control messages that could not be sent.
        control_dropped,
        /// Failures of the device; it is used no more after the first.
        failures,
    }
}

/// Why the device cannot be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Error(unik_virtio::Error);

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl core::error::Error for Error {}

/// A virtio-console device, as a pair of streams.
pub struct Console<H: Hal + 'static, T: Transport> {
    device: Device<H, T>,
    pool: Pool,
    event: Event,
    /// The number of the port and its receive queue, once the device has named it.
    port: Option<(u32, usize)>,
    open: bool,
    failed: bool,
    counters: Rc<ConsoleCounters>,
}

impl<H: Hal + 'static, T: Transport> Console<H, T> {
    /// Buffers that a pool for one device has to have.
    pub const BUFFERS: usize = (RECEIVED + SENT + 2 * CONTROL) as usize;

    /// Sets the device up and starts it. `event` is what the platform sets on the device's interrupt.
    ///
    /// # Errors
    /// The device refuses its set-up, or memory is lacking.
    pub fn try_new(mut transport: T, pool: Pool, event: Event) -> Result<Self, Error> {
        // How many queues there are depends on it, and they are set up right after features are agreed on.
        let multiport = transport.read_device_features() & FEATURE_MULTIPORT != 0;
        let queues = QUEUE_SIZES.get(..if multiport { QUEUE_SIZES.len() } else { 2 }).unwrap_or_default();
        let device = Device::try_new(transport, FEATURE_MULTIPORT, queues).map_err(Error)?;
        let multiport = device.features() & FEATURE_MULTIPORT != 0;
        let counters = Rc::new(ConsoleCounters::new());
        let mut console = Self { device, pool, event, port: None, open: false, failed: false, counters };
        if multiport {
            console.post(CONTROL_RECEIVE, CONTROL);
        } else {
            console.use_port(0);
            console.open = true;
        }
        console.mask();
        console.device.start();
        if multiport {
            console.control(0, DEVICE_READY, 1);
        }
        console.flush();
        Ok(console)
    }

    fn mask(&mut self) {
        for queue in 0..QUEUE_SIZES.len() {
            self.device.mask(queue);
        }
    }

    /// Handles control messages, as many as fit into the queue: what comes meanwhile is news. True when the port was opened
    /// or closed.
    #[inline(never)]
    fn follow_control(&mut self) -> bool {
        let mut restarted = false;
        for _ in 0..CONTROL {
            let Some(mut message) = self.complete(CONTROL_RECEIVE) else { break };
            let event = parse_control(&message);
            message.reset();
            if !self.failed {
                let _ = self.device.submit(CONTROL_RECEIVE, message, Direction::FromDevice);
            }
            let ours = self.port.map(|(port, _)| port);
            match event {
                Some((port, PORT_ADD, _)) => {
                    // One that was removed and is there again has its buffers still.
                    let used = ours == Some(port) || (ours.is_none() && self.use_port(port));
                    self.control(port, PORT_READY, u16::from(used));
                    if used {
                        self.control(port, PORT_OPEN, 1);
                    }
                }
                Some((port, PORT_OPEN, value)) if ours == Some(port) => {
                    self.open = value != 0;
                    self.counters.opened.add(u64::from(self.open));
                    restarted = true;
                }
                Some((port, PORT_REMOVE, _)) if ours == Some(port) => {
                    self.open = false;
                    restarted = true;
                }
                // Names, sizes of terminals, other ports.
                Some(_) => {}
                None => self.counters.control_malformed.increment(),
            }
        }
        restarted
    }

    /// Makes a port the channel. False where it has no queues here.
    fn use_port(&mut self, port: u32) -> bool {
        let Some(queue) = PORTS.get(port as usize) else { return false };
        self.port = Some((port, *queue));
        self.post(*queue, RECEIVED);
        true
    }

    /// Posts buffers to be received into.
    fn post(&mut self, queue: usize, count: u16) {
        for _ in 0..count {
            if let Some(buffer) = self.pool.allocate() {
                let _ = self.device.submit(queue, buffer, Direction::FromDevice);
            }
        }
    }

    /// Sends a control message.
    fn control(&mut self, port: u32, event: u16, value: u16) {
        while self.complete(CONTROL_TRANSMIT).is_some() {}
        let bytes = u64::from(port) | u64::from(event) << 32 | u64::from(value) << 48;
        let sent = self.pool.allocate().is_some_and(|mut message| {
            message.copy_from(&bytes.to_le_bytes()).is_ok()
                && self.device.submit(CONTROL_TRANSMIT, message, Direction::ToDevice).is_ok()
        });
        if !sent {
            self.counters.control_dropped.increment();
        }
    }

    /// Takes a buffer that the device is done with.
    fn complete(&mut self, queue: usize) -> Option<Buffer> {
        if self.failed {
            return None;
        }
        match self.device.complete(queue) {
            Ok(buffer) => buffer,
            // A device without control queues.
            Err(unik_virtio::Error::NoSuchQueue) => None,
            Err(error) => {
                self.failed = true;
                self.counters.failures.increment();
                log::error!("the inspection channel has failed and is used no more: {error}");
                None
            }
        }
    }
}

impl<H: Hal + 'static, T: Transport> Port for Console<H, T> {
    fn restarted(&mut self) -> bool {
        self.follow_control()
    }

    fn receive(&mut self) -> Option<Buffer> {
        let (_, queue) = self.port?;
        let bytes = self.complete(queue)?;
        self.counters.rx_bytes.add(bytes.len() as u64);
        Some(bytes)
    }

    fn give_back(&mut self, mut buffer: Buffer) {
        buffer.reset();
        if let Some((_, queue)) = self.port
            && !self.failed
        {
            // Refused by a queue that is dead; then nothing comes any more.
            let _ = self.device.submit(queue, buffer, Direction::FromDevice);
        }
    }

    fn allocate(&mut self) -> Option<Buffer> {
        let (_, queue) = self.port.filter(|_| self.open && !self.failed)?;
        while self.complete(queue + 1).is_some() {}
        if self.device.free(queue + 1) == 0 {
            return None;
        }
        self.pool.allocate()
    }

    fn send(&mut self, buffer: Buffer) {
        let Some((_, queue)) = self.port else { return };
        let length = buffer.len() as u64;
        if self.device.submit(queue + 1, buffer, Direction::ToDevice).is_ok() {
            self.counters.tx_bytes.add(length);
        }
    }

    fn flush(&mut self) {
        if !self.failed {
            for queue in 0..QUEUE_SIZES.len() {
                self.device.kick(queue);
            }
        }
    }

    fn is_drained(&mut self) -> bool {
        let Some((_, queue)) = self.port.filter(|_| !self.failed) else { return true };
        while self.complete(queue + 1).is_some() {}
        self.device.free(queue + 1) == self.device.queue_size(queue + 1)
    }

    fn arm(&mut self, listens: bool) -> bool {
        if self.failed {
            return false;
        }
        let mut news = self.device.unmask(CONTROL_RECEIVE);
        if let Some((_, queue)) = self.port {
            news |= listens && self.device.unmask(queue);
            // What was sent matters while there is no room for more, and only to somebody who listens: the device returns
            // all of it when a port is closed, which nobody takes before it is opened again.
            news |= self.open && self.device.free(queue + 1) == 0 && self.device.unmask(queue + 1);
        }
        news
    }

    fn disarm(&mut self) {
        self.device.acknowledge();
        self.event.try_take();
        self.mask();
    }

    fn event(&self) -> Event {
        self.event.clone()
    }

    fn counters(&self) -> Rc<dyn CounterSet> {
        self.counters.clone()
    }
}

/// Port, event and value of a control message; what follows (a name) is left alone.
fn parse_control(bytes: &[u8]) -> Option<(u32, u16, u16)> {
    let message = u64::from_le_bytes(bytes.get(..CONTROL_MESSAGE)?.try_into().ok()?);
    Some((message as u32, (message >> 32) as u16, (message >> 48) as u16))
}
