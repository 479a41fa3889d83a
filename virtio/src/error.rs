//! What can go wrong, and what a refused buffer comes back in.

use core::fmt;

use crate::Buffer;

/// Why an operation on a device, a queue or a buffer failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Error {
    /// There is no memory for the queues or the buffers that were asked for.
    NoMemory,
    /// More or larger buffers were asked for than one pool can hold, or none.
    PoolSize,
    /// The device did not come back from its reset.
    ResetTimeout,
    /// The device lacks a feature without which it cannot be driven, or refused the features chosen.
    FeaturesRefused,
    /// The device has no such queue, or the queue is in use already.
    NoSuchQueue,
    /// The device's configuration space has no such field, or it never stayed the same during a read.
    NoSuchConfiguration,
    /// All descriptors of the queue are with the device.
    QueueFull,
    /// The device broke the rules of the queue; the queue stays dead until the device is set up again.
    DeviceBroken,
    /// The device gave itself up: it says that it must be reset. It stays dead until it is set up again.
    NeedsReset,
    /// There are no bytes to hand to the device, a header that is not shorter than the whole, or more than one buffer.
    BadLength,
    /// The buffer's memory was not made for this device's bus.
    ForeignBuffer,
    /// More bytes than the buffer has room for.
    TooLong,
}

impl fmt::Display for Error {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::NoMemory => "no memory for the queues and buffers of a device",
            Self::PoolSize => "a buffer pool holds between 1 and 65535 buffers of at most 65472 bytes",
            Self::ResetTimeout => "the device did not come back from its reset",
            Self::FeaturesRefused => "the device lacks or refused a feature it cannot be driven without",
            Self::NoSuchQueue => "the device has no such queue",
            Self::NoSuchConfiguration => "the device has no such configuration field",
            Self::QueueFull => "the queue is full",
            Self::DeviceBroken => "the device broke the rules of its queue",
            Self::BadLength => "the buffer is empty, shorter than its header, or not alone",
            Self::NeedsReset => "the device says that it must be reset",
            Self::ForeignBuffer => "the buffer's memory cannot be reached by this device",
            Self::TooLong => "more bytes than the buffer has room for",
        })
    }
}

impl core::error::Error for Error {}

/// A buffer that a queue did not take, and why.
#[derive(Debug)]
pub struct Rejected {
    /// The buffer, unchanged.
    pub buffer: Buffer,
    /// [`Error::QueueFull`], [`Error::DeviceBroken`], [`Error::BadLength`], [`Error::ForeignBuffer`] or
    /// [`Error::NoSuchQueue`].
    pub reason: Error,
}
