//! Raw ports: network cards without a stack, for whoever forwards frames.

use crate::backend;
use crate::outcome::Failure;
use crate::resource::{Resource, at_once};
use crate::system::System;
use alloc::boxed::Box;
use alloc::vec::{IntoIter, Vec};
#[cfg(feature = "long-frames")]
pub use unik_net::Segments;
pub use unik_net::{
    BatchNic, Cable, CableCounters, Checksum, Frame, Nic, Offload, Offloads, Segment, SegmentKind,
};
pub use unik_virtio::{Batch, Buffer, Train};

/// The most cards that are used.
const LIMIT: usize = 8;
/// What ports are called, in the order of the devices: counted from 1 where the first device is a network.
const NAMES: [&str; LIMIT + 1] =
    ["port0", "port1", "port2", "port3", "port4", "port5", "port6", "port7", "port8"];
/// What the network is called that the first device may be.
const NETWORK: &str = "net0";

/// The network cards of the machine, at most eight, as they are: whole frames come and go, in buffers that pass from one
/// card to another. Beside a [`Net`](crate::net::Net), which then stands before it among the parameters of `main`, they are
/// those that are left, and the first is `port1`.
///
/// All cards of a machine have one pool of buffers, as many as all their queues hold: however long a card keeps what it is to
/// send, no other one is left without. (A process has a pool for each card.)
///
/// ```no_run
/// use unik::{Ports, ports::Cable};
///
/// #[unik::main]
/// async fn main(ports: Ports) {
///     if let [Some(left), Some(right)] = ports.into_array() {
///         Cable::new(left.nic, right.nic).run().await;
///     }
/// }
/// ```
pub struct Ports(Vec<Port>);

/// One of the [`Ports`].
pub struct Port {
    /// Its name, which is that of its counters too.
    pub name: &'static str,
    /// The card.
    pub nic: Box<dyn BatchNic>,
}

impl Ports {
    /// How many there are: at least one.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there is none, which is never.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Each of them, in the order of the devices.
    pub fn iter(&self) -> core::slice::Iter<'_, Port> {
        self.0.iter()
    }

    /// The first `N`, where there are so many.
    pub fn into_array<const N: usize>(self) -> [Option<Port>; N] {
        let mut ports = self.0.into_iter();
        core::array::from_fn(|_| ports.next())
    }
}

impl IntoIterator for Ports {
    type Item = Port;
    type IntoIter = IntoIter<Port>;

    fn into_iter(self) -> IntoIter<Port> {
        self.0.into_iter()
    }
}

impl Resource for Ports {
    fn take<const LOOKED: bool>(system: &System) -> impl Future<Output = Result<Self, Failure>> {
        at_once(|| open(system))
    }

    fn is_present(system: &System) -> bool {
        backend::has_nic(system.backend())
    }
}

/// Opens the cards.
#[inline(never)]
fn open(system: &System) -> Result<Ports, Failure> {
    let nics = backend::open_nics(system.backend(), LIMIT).map_err(Failure::Configuration)?;
    let mut ports = Vec::with_capacity(nics.len());
    let first = usize::from(system.counters().has(NETWORK));
    for (nic, name) in nics.into_iter().zip(NAMES.into_iter().skip(first)) {
        system.counters().register(name, nic.counters());
        if !nic.is_link_up() {
            log::warn!("{name}: the link is down");
        }
        ports.push(Port { name, nic });
    }
    if backend::has_nic(system.backend()) {
        log::warn!("there are more network cards than the {LIMIT} that are used");
    }
    system.note_ready(format_args!("{} ports", ports.len()));
    Ok(Ports(ports))
}
