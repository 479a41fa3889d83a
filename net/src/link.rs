//! smoltcp's view of the card: tokens over owned buffers, no copy in between.
//!
//! A received frame stays in the buffer that the device filled while smoltcp parses it; a frame to send is written
//! by smoltcp into the buffer that the device will read. When there is no room to send, received frames are still
//! handled and only the answers to them are dropped (and counted): a full transmit queue must not stop the stack
//! from hearing the acknowledgements that it waits for.

use alloc::{boxed::Box, rc::Rc, vec};

use smoltcp::{
    phy::{Device, DeviceCapabilities, Medium, RxToken, TxToken},
    time::Instant,
};
use unik_virtio::Buffer;

use crate::{
    capture::{Direction, Witness},
    counters::NetCounters,
    glance::Segment,
    nic::{Frame, Nic},
    tcp::meter::Meter,
};

/// Bytes of an Ethernet header: two addresses and a type.
pub(crate) const ETHERNET_HEADER: usize = 14;

/// The card and the frames on their way between it and smoltcp.
pub(crate) struct Link {
    pub(crate) nic: Box<dyn Nic>,
    /// The time of the turn, or of the call of a socket, in which frames pass.
    pub(crate) now: unik_sched::time::Instant,
    /// Who is shown every frame.
    pub(crate) witness: Option<Box<dyn Witness>>,
    /// What measures the connection in hand by the segments that it sends.
    pub(crate) meter: Option<Meter>,
    /// The received frame to be handled next.
    incoming: Option<Frame>,
    /// The buffer that the next frame to send will be written to.
    spare: Option<Buffer>,
    /// A complete frame that the card had no room for.
    held: Option<Frame>,
    /// The card had no room when it was last asked.
    blocked: bool,
    /// Frames were given to the card that it was not told of.
    untold: bool,
    frame_limit: usize,
    /// Where a frame is written that nobody will see.
    discarded: Box<[u8]>,
    counters: Rc<NetCounters>,
}

impl Link {
    pub(crate) fn new(nic: Box<dyn Nic>, counters: Rc<NetCounters>) -> Self {
        let frame_limit = nic.mtu().min(Buffer::CAPACITY - ETHERNET_HEADER) + ETHERNET_HEADER;
        Link {
            nic,
            now: unik_sched::time::Instant::ZERO,
            witness: None,
            meter: None,
            incoming: None,
            spare: None,
            held: None,
            blocked: false,
            untold: false,
            frame_limit,
            discarded: vec![0; frame_limit].into(),
            counters,
        }
    }

    /// Takes the next frame from the card and shows it. It is then handled by `receive`.
    pub(crate) fn take_in(&mut self) -> Option<&[u8]> {
        let frame = self.nic.receive()?;
        self.counters.rx_frames.increment();
        self.counters.rx_bytes.add(frame.buffer.len() as u64);
        self.show(Direction::Received, &frame.buffer);
        Some(&self.incoming.insert(frame).buffer)
    }

    /// Drops the received frame in hand.
    pub(crate) fn ignore(&mut self) {
        self.incoming = None;
    }

    /// Who has sent the received frame in hand: the hardware address.
    pub(crate) fn sender(&self) -> Option<[u8; 6]> {
        self.incoming.as_ref()?.buffer.get(6..)?.first_chunk().copied()
    }

    /// The received frame in hand, for another part of the stack than smoltcp.
    pub(crate) fn in_hand(&mut self) -> Option<&mut Frame> {
        self.incoming.as_mut()
    }

    /// Bytes of the longest frame to send.
    pub(crate) fn frame_limit(&self) -> usize {
        self.frame_limit
    }

    /// Sends the received frame in hand, which now holds the answer; drops and counts it when there is no room.
    pub(crate) fn send_back(&mut self) {
        let Some(frame) = self.incoming.take() else { return };
        if self.held.is_some() {
            self.counters.tx_replies_dropped.increment();
            return;
        }
        self.show(Direction::Sent, &frame.buffer);
        self.transmit(frame);
    }

    /// Shows a frame that passes to whoever looks at frames.
    fn show(&mut self, direction: Direction, frame: &[u8]) {
        if let Some(witness) = &self.witness {
            witness.see(direction, self.now, frame);
        }
    }

    /// Makes sure that one frame can be sent. False when the card has no room: it will tell when it has.
    pub(crate) fn reserve(&mut self) -> bool {
        if let Some(frame) = self.held.take()
            && !self.transmit(frame)
        {
            return false;
        }
        if self.spare.is_none() {
            self.spare = self.nic.allocate(self.frame_limit);
        }
        let ready = self.spare.is_some();
        if !ready && !self.blocked {
            self.counters.tx_blocked.increment();
        }
        self.blocked = !ready;
        ready
    }

    /// What the stack counts.
    pub(crate) fn counters(&self) -> &Rc<NetCounters> {
        &self.counters
    }

    /// Whether the card had no room when it was last asked.
    pub(crate) fn is_blocked(&self) -> bool {
        self.blocked
    }

    /// Whether the card has room and knows of all frames.
    pub(crate) fn is_settled(&self) -> bool {
        !self.blocked && !self.untold
    }

    /// Tells the card of the frames that it was given, and lets it have buffers to receive into.
    pub(crate) fn flush(&mut self) {
        self.untold = false;
        self.nic.flush();
    }

    /// The buffer of a frame to send. `None`, and counted, when there is no room for it.
    #[inline(never)]
    fn begin(&mut self, length: usize) -> Option<Buffer> {
        let free = if self.held.is_none() { self.spare.take() } else { None };
        if let Some(mut frame) = free
            && frame.set_len(length).is_ok()
        {
            return Some(frame);
        }
        self.counters.tx_replies_dropped.increment();
        None
    }

    /// Sends a new frame, or holds it until the card has room.
    fn send(&mut self, frame: Frame) {
        self.show(Direction::Sent, &frame.buffer);
        if let Some(meter) = &mut self.meter
            && let Some(segment) = Segment::of(&frame.buffer)
        {
            meter.sent(segment.sequence, segment.length, self.now);
            meter.told(segment.acknowledgement);
        }
        self.transmit(frame);
    }

    /// Gives a frame to the card, for the first time or once more.
    fn transmit(&mut self, frame: Frame) -> bool {
        let bytes = frame.buffer.len() as u64;
        match self.nic.transmit(frame) {
            Ok(()) => {
                self.untold = true;
                self.counters.tx_frames.increment();
                self.counters.tx_bytes.add(bytes);
                true
            }
            Err(frame) => {
                self.held = Some(frame);
                if !self.blocked {
                    self.counters.tx_blocked.increment();
                }
                self.blocked = true;
                false
            }
        }
    }
}

impl Device for Link {
    type RxToken<'a> = Received;
    type TxToken<'a> = Slot<'a>;

    fn receive(&mut self, _: Instant) -> Option<(Received, Slot<'_>)> {
        let frame = self.incoming.take()?;
        self.reserve();
        Some((Received(frame), Slot(self)))
    }

    fn transmit(&mut self, _: Instant) -> Option<Slot<'_>> {
        self.reserve().then_some(Slot(self))
    }

    fn capabilities(&self) -> DeviceCapabilities {
        let mut capabilities = DeviceCapabilities::default();
        capabilities.medium = Medium::Ethernet;
        capabilities.max_transmission_unit = self.frame_limit;
        capabilities
    }
}

/// A received frame.
pub(crate) struct Received(Frame);

impl RxToken for Received {
    fn consume<R, F: FnOnce(&[u8]) -> R>(self, handle: F) -> R {
        handle(&self.0.buffer)
    }
}

/// Room for one frame to send, or the lack of it.
pub(crate) struct Slot<'a>(&'a mut Link);

impl TxToken for Slot<'_> {
    fn consume<R, F: FnOnce(&mut [u8]) -> R>(self, length: usize, fill: F) -> R {
        // `fill` stands here once: it is different for every kind of packet.
        let mut frame = self.0.begin(length);
        let bytes = match &mut frame {
            Some(frame) => &mut **frame,
            // No frame is longer than the limit that smoltcp was told.
            None => self.0.discarded.get_mut(..length).unwrap_or_default(),
        };
        let result = fill(bytes);
        if let Some(frame) = frame {
            self.0.send(frame.into());
        }
        result
    }
}
