//! The network: a TCP/IP stack on each network device, and its sockets.

use crate::backend;
use crate::entropy::Entropy;
use crate::monitor::Watched;
use crate::outcome::Failure;
use crate::resource::Resource;
use crate::system::System;
use alloc::boxed::Box;
use alloc::string::ToString;
pub use unik_net::resolver::{Addresses, NameError};
pub use unik_net::{
    Answering, Capture, Captured, Datagram, Direction, Error, Listen, Net, Protocol, Reply, SocketInfo,
    SocketState, TcpListener, TcpReader, TcpStream, TcpWriter, UdpSocket, Verdict,
};
use unik_net::{Config, Limits};

/// What the first network is called.
pub(crate) const NAME: &str = "net0";
/// The buffers of all TCP connections take at most this part of the memory that is free when the network starts.
const TCP_SHARE: usize = 2;

/// The first network device with a stack on it, configured by `net0.ip=` and its siblings, or by DHCP and routers. `main` starts
/// when it has an address. Its ports and numbers are drawn from [`Entropy`], so it needs what that needs.
impl Resource for Net {
    async fn take<const LOOKED: bool>(system: &System) -> Result<Self, Failure> {
        let net = start(system)?;
        if LOOKED {
            watch(system, &net);
        }
        net.configured().await;
        note(system, &net);
        Ok(net)
    }

    fn is_present(system: &System) -> bool {
        backend::has_nic(system.backend())
    }
}

/// Lets whoever looks into the system see a network.
#[inline]
pub(crate) fn watch(system: &System, net: &Net) {
    system.add_network(Box::leak(Box::new(Watched::new(net))));
}

/// Tells the addresses of a network in the ready line.
#[inline]
pub(crate) fn note(system: &System, net: &Net) {
    let (mut index, mut name) = (0, [NAME, " "]);
    while let Some((address, prefix)) = net.address_at(index) {
        let [name, space] = core::mem::take(&mut name);
        system.note_ready(format_args!("{name}{space}{address}/{prefix}"));
        index += 1;
    }
}

/// Opens the device and starts the stack on it.
// Apart from the wait for an address, so that its variables are none of a future.
#[inline(never)]
pub(crate) fn start(system: &System) -> Result<Net, Failure> {
    let words = system.config();
    let config = Config::parse(NAME, &mut |key| words.get(key))
        .map_err(|error| Failure::Configuration(error.to_string()))?;
    if config.nat() {
        log::info!("{NAME}: all clients share one address, so limits per client apply to all together");
    }
    let entropy = Entropy::of(system)?;
    let nic = backend::open_nic(system.backend()).map_err(Failure::Configuration)?;
    let random = Box::new(move || entropy.next_u64());
    let config = match backend::heap_free() {
        Some(free) => config.with_limits(Limits::within(free / TCP_SHARE)),
        None => config,
    };
    let (net, driver) = Net::new(NAME, nic, config, system.time().clone(), random);
    system.counters().register(NAME, net.counters());
    system.counters().register(NAME, net.nic_counters());
    let spawned = system.spawner().spawn(NAME, driver.run());
    spawned.map_err(|error| Failure::Configuration(error.to_string()))?;
    Ok(net)
}
