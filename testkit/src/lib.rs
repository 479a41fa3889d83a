//! The host test kit: what a driver or a stack needs around it to be tested in one process.
//!
//! - [`HostHal`]: memory for DMA, with physical addresses that differ from the virtual ones.
//! - [`DeviceModel`] and [`FakeTransport`]: a virtio device whose queues are worked by rust-vmm's `virtio-queue`, an
//!   implementation independent of ours; it watches that the driver keeps the rules, and can itself be told to lie.
//! - [`DiskModel`]: a virtio-blk device of that kind, with a cache that forgets what was not flushed.
//! - [`VirtualClock`]: time that jumps instead of passing.
//! - [`Scarce`]: an allocator that runs out of memory when a test says so, and tells what an operation took.
//! - [`Random`]: numbers that a printed seed brings back.
//!
//! All of it is for tests: broken rules panic, with a sentence that says which. The state of [`HostHal`] belongs to
//! the thread, as its trait has no `self`; each test runs on a thread of its own and sees only its own memory.

mod clock;
mod disk;
mod hal;
mod lies;
mod model;
mod random;
mod ring;
mod scarcity;
mod transport;

pub use clock::VirtualClock;
pub use disk::{DiskModel, DiskRequest, DiskSetup};
pub use hal::HostHal;
pub use model::{DeviceModel, Setup};
pub use random::Random;
pub use ring::{Chain, DeviceQueue, QueueAddresses};
pub use scarcity::{Scarce, Scarcity, Usage};
pub use transport::FakeTransport;
