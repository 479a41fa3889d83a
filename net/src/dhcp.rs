//! The address by DHCPv4 (RFC 2131): smoltcp's client asks, renews and loses the lease; here it takes effect.

use smoltcp::socket::dhcpv4::{Event, RetryConfig, Socket};

use crate::{config::is_host, stack::Stack};

/// Seconds between two DISCOVERs without an answer, and before the first repetition of a REQUEST. RFC 2131, 4.1
/// proposes 4 s; a lost frame at boot should not cost more.
const RETRY_SECONDS: u64 = 4;

impl Stack {
    /// Begins to ask for an address.
    pub(crate) fn start_dhcp(&mut self) {
        let mut socket = Socket::new();
        let mut retry = RetryConfig::default();
        retry.discover_timeout = smoltcp::time::Duration::from_secs(RETRY_SECONDS);
        retry.initial_request_timeout = smoltcp::time::Duration::from_secs(RETRY_SECONDS);
        socket.set_retry_config(retry);
        self.dhcp = Some(self.sockets.add(socket));
    }

    /// Takes what the client has learned since the last turn.
    pub(crate) fn follow_dhcp(&mut self) {
        let Some(handle) = self.dhcp else { return };
        let lease = match self.sockets.get_mut::<Socket<'_>>(handle).poll() {
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
