//! What stands for a disk in an image without one: nothing that there could be.

use super::{Error, SharedServer};
use alloc::string::String;
use core::convert::Infallible;
/// Why a disk cannot be used.
pub use core::convert::Infallible as Broken;
use unik::time::Duration;
use unik::{Clock, Counters, Entropy, Failure, Resource, System};

/// There is none: the feature `disk` brings it.
pub struct Disk(Infallible);

impl Resource for Disk {
    async fn take<const LOOKED: bool>(_: &System) -> Result<Self, Failure> {
        Err(Failure::Configuration(String::new()))
    }

    fn is_present(_: &System) -> bool {
        false
    }
}

/// Zones on a disk, of which there is none.
pub struct Storage(Infallible);

impl Storage {
    /// Never called.
    ///
    /// # Errors
    /// None.
    #[expect(clippy::unused_async, reason = "with a disk it waits for that")]
    pub async fn open(
        disk: Disk,
        _: &SharedServer,
        _: Option<&Clock>,
        _: &Entropy,
        _: &Counters,
    ) -> Result<Self, Error> {
        match disk.0 {}
    }

    pub(super) fn age(&self, _: usize) -> Option<Duration> {
        match self.0 {}
    }

    #[expect(clippy::unused_async, reason = "with a disk it waits for that")]
    pub(super) async fn keep(&self, _: &SharedServer, _: usize, _: Option<u64>) {
        match self.0 {}
    }
}
