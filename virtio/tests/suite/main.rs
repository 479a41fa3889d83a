//! Queues and buffers through the public API, against rust-vmm's `virtio-queue` as the device.

#[cfg(test)]
mod batch;
#[cfg(test)]
mod chain;
#[cfg(test)]
mod common;
#[cfg(test)]
mod exchange;
#[cfg(test)]
mod liar;
#[cfg(test)]
mod lifetime;
#[cfg(test)]
mod notification;
#[cfg(test)]
mod pool;
#[cfg(test)]
mod random;
#[cfg(test)]
mod request;
#[cfg(test)]
mod threads;
