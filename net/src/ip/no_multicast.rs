//! No groups are joined: what stands in for `multicast` without the feature.

use unik_sched::time::Instant;

use crate::{ip::address::Address, link::Link, net::Random};

/// No groups.
pub(crate) struct Groups;

impl Groups {
    /// None.
    pub(crate) const fn new() -> Self {
        Self
    }

    /// No report is due.
    pub(crate) const fn due(&self) -> Option<Instant> {
        None
    }

    /// No datagram is to a group that somebody has joined.
    pub(crate) const fn admit(&self, _: &Link) -> bool {
        false
    }

    /// No message about groups is heard.
    pub(crate) const fn hear(&mut self, _: &mut Link, _: &mut Random) -> bool {
        false
    }

    /// Nothing is reported.
    pub(crate) const fn follow(&mut self, _: &mut Link, _: &mut Random) {}

    /// Nothing is reported anew.
    pub(crate) const fn return_to_link(&mut self, _: Instant) {}

    /// No group is left.
    pub(crate) const fn leave(&mut self, _: Option<Address>, _: u16, _: &mut Link) -> bool {
        false
    }
}
