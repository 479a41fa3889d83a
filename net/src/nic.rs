//! The seam between a stack and a network card.
//!
//! A [`Nic`] moves whole Ethernet frames in owned [`Buffer`]s. Nothing blocks and nothing is copied: a received
//! frame is the buffer the device filled, a transmitted one the buffer the stack filled. [`crate::VirtioNet`] is one
//! implementation, `wire::End` (feature `simulation`) another; anything that can hand over frames can be a third.

use alloc::rc::Rc;

use unik_sched::{counter::CounterSet, sync::Event};
use unik_virtio::Buffer;

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

    /// Takes the next received frame, beginning at its destination address and without a frame check sequence.
    fn receive(&mut self) -> Option<Buffer>;

    /// An empty buffer to fill and transmit. `None` when all are in use: sent ones come back with time.
    fn allocate(&mut self) -> Option<Buffer>;

    /// Queues a frame for sending. The device may wait for [`Nic::flush`] before it looks.
    ///
    /// # Errors
    /// Gives the frame back when the queue is full or the device has failed.
    fn transmit(&mut self, frame: Buffer) -> Result<(), Buffer>;

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
