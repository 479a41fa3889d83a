//! smoltcp's view of the card: tokens over owned buffers, no copy in between.
//!
//! A received frame stays in the buffer that the device filled while smoltcp parses it; a frame to send is written
//! by smoltcp into the buffer that the device will read. When there is no room to send, received frames are still
//! handled and only the answers to them are dropped (and counted): a full transmit queue must not stop the stack
//! from hearing the acknowledgements that it waits for.
//!
//! Checksums are seen to here ([`crate::checksum`]), and smoltcp looks at those of ICMP alone. A TCP packet that came in
//! several buffers is copied into one, which is there if the card receives such; one that the card is to cut is written
//! into a large buffer, without which nothing but answers is sent.

use alloc::{boxed::Box, rc::Rc, vec};

use core::num::NonZeroU16;

use smoltcp::{
    phy::{self, Device, DeviceCapabilities, Medium, PacketMeta, RxToken, TxToken},
    time::Instant,
};
use unik_virtio::{Buffer, Pool};

use crate::{
    asked::Asked,
    capture::{Direction, Witness},
    counters::NetCounters,
    gate::{self, Refusal},
    glance::{RST, Segment, renumber},
    host::Host,
    nic::{self, Frame, Nic, Offloads, SegmentKind},
    segmentation::{self, SEGMENTATION},
    tcp::meter::Meter,
};

/// Bytes of an Ethernet header: two addresses and a type.
pub(crate) const ETHERNET_HEADER: usize = 14;

/// Bytes of headers of IPv4 and TCP without options, and where the length of the latter is in a frame (RFC 9293, 3.1).
const IPV4_HEADER: usize = 20;
const TCP_LENGTH: usize = ETHERNET_HEADER + IPV4_HEADER + 12;

/// The longest frame that is asked for where the card cuts TCP packets, and the size of a buffer for a merged one.
const LARGE: usize = 65408;
const MERGED: usize = 65472;

/// The card and the frames on their way between it and smoltcp.
pub(crate) struct Link {
    pub(crate) nic: Box<dyn Nic>,
    /// The time of the turn, or of the call of a socket, in which frames pass.
    pub(crate) now: unik_sched::time::Instant,
    /// Who is shown every frame.
    pub(crate) witness: Option<Box<dyn Witness>>,
    /// What measures the connection in hand by the segments that it sends.
    pub(crate) meter: Option<Meter>,
    /// Whose hardware addresses were asked for.
    pub(crate) asked: Asked,
    /// smoltcp is told that there is no room: it then forgets what it was about to send.
    pub(crate) refuses: bool,
    /// The received frame to be handled next.
    incoming: Option<Frame>,
    /// It was checked.
    is_checked: bool,
    /// The buffer that the next frame to send will be written to.
    spare: Option<Buffer>,
    /// The same for a packet that the card cuts.
    large: Option<Buffer>,
    /// A complete frame that the card had no room for.
    held: Option<Frame>,
    /// The card had no room when it was last asked.
    blocked: bool,
    /// Frames were given to the card that it was not told of.
    untold: bool,
    frame_limit: usize,
    /// The longest frame with a packet that the card cuts, if it cuts any.
    large_limit: usize,
    /// The one buffer for frames that came in several.
    merged: Option<Pool>,
    pub(crate) offloads: Offloads,
    /// Where a frame is written that nobody will see.
    discarded: Box<[u8]>,
    counters: Rc<NetCounters>,
}

impl Link {
    pub(crate) fn new(mut nic: Box<dyn Nic>, counters: Rc<NetCounters>) -> Self {
        let offloads = nic.offloads();
        let large = if SEGMENTATION && offloads.segment_ipv4 { nic.allocate(LARGE) } else { None };
        let merged = (SEGMENTATION && offloads.merge).then(|| Pool::heap_sized(1, MERGED));
        let frame_limit = nic.mtu().min(Buffer::CAPACITY - ETHERNET_HEADER) + ETHERNET_HEADER;
        Link {
            nic,
            now: unik_sched::time::Instant::ZERO,
            witness: None,
            meter: None,
            asked: Asked::new(),
            refuses: false,
            incoming: None,
            is_checked: true,
            spare: None,
            large_limit: large.as_ref().map_or(0, Buffer::room),
            large,
            merged,
            offloads,
            held: None,
            blocked: false,
            untold: false,
            frame_limit,
            discarded: vec![0; frame_limit].into(),
            counters,
        }
    }

    /// Takes the next frame from the card and shows it. It is then handled by `receive`, or answered in place. One that
    /// is cut off is seen as an empty one, and not handled. Whether it is intact is found out later: most of what is
    /// dropped is dropped for less.
    pub(crate) fn take_in(&mut self) -> Option<&[u8]> {
        let mut frame = self.nic.receive()?;
        self.counters.rx_frames.increment();
        let is_whole = !SEGMENTATION || !frame.buffer.is_chained() || self.make_whole(&mut frame.buffer);
        self.counters.rx_bytes.add(frame.buffer.len() as u64);
        self.show(Direction::Received, &frame.buffer);
        self.incoming = Some(frame);
        self.is_checked = false;
        if !is_whole {
            self.drop_spoilt();
        }
        Some(self.incoming.as_ref().map_or(&[], |frame| &frame.buffer))
    }

    /// Drops the received frame in hand, and counts it, if its checksums are wrong. False when there is none any more.
    pub(crate) fn check(&mut self) -> bool {
        if !self.is_checked && self.incoming.as_ref().is_some_and(|frame| !frame.is_intact()) {
            self.drop_spoilt();
        }
        self.is_checked = true;
        self.incoming.is_some()
    }

    #[cold]
    fn drop_spoilt(&mut self) {
        self.incoming = None;
        self.counters.rx_spoilt.increment();
    }

    /// Copies a frame of several buffers into one. False when it is too long, or the last one is not handled yet.
    fn make_whole(&self, buffer: &mut Buffer) -> bool {
        let Some(mut whole) = self.merged.as_ref().and_then(Pool::allocate) else { return false };
        // Nothing is put in front of it, and the longest frame needs the room.
        let _ = whole.grow_front(Buffer::HEADROOM);
        if whole.set_len(buffer.total_len()).is_err() {
            return false;
        }
        let mut rest = &mut whole[..];
        for part in buffer.parts() {
            let Some((now, later)) = rest.split_at_mut_checked(part.len()) else { return false };
            now.copy_from_slice(part);
            rest = later;
        }
        *buffer = whole;
        true
    }

    /// Drops the received frame in hand.
    pub(crate) fn ignore(&mut self) {
        self.incoming = None;
    }

    /// Holds the received frame in hand against the rules of the gate.
    pub(crate) fn judge(&mut self, host: &Host, is_lease: bool) -> Result<(), Refusal> {
        let Some(frame) = &self.incoming else { return Ok(()) };
        gate::judge(&frame.buffer, host, is_lease, &mut self.asked, self.now)
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
        if SEGMENTATION && self.large_limit > 0 && self.large.is_none() {
            self.large = self.nic.allocate(self.large_limit);
        }
        let ready = self.spare.is_some() && (!SEGMENTATION || self.large_limit == 0 || self.large.is_some());
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
        let spare = if SEGMENTATION && length > self.frame_limit { &mut self.large } else { &mut self.spare };
        let free = if self.held.is_none() { spare.take() } else { None };
        if let Some(mut frame) = free
            && frame.set_len(length).is_ok()
        {
            return Some(frame);
        }
        self.counters.tx_replies_dropped.increment();
        None
    }

    /// Seals a new frame, which is to be cut into segments with `size` bytes of payload if that is said, and sends it.
    #[inline(never)]
    fn finish(&mut self, buffer: Buffer, size: Option<NonZeroU16>) {
        if let Some(target) = gate::question(&buffer) {
            self.asked.note(target, self.now);
        }
        let mut frame = Frame::from(buffer);
        self.note(&mut frame.buffer);
        frame.seal(self.offloads);
        if SEGMENTATION && let Some(size) = size {
            let tcp = frame.buffer.get(TCP_LENGTH).map_or(0, |length| length >> 4) * 4;
            // A header has 60 bytes at most.
            let headers = (ETHERNET_HEADER + IPV4_HEADER) as u16 + u16::from(tcp);
            frame.offload.segment = Some(nic::Segment { kind: SegmentKind::Ipv4, size, headers });
        }
        self.send(frame);
    }

    /// Notes an answer that was dropped: smoltcp believes that the peer was told.
    fn miss(&mut self, length: usize) {
        if let Some(meter) = &mut self.meter
            && let Some(segment) = self.discarded.get(..length).and_then(Segment::of)
        {
            meter.told(segment.acknowledgement, segment.window);
        }
    }

    /// Lets the meter know of a new segment, and gives it the number that it says.
    fn note(&mut self, frame: &mut [u8]) {
        let Some((meter, segment)) = self.meter.as_mut().zip(Segment::of(frame)) else { return };
        match meter.renumbered(&segment, frame) {
            Some(sequence) => renumber(frame, sequence),
            None => meter.sent(segment.sequence, segment.length, self.now),
        }
        if segment.flags & RST == 0 {
            meter.told(segment.acknowledgement, segment.window);
        }
    }

    /// Sends a new frame, or holds it until the card has room.
    fn send(&mut self, frame: Frame) {
        self.show(Direction::Sent, &frame.buffer);
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
        self.check();
        let frame = self.incoming.take()?;
        self.reserve();
        Some((Received(frame), Slot { link: self, size: None }))
    }

    fn transmit(&mut self, _: Instant) -> Option<Slot<'_>> {
        (!self.refuses && self.reserve()).then_some(Slot { link: self, size: None })
    }

    fn capabilities(&self) -> DeviceCapabilities {
        let mut capabilities = DeviceCapabilities::default();
        capabilities.medium = Medium::Ethernet;
        capabilities.max_transmission_unit = self.frame_limit;
        capabilities.checksum.ipv4 = phy::Checksum::None;
        capabilities.checksum.tcp = phy::Checksum::None;
        capabilities.checksum.udp = phy::Checksum::None;
        segmentation::announce(&mut capabilities, self.large_limit);
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
pub(crate) struct Slot<'a> {
    link: &'a mut Link,
    /// Bytes of payload of the segments that the frame is to be cut into.
    size: Option<NonZeroU16>,
}

impl TxToken for Slot<'_> {
    fn set_meta(&mut self, meta: PacketMeta) {
        self.size = segmentation::size(&meta);
    }

    fn consume<R, F: FnOnce(&mut [u8]) -> R>(self, length: usize, fill: F) -> R {
        // `fill` stands here once: it is different for every kind of packet.
        let mut frame = self.link.begin(length);
        let bytes = match &mut frame {
            Some(frame) => &mut **frame,
            // No frame is longer than the limit that smoltcp was told.
            None => self.link.discarded.get_mut(..length).unwrap_or_default(),
        };
        let result = fill(bytes);
        match frame {
            Some(frame) => self.link.finish(frame, self.size),
            None => self.link.miss(length),
        }
        result
    }
}
