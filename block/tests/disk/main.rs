//! Disks through the public API, over the driver of virtio-blk, against a modelled device.

#[cfg(test)]
mod hostile;
#[cfg(test)]
mod operations;
#[cfg(test)]
mod room;
#[cfg(test)]
mod world;
