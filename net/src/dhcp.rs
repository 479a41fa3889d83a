//! The address by DHCPv4 (RFC 2131): smoltcp's client asks, renews and loses the lease; here it takes effect.

use alloc::vec::Vec;

use smoltcp::{
    iface::{PollResult, SocketHandle, SocketSet},
    socket::dhcpv4::{Event, RetryConfig, Socket},
};
use unik_sched::time::Instant;

use crate::{
    config::is_host,
    stack::{PAUSE, Stack, deadline, instant},
};

/// Seconds between two DISCOVERs without an answer, and before the first repetition of a REQUEST. RFC 2131, 4.1
/// proposes 4 s; a lost frame at boot should not cost more.
const RETRY_SECONDS: u64 = 4;

/// The port of clients (RFC 2131, 4.1).
pub(crate) const CLIENT_PORT: u16 = 68;

/// The client, alone in a set of sockets.
pub(crate) struct Dhcp {
    set: SocketSet<'static>,
    client: SocketHandle,
    /// When it has something to do.
    pub(crate) due: Option<Instant>,
}

impl Dhcp {
    pub(crate) fn new() -> Self {
        let mut socket = Socket::new();
        let mut retry = RetryConfig::default();
        retry.discover_timeout = smoltcp::time::Duration::from_secs(RETRY_SECONDS);
        retry.initial_request_timeout = smoltcp::time::Duration::from_secs(RETRY_SECONDS);
        socket.set_retry_config(retry);
        let mut set = SocketSet::new(Vec::with_capacity(1));
        let client = set.add(socket);
        Dhcp { set, client, due: Some(Instant::ZERO) }
    }
}

impl Stack {
    /// Lets the client have the frame in hand, and counts it where the client has no use for it: only what it has asked
    /// for changes what it does next.
    pub(crate) fn hear_dhcp(&mut self, now: Instant) {
        let Some(dhcp) = &mut self.dhcp else { return };
        let before = self.interface.poll_at(instant(now), &dhcp.set);
        self.interface.poll_ingress_single(instant(now), &mut self.link, &mut dhcp.set);
        if self.interface.poll_at(instant(now), &dhcp.set) == before {
            self.counters.dhcp_unasked.increment();
            return;
        }
        dhcp.due = Some(now);
    }

    /// Lets the client send what is due, and takes what it has learned.
    pub(crate) fn follow_dhcp(&mut self, now: Instant) {
        let Some(dhcp) = self.dhcp.as_mut().filter(|dhcp| dhcp.due.is_some_and(|due| due <= now)) else {
            return;
        };
        let sent = self.interface.poll_egress(instant(now), &mut self.link, &mut dhcp.set);
        let due = self.interface.poll_at(instant(now), &dhcp.set).map(deadline);
        // Without room in the card it is due already, and cannot go on.
        let soonest = if sent == PollResult::None { now + PAUSE } else { now };
        dhcp.due = due.map(|due| due.max(soonest));
        let lease = match dhcp.set.get_mut::<Socket<'_>>(dhcp.client).poll() {
            None => return,
            Some(Event::Deconfigured) => None,
            Some(Event::Configured(lease)) => Some((lease.address, lease.router)),
        };
        match lease {
            Some((network, router)) if is_host(network.address()) => {
                let address = (network.address(), network.prefix_len());
                let router = router.filter(|router| is_host(*router));
                self.counters.dhcp_leases.increment();
                if (self.address, self.gateway) != (Some(address), router) {
                    log::info!("{}: address {}/{} by DHCP", self.name, address.0, address.1);
                    self.configure(Some(address), router);
                }
            }
            Some(_) => log::warn!("{}: DHCP offered an address that no host can have", self.name),
            None if self.address.is_some() => {
                self.counters.dhcp_lost.increment();
                log::warn!("{}: the DHCP lease is lost: no address until a new one", self.name);
                self.configure(None, None);
            }
            None => {}
        }
    }
}
