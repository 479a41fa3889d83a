//! The network: a TCP/IP stack on each network device, and its sockets.

use crate::backend;
use crate::entropy::Entropy;
use crate::monitor::Watched;
use crate::outcome::Failure;
use crate::resource::{Resource, at_once};
use crate::system::System;
use alloc::boxed::Box;
use alloc::string::ToString;
use alloc::vec::Vec;
pub use unik_net::resolver::{Addresses, NameError};
pub use unik_net::{
    Answering, Capture, Captured, Datagram, Direction, Error, Listen, Net, Protocol, Reply, SocketInfo,
    SocketState, TcpListener, TcpReader, TcpStream, TcpWriter, UdpSocket, Verdict, parse_end,
};
use unik_net::{Config, Limits};

/// What networks are called, in the order of the devices.
const NAMES: [&str; 4] = [FIRST, "net1", "net2", "net3"];
const FIRST: &str = "net0";
/// The buffers of all TCP connections take at most this part of the memory that is free when the network starts, and those of
/// several networks together no more.
const TCP_SHARE: usize = 2;

/// The first network device with a stack on it, configured by `net0.ip=` and its siblings, or by DHCP and routers. `main` starts
/// when it has an address. Its ports and numbers are drawn from [`Entropy`], so it needs what that needs.
impl Resource for Net {
    async fn take<const LOOKED: bool>(system: &System) -> Result<Self, Failure> {
        let net = start_first(system)?;
        if LOOKED {
            watch(system, &net);
        }
        net.configured().await;
        note(system, FIRST, &net);
        Ok(net)
    }

    fn is_present(system: &System) -> bool {
        backend::has_nic(system.backend())
    }
}

/// A [`Net`] that `main` does not wait for: it starts although there is no address yet, and perhaps never is.
///
/// ```no_run
/// use unik::net::EarlyNet;
///
/// #[unik::main]
/// async fn main(EarlyNet(net): EarlyNet) {
///     unik::log::info!("the address is not known yet");
///     net.configured().await;
///     unik::log::info!("it is {:?}", net.address());
/// }
/// ```
pub struct EarlyNet(pub Net);

impl Resource for EarlyNet {
    fn take<const LOOKED: bool>(system: &System) -> impl Future<Output = Result<Self, Failure>> {
        at_once(|| {
            let net = start_first(system)?;
            if LOOKED {
                watch(system, &net);
            }
            note(system, FIRST, &net);
            Ok(Self(net))
        })
    }

    fn is_present(system: &System) -> bool {
        Net::is_present(system)
    }
}

/// The first `N` network devices, each with a stack on it as [`Net`] has one: `net0`, configured by `net0.ip=` and its siblings,
/// `net1`, by `net1.ip=`, and so on, up to four. `main` starts when each has an address. It stands in place of a `Net`, not beside
/// one.
///
/// Networks know nothing of each other: what one receives leaves by another only where the application sends it.
///
/// ```no_run
/// use unik::net::Nets;
///
/// #[unik::main]
/// async fn main(Nets([near, far]): Nets<2>) {
///     unik::log::info!("between {:?} and {:?}", near.address(), far.address());
/// }
/// ```
pub struct Nets<const N: usize>(pub [Net; N]);

impl<const N: usize> Resource for Nets<N> {
    async fn take<const LOOKED: bool>(system: &System) -> Result<Self, Failure> {
        const { assert!(N > 0 && N <= NAMES.len(), "an image has one to four networks") };
        let mut nets = Vec::with_capacity(N);
        for name in NAMES.into_iter().take(N) {
            nets.push(start(system, name, TCP_SHARE * N)?);
        }
        for net in &nets {
            if LOOKED {
                watch(system, net);
            }
            net.configured().await;
            note(system, net.name(), net);
        }
        Ok(Self(nets.try_into().ok().expect("as many were started")))
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
pub(crate) fn note(system: &System, name: &'static str, net: &Net) {
    let (mut index, mut name) = (0, [name, " "]);
    while let Some((address, prefix)) = net.address_at(index) {
        let [name, space] = core::mem::take(&mut name);
        system.note_ready(format_args!("{name}{space}{address}/{prefix}"));
        index += 1;
    }
}

/// Starts the first network, which may be the only one.
pub(crate) fn start_first(system: &System) -> Result<Net, Failure> {
    start(system, FIRST, TCP_SHARE)
}

/// Opens the next device and starts the stack on it. The buffers of its connections take this part of the free memory.
// Apart from the wait for an address, so that its variables are none of a future.
#[inline(never)]
fn start(system: &System, name: &'static str, share: usize) -> Result<Net, Failure> {
    let words = system.config();
    let config = Config::parse(name, &mut |key| words.get(key))
        .map_err(|error| Failure::Configuration(error.to_string()))?;
    if config.nat() {
        log::info!("{name}: all clients share one address, so limits per client apply to all together");
    }
    let entropy = Entropy::of(system)?;
    let nic = backend::open_nic(system.backend()).map_err(Failure::Configuration)?;
    let random = Box::new(move || entropy.next_u64());
    let config = match backend::heap_free() {
        Some(free) => config.with_limits(Limits::within(free / share)),
        None => config,
    };
    let (net, driver) = Net::new(name, nic, config, system.time().clone(), random);
    system.counters().register(name, net.counters());
    system.counters().register(name, net.nic_counters());
    let spawned = system.spawner().spawn(name, driver.run());
    spawned.map_err(|error| Failure::Configuration(error.to_string()))?;
    Ok(net)
}
