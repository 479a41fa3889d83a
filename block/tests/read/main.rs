//! The way of what is read from a disk: cache, partitions, file system, against a modelled device.

#[cfg(test)]
mod cache;
#[cfg(test)]
mod ext4;
#[cfg(test)]
mod partitions;
#[cfg(test)]
mod world;
