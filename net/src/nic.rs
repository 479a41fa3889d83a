//! The seam between a stack and a network card.
//!
//! A [`Nic`] moves whole Ethernet frames in owned [`Buffer`]s. Nothing blocks and nothing is copied: a received
//! frame is the buffer the device filled, a transmitted one the buffer the stack filled. [`crate::VirtioNet`] is one
//! implementation, `wire::End` (feature `simulation`) another; anything that can hand over frames can be a third.
//!
//! A [`Frame`] says with its [`Offload`] what is left to do about it: a checksum to be filled in, a packet to be cut
//! into segments. A card that does none of it says so ([`Offloads`]) and never sees such a frame.

use alloc::rc::Rc;
use core::num::NonZeroU16;

use unik_sched::{counter::CounterSet, sync::Event};
use unik_virtio::{Batch, Buffer};

/// Whether cards take and hand over TCP packets that are longer than their MTU.
pub(crate) const LONG_FRAMES: bool = cfg!(feature = "long-frames");

/// A frame on its way between a card and a stack, or from one card to another.
///
/// It begins at its destination address and ends without a frame check sequence.
pub struct Frame {
    /// Its bytes. Others follow the first buffer only in a frame with a [`Segment`].
    pub buffer: Buffer,
    /// What is left to do about them.
    pub offload: Offload,
}

impl From<Buffer> for Frame {
    /// A frame with nothing left to do: complete if it is sent, unverified if it was received.
    fn from(buffer: Buffer) -> Self {
        Frame { buffer, offload: Offload::default() }
    }
}

/// What is left to do about a frame.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Offload {
    /// The state of the checksum of its TCP or UDP packet.
    pub checksum: Checksum,
    /// The TCP packet is longer than the link carries: it is to be cut, or was put together from segments.
    pub segment: Option<Segment>,
}

impl From<Checksum> for Offload {
    /// Nothing but a checksum.
    fn from(checksum: Checksum) -> Self {
        Offload { checksum, segment: None }
    }
}

/// The state of a transport checksum.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Checksum {
    /// Received: nobody has looked yet. To be sent: it is complete.
    #[default]
    Unverified,
    /// Received: the card has found it right.
    Verified,
    /// The field holds the sum of the pseudo header alone (not inverted). The complement of the sum of everything
    /// from `start` on, field included, is to be stored `offset` bytes behind `start`. A received frame like this
    /// never was on a wire: it counts as verified.
    Partial {
        /// Where the sum begins: the first byte of the TCP or UDP header, from the start of the frame.
        start: u16,
        /// Where the field is, from `start`.
        offset: u16,
    },
}

/// How a TCP packet is cut into segments.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Segment {
    /// What carries it.
    pub kind: SegmentKind,
    /// Bytes of payload of each segment but the last.
    pub size: NonZeroU16,
    /// Bytes of all headers, Ethernet's first.
    pub headers: u16,
}

/// What carries the TCP packets of a [`Segment`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SegmentKind {
    /// TCP over IPv4.
    Ipv4,
    /// TCP over IPv6.
    Ipv6,
}

/// What a card does about frames by itself.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Offloads {
    /// It completes the checksum of a frame with [`Checksum::Partial`].
    pub checksum: bool,
    /// It cuts TCP packets over IPv4.
    pub segment_ipv4: bool,
    /// It cuts TCP packets over IPv6.
    pub segment_ipv6: bool,
    /// It may receive TCP packets longer than its MTU, in frames of several buffers.
    pub merge: bool,
}

/// A network card as the stack sees it.
///
/// # Sleeping without losing a wake-up
/// The driver task calls [`Nic::disarm`] while it works. Before it sleeps it calls [`Nic::arm`]; when that returns
/// false, the card sets its [`Nic::event`] as soon as there is news: a received frame or, after an
/// [`allocate`](Nic::allocate) or [`transmit`](Nic::transmit) that failed, room for one.
pub trait Nic {
    /// The card's unicast Ethernet address.
    fn hardware_address(&self) -> [u8; 6];

    /// The largest IP packet in bytes, without the Ethernet header (1500 on plain Ethernet).
    fn mtu(&self) -> usize;

    /// What the card does about frames by itself; it never changes. Nothing, unless it says so.
    fn offloads(&self) -> Offloads {
        Offloads::default()
    }

    /// Whether frames can pass; a card that cannot tell has its link up.
    fn is_link_up(&self) -> bool {
        true
    }

    /// Takes the next received frame.
    fn receive(&mut self) -> Option<Frame>;

    /// An empty buffer to fill with `length` bytes and transmit. More than [`Nic::mtu`] and an Ethernet header is
    /// asked for only where the card cuts TCP packets. `None` when all are in use: sent ones come back with time.
    fn allocate(&mut self, length: usize) -> Option<Buffer>;

    /// Queues a frame for sending. The device may wait for [`Nic::flush`] before it looks. What is left to do about
    /// the frame beyond [`Nic::offloads`] is done here, or the frame is dropped: see [`Frame::settle`].
    ///
    /// # Errors
    /// Gives the frame back when the queue is full or the device has failed.
    fn transmit(&mut self, frame: Frame) -> Result<(), Frame>;

    /// Tells the device, once, about all frames queued since the last call, and posts free receive buffers.
    fn flush(&mut self);

    /// Wants to be told of news from here on. Returns true if there is news already: do not sleep then.
    fn arm(&mut self) -> bool;

    /// Wants no news: the driver is looking by itself. If the [`Nic::event`] is set here, the device has raised an
    /// interrupt since, which may have to be acknowledged; the driver clears the event afterwards.
    fn disarm(&mut self);

    /// What the platform sets when the device has news.
    fn event(&self) -> Event;

    /// What the card has counted.
    fn counters(&self) -> Rc<dyn CounterSet>;
}

/// A card whose frames move in batches too, for whoever forwards them. It stands apart from [`Nic`] so that an image without
/// ports is linked without that.
pub trait BatchNic: Nic {
    /// Takes received frames about which nothing is left to do, in their order, as many as the batch has room for, up to one
    /// that is another: how many. [`Nic::receive`] takes that one. A card that knows no batches takes none.
    fn receive_batch(&mut self, batch: &mut Batch) -> usize {
        let _ = batch;
        0
    }

    /// Whether nothing was received that is not taken yet. A card that does not know says that it might be so.
    fn is_idle(&self) -> bool {
        false
    }

    /// Queues frames about which nothing is left to do, in their order, as long as there is room: what is left in the batch
    /// afterwards was not queued. The device may wait for [`Nic::flush`] before it looks.
    fn transmit_batch(&mut self, batch: &mut Batch) {
        while let Some(buffer) = batch.pop() {
            if let Err(frame) = self.transmit(buffer.into()) {
                return batch.put_back(frame.buffer);
            }
        }
    }
}
