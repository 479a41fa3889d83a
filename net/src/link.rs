//! smoltcp's view of the card: tokens over owned buffers, no copy in between.
//!
//! A received frame stays in the buffer that the device filled while smoltcp parses it; a frame to send is written
//! by smoltcp into the buffer that the device will read. When there is no room to send, received frames wait in the card
//! for a moment ([`Link::holds_back`]). Then they are handled all the same, and only the answers to them are dropped (and
//! counted): a full transmit queue must not stop the stack from hearing the acknowledgements that it waits for, nor two
//! stacks each other.
//!
//! Checksums are seen to here ([`crate::checksum`]). A TCP packet that came in
//! several buffers is copied into one, which is there if the card receives such; one that the card is to cut is written
//! into a large buffer, without which nothing but answers is sent.
//!
//! smoltcp sees packets, not frames: whose card a packet goes to is found out when it is sent ([`dispatch`]). An answer goes
//! to the card that the question came from.

mod dispatch;

pub(crate) use dispatch::CERTAIN;

use alloc::{boxed::Box, rc::Rc, vec};

use core::num::NonZeroU16;

use smoltcp::{
    phy::{self, Device, DeviceCapabilities, Medium, PacketMeta, RxToken, TxToken},
    time::Instant,
};
use unik_sched::time::Duration;
use unik_virtio::{Buffer, Pool};

use crate::{
    capture::{Direction, Witness},
    counters::NetCounters,
    glance::{ETHERNET, RST, Segment, TYPE_IPV4, TYPE_IPV6, renumber, sender},
    ip::address::Address,
    ip::gate::{self, Refusal},
    ip::host::Host,
    ip::neighbor::{Hardware, Neighbors},
    ip::route::Routes,
    nic::{Frame, Nic, Offloads},
    segmentation::{self, SEGMENTATION},
    tcp::lent::Lent,
};

/// How long received frames wait for room to send their answers, at most, and how long until it is looked for again.
const HOLD: Duration = Duration::from_millis(10);
pub(crate) const HOLD_PAUSE: Duration = Duration::from_micros(500);

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
    pub(crate) meter: Lent,
    /// This host.
    pub(crate) host: Host,
    /// Where packets go next, and whose cards that are.
    pub(crate) routes: Routes,
    pub(crate) neighbors: Neighbors,
    /// Packets that may wait for a neighbour's answer.
    parking: usize,
    /// Whose card the connection in hand is answered through while it is not accepted.
    pub(crate) reply_to: Option<Hardware>,
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
    /// A complete frame that the card had no room for, and since when one is held.
    held: Option<Frame>,
    held_since: unik_sched::time::Instant,
    /// The card had no room when it was last asked.
    blocked: bool,
    /// Frames were given to the card that it was not told of.
    untold: bool,
    frame_limit: usize,
    /// The longest packets that the link carries, of IPv4 where a lease has said so, and of IPv6 where routers have.
    pub(crate) packet_limits: [Option<u16>; 2],
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
    /// Over `nic`. `secret` is the key of the table of neighbours, for whose answers `parking` packets may wait.
    pub(crate) fn new(
        mut nic: Box<dyn Nic>,
        counters: Rc<NetCounters>,
        secret: [u64; 2],
        parking: usize,
    ) -> Self {
        let offloads = nic.offloads();
        let large = if SEGMENTATION && offloads.segment_ipv4 { nic.allocate(LARGE) } else { None };
        let merged = (SEGMENTATION && offloads.merge).then(|| Pool::heap_sized(1, MERGED));
        let frame_limit = nic.mtu().min(Buffer::CAPACITY - ETHERNET) + ETHERNET;
        let host = Host::new(unicast(nic.hardware_address()));
        Link {
            nic,
            host,
            routes: Routes::new(),
            neighbors: Neighbors::new(secret),
            parking,
            reply_to: None,
            now: unik_sched::time::Instant::ZERO,
            witness: None,
            meter: Lent::new(),
            refuses: false,
            incoming: None,
            is_checked: true,
            spare: None,
            large_limit: large.as_ref().map_or(0, Buffer::room),
            large,
            merged,
            offloads,
            held: None,
            held_since: unik_sched::time::Instant::ZERO,
            blocked: false,
            untold: false,
            frame_limit,
            packet_limits: [None; 2],
            discarded: vec![0; frame_limit].into(),
            counters,
        }
    }

    /// Takes the next frame from the card and shows it. It is then handled by `receive`, or answered in place. One that
    /// is cut off is seen as an empty one, and not handled. Whether it is intact is found out later: most of what is
    /// dropped is dropped for less.
    pub(crate) fn take_in(&mut self) -> Option<&[u8]> {
        // It is put where it stays: frames are large, as values go.
        self.incoming = self.nic.receive();
        let Frame { buffer, .. } = self.incoming.as_mut()?;
        self.counters.rx_frames.increment();
        let is_whole = !SEGMENTATION || !buffer.is_chained() || make_whole(self.merged.as_ref(), buffer);
        self.counters.rx_bytes.add(buffer.len() as u64);
        self.is_checked = false;
        if let Some(witness) = &self.witness {
            witness.see(Direction::Received, self.now, buffer);
        }
        if !is_whole {
            self.drop_spoilt();
        }
        Some(self.incoming.as_ref().map_or(&[], |frame| &frame.buffer))
    }

    /// Drops the received frame in hand, and counts it, if its checksums are wrong. False when there is none any more.
    #[inline]
    pub(crate) fn check(&mut self) -> bool {
        if !self.is_checked {
            self.check_now();
        }
        self.incoming.is_some()
    }

    #[inline(never)]
    fn check_now(&mut self) {
        self.is_checked = true;
        if self.incoming.as_ref().is_some_and(|frame| !frame.is_intact()) {
            self.drop_spoilt();
        }
    }

    #[cold]
    fn drop_spoilt(&mut self) {
        self.incoming = None;
        self.counters.rx_spoilt.increment();
    }

    /// Drops the received frame in hand.
    pub(crate) fn ignore(&mut self) {
        self.incoming = None;
    }

    /// Holds the received frame in hand against the rules of the gate.
    pub(crate) fn judge(&self, is_lease: bool) -> Result<(), Refusal> {
        let Some(frame) = &self.incoming else { return Ok(()) };
        gate::judge(&frame.buffer, &self.host, is_lease)
    }

    /// Who has sent the received frame in hand: the hardware address.
    pub(crate) fn sender(&self) -> Option<Hardware> {
        self.frame()?.first_chunk::<12>().map(sender)
    }

    /// The bytes of the received frame in hand.
    pub(crate) fn frame(&self) -> Option<&[u8]> {
        self.incoming.as_ref().map(|frame| &frame.buffer[..])
    }

    /// The received frame in hand, for another part of the stack than smoltcp.
    pub(crate) fn in_hand(&mut self) -> Option<&mut Frame> {
        self.incoming.as_mut()
    }

    /// The same, and this host.
    #[inline]
    pub(crate) fn in_hand_of(&mut self) -> (Option<&mut Frame>, &Host) {
        (self.incoming.as_mut(), &self.host)
    }

    /// The received frame in hand, which is that no longer.
    pub(crate) fn take_in_hand(&mut self) -> Option<Frame> {
        self.incoming.take()
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
    #[inline]
    pub(crate) fn reserve(&mut self) -> bool {
        let is_ready = self.held.is_none() && self.spare.is_some();
        if is_ready && (!SEGMENTATION || self.large_limit == 0 || self.large.is_some()) {
            self.blocked = false;
            return true;
        }
        self.make_room()
    }

    /// The same where something lacks.
    #[inline(never)]
    fn make_room(&mut self) -> bool {
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

    /// Whether received frames are to stay in the card a little longer, because an answer would find no room.
    #[inline]
    pub(crate) fn holds_back(&mut self) -> bool {
        self.held.is_some() && self.waits_for_room()
    }

    #[cold]
    fn waits_for_room(&mut self) -> bool {
        !self.reserve() && self.now < self.held_since + HOLD
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

    /// Room for one packet to send: to the card `to`, or to whom the routes lead.
    pub(crate) fn slot(&mut self, to: Option<Hardware>) -> Option<Slot<'_>> {
        (!self.refuses && self.reserve()).then_some(Slot { link: self, size: None, to })
    }

    /// Sends a frame as it is, if there is room for it.
    #[inline(never)]
    pub(crate) fn send_reply(&mut self, bytes: &[u8]) {
        self.reserve();
        if let Some(mut buffer) = self.begin(bytes.len()) {
            buffer.copy_from_slice(bytes);
            self.send(buffer.into());
        }
    }

    /// Notes an answer that was dropped: smoltcp believes that the peer was told.
    fn miss(&mut self, length: usize) {
        let Some(frame) = self.discarded.get_mut(..length) else { return };
        begin_frame(frame, self.host.hardware);
        if let Some((meter, segment)) = self.meter.as_mut().zip(Segment::of(frame)) {
            meter.told(segment.acknowledgement, segment.window);
        }
    }

    /// Lets the meter know of a new segment, and gives it the number that it says. Whom it is for, if it is one.
    fn note(&mut self, frame: &mut [u8]) -> Option<Address> {
        let meter = self.meter.as_mut()?;
        let segment = Segment::of(frame)?;
        match meter.renumbered(&segment, frame) {
            Some(sequence) => renumber(frame, sequence),
            None => meter.sent(segment.sequence, segment.length, self.now),
        }
        if segment.flags & RST == 0 {
            meter.told(segment.acknowledgement, segment.window);
        }
        Some(segment.flow.destination.0)
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
                    self.held_since = self.now;
                }
                self.blocked = true;
                false
            }
        }
    }
}

/// Copies a frame of several buffers into one of `merged`. False when it is too long, or the last one is not handled yet.
#[inline(never)]
fn make_whole(merged: Option<&Pool>, buffer: &mut Buffer) -> bool {
    let Some(mut whole) = merged.and_then(Pool::allocate) else { return false };
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

impl Device for Link {
    type RxToken<'a> = Received;
    type TxToken<'a> = Slot<'a>;

    fn receive(&mut self, _: Instant) -> Option<(Received, Slot<'_>)> {
        self.check();
        let frame = self.incoming.take()?;
        self.reserve();
        let to = frame.buffer.first_chunk::<12>().map(sender);
        Some((Received(frame), Slot { link: self, size: None, to }))
    }

    fn transmit(&mut self, _: Instant) -> Option<Slot<'_>> {
        self.slot(self.reply_to)
    }

    fn capabilities(&self) -> DeviceCapabilities {
        let mut capabilities = DeviceCapabilities::default();
        capabilities.medium = Medium::Ip;
        capabilities.max_transmission_unit = self.frame_limit - ETHERNET;
        capabilities.checksum.ipv4 = phy::Checksum::None;
        capabilities.checksum.tcp = phy::Checksum::None;
        capabilities.checksum.udp = phy::Checksum::None;
        segmentation::announce(&mut capabilities, self.large_limit.saturating_sub(ETHERNET));
        capabilities
    }
}

/// A received frame.
pub(crate) struct Received(Frame);

impl RxToken for Received {
    fn consume<R, F: FnOnce(&[u8]) -> R>(self, handle: F) -> R {
        handle(self.0.buffer.get(ETHERNET..).unwrap_or_default())
    }
}

/// Room for one frame to send, or the lack of it.
pub(crate) struct Slot<'a> {
    link: &'a mut Link,
    /// Bytes of payload of the segments that the frame is to be cut into.
    size: Option<NonZeroU16>,
    /// The card that it goes to, if that is not for the routes to say.
    to: Option<Hardware>,
}

impl Slot<'_> {
    /// Sends a packet of `length` bytes that `fill` writes.
    pub(crate) fn write<R>(self, length: usize, fill: impl FnOnce(&mut [u8]) -> R) -> R {
        // `fill` stands here once: it is different for every kind of packet.
        let length = ETHERNET + length;
        let mut frame = self.link.begin(length);
        let bytes = match &mut frame {
            Some(frame) => &mut **frame,
            // No frame is longer than the limit that smoltcp was told.
            None => self.link.discarded.get_mut(..length).unwrap_or_default(),
        };
        let result = fill(bytes.get_mut(ETHERNET..).unwrap_or_default());
        match frame {
            Some(frame) => self.link.finish(frame, self.size, self.to),
            None => self.link.miss(length),
        }
        result
    }
}

impl TxToken for Slot<'_> {
    fn set_meta(&mut self, meta: PacketMeta) {
        self.size = segmentation::size(&meta);
    }

    fn consume<R, F: FnOnce(&mut [u8]) -> R>(self, length: usize, fill: F) -> R {
        self.write(length, fill)
    }
}

/// Writes who sends a frame, and of which version the packet in it is.
fn begin_frame(frame: &mut [u8], hardware: Hardware) {
    let is_six = frame.get(ETHERNET).is_some_and(|first| first >> 4 == 6);
    if let Some(head) = frame.first_chunk_mut::<ETHERNET>() {
        head[6..12].copy_from_slice(&hardware);
        head[12..].copy_from_slice(if is_six { &TYPE_IPV6 } else { &TYPE_IPV4 });
    }
}

/// A card that claims a group address or none cannot be addressed: a locally administered address stands in.
fn unicast(address: Hardware) -> Hardware {
    let [first, second, third, fourth, fifth, sixth] = address;
    if first & 1 == 0 && address != [0; 6] {
        return address;
    }
    log::warn!("the network card has no unicast hardware address: using a local one");
    [(first & !1) | 2, second, third, fourth, fifth, sixth]
}
