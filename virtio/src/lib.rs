//! A safe split virtqueue and the packet buffer: the one audited place between drivers and memory shared with a device.
//!
//! - [`Pool`] and [`Buffer`]: 2 KiB pieces of memory that a device can reach. A buffer is owned: whoever holds it may
//!   read and write its bytes, and nobody else can. It goes back to its pool when dropped, and so do those that follow
//!   it, where a frame takes several.
//! - [`Device`]: a transport with its queues. [`Device::submit`] takes a buffer, [`Device::complete`] gives it back once
//!   the device has returned it, and dropping the device resets it before any memory is given back.
//!   [`Device::submit_request`] is for what is asked and answered: a question, data either way, a verdict.
//! - [`RandomDevice`]: the smallest driver, virtio-rng. Larger ones stand with what they serve.
//!
//! The device is not trusted. Whatever it writes into a ring is read once and checked against copies it cannot reach;
//! a device that breaks the rules makes its queue dead ([`Error::DeviceBroken`]), it never causes a panic or an access
//! outside a buffer. What no driver can prevent is a device that writes into a buffer after it returned it.
//!
//! `unsafe` stands in `region` (pages), `pool` and `buffer` (bytes) and `rings` (shared structures); `queue` and
//! `device` are safe code above them.
//!
//! ```
//! use unik_virtio::{Buffer, Pool};
//!
//! let pool = Pool::heap(4);
//! let mut frame = pool.allocate().expect("four are free");
//! frame.copy_from(b"payload").expect("it fits");
//! frame.grow_front(2).expect("there is headroom").copy_from_slice(b"> ");
//! assert_eq!(&frame[..], b"> payload");
//! assert_eq!(pool.available(), 3);
//! drop(frame);
//! assert_eq!(pool.available(), 4);
//! # assert_eq!(Buffer::CAPACITY, 1984);
//! ```
#![no_std]

extern crate alloc;
#[cfg(test)]
extern crate std;

#[cfg(target_endian = "big")]
compile_error!("the rings are written in the byte order of little-endian processors");

#[forbid(unsafe_code)]
mod batch;
mod buffer;
#[forbid(unsafe_code)]
mod device;
#[forbid(unsafe_code)]
mod error;
mod pool;
#[forbid(unsafe_code)]
mod queue;
#[forbid(unsafe_code)]
mod random;
mod region;
mod rings;

pub use batch::{Batch, Train};
pub use buffer::Buffer;
pub use device::{Device, Interrupt};
pub use error::{Error, Rejected};
pub use pool::Pool;
pub use queue::{Completion, Counters, Direction, NET_HEADER};
pub use random::RandomDevice;
