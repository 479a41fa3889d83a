//! The seam between a disk and what stores its bytes.
//!
//! A [`BlockDevice`] takes [`Request`]s with their data in owned [`Buffer`]s and gives each back as a [`Completion`], in any
//! order. Nothing blocks and nothing is copied. [`VirtioBlock`](crate::VirtioBlock) is one implementation, a file of the
//! host another.

use alloc::rc::Rc;

use unik_sched::{counter::CounterSet, sync::Event};
use unik_virtio::Buffer;

/// Bytes of a sector, the unit of every position and length here, whatever the blocks of a device are.
pub const SECTOR: usize = 512;

/// What a device is and does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Properties {
    /// How many sectors it has.
    pub sectors: u64,
    /// Bytes of a block, a power of two and at least a sector: it is read and written in whole blocks.
    pub block_size: usize,
    /// Bytes of the blocks below these, which it is fastest in.
    pub physical_block_size: usize,
    /// Bytes of the transfers that it likes best; zero if it does not say.
    pub best_transfer: usize,
    /// Nothing is written.
    pub is_read_only: bool,
    /// It makes durable what was written, when it is told to.
    pub can_flush: bool,
    /// The most sectors that it forgets at once; zero if it does not.
    pub most_discarded: u32,
    /// The most sectors that it fills with zeroes at once; zero if it does not.
    pub most_zeroed: u32,
    /// The most buffers of one request, at least one.
    pub most_parts: usize,
    /// The most bytes in one of them, at least a sector.
    pub most_bytes: usize,
}

/// What a request wants done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operation {
    /// Fill the data, as long as it is.
    Read,
    /// Store the data.
    Write,
    /// Make durable all that was written before: the writes that have been completed.
    Flush,
    /// Forget sectors, which hold anything afterwards.
    Discard,
    /// Fill sectors with zeroes.
    WriteZeroes,
}

/// A piece of work for a device.
#[derive(Debug)]
pub struct Request {
    /// What is to be done.
    pub operation: Operation,
    /// The sector that it begins with; zero for [`Operation::Flush`].
    pub sector: u64,
    /// How many sectors it is about.
    pub sectors: u32,
    /// The data, in whole sectors. Without data it is empty. In front of the first buffer's data are [`HEADROOM`] bytes.
    pub data: Buffer,
    /// What its completion is known by, below [`BlockDevice::depth`] and of no other request that the device has.
    pub tag: u16,
}

/// Headroom of a request's first buffer, which the device may use.
pub const HEADROOM: usize = 32;

/// A request that has been worked on.
#[derive(Debug)]
pub struct Completion {
    /// What the request was known by.
    pub tag: u16,
    /// Its data, as long as it was if it was read or written.
    pub data: Buffer,
    /// Whether it was done.
    pub result: Result<(), Fault>,
}

/// Why a request was not done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// The device tried and could not.
    Failed,
    /// The device does not do such things.
    Unsupported,
    /// The device is used no more.
    Dead,
}

/// What stores bytes.
pub trait BlockDevice {
    /// What it is and does. All but the number of sectors stays as it is.
    fn properties(&self) -> &Properties;

    /// Looks once more at how many sectors it has, of which it may have had no news. A device that always has as many need not.
    fn measure(&mut self) {}

    /// How many requests it takes at the same time, at most.
    fn depth(&self) -> usize;

    /// Whether it takes a request with so many buffers of data now.
    fn has_room(&self, parts: usize) -> bool;

    /// Takes a request. It may not begin before [`BlockDevice::kick`].
    ///
    /// # Errors
    /// Gives it back if it has no room.
    fn submit(&mut self, request: Request) -> Result<(), Request>;

    /// Begins with what was submitted.
    fn kick(&mut self);

    /// The next request that it is done with.
    fn complete(&mut self) -> Option<Completion>;

    /// Whether it is used no more: what it has is lost, and never completed.
    fn has_failed(&self) -> bool;

    /// Asks for the event at the next completion. True if there may be one already: then the event may never come.
    fn arm(&mut self) -> bool;

    /// Asks for no events; single ones may still come. To be called at the start of each turn.
    fn disarm(&mut self);

    /// What is set when there is news.
    fn event(&self) -> Event;

    /// What it counts.
    fn counters(&self) -> Rc<dyn CounterSet>;
}
