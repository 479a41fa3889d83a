//! The ports of a switch: what controllers are told of them, and what is counted.

use alloc::vec::Vec;
use unik_sched::time::Instant;

/// OFPP_MAX: the numbers of reserved ports are higher (OpenFlow 1.3.5, 7.2.1).
pub const MAX: u32 = 0xffff_ff00;
/// OFPP_IN_PORT.
pub const IN_PORT: u32 = 0xffff_fff8;
/// OFPP_TABLE.
pub const TABLE: u32 = 0xffff_fff9;
/// OFPP_NORMAL.
pub const NORMAL: u32 = 0xffff_fffa;
/// OFPP_FLOOD.
pub const FLOOD: u32 = 0xffff_fffb;
/// OFPP_ALL.
pub const ALL: u32 = 0xffff_fffc;
/// OFPP_CONTROLLER.
pub const CONTROLLER: u32 = 0xffff_fffd;
/// OFPP_LOCAL.
pub const LOCAL: u32 = 0xffff_fffe;
/// OFPP_ANY.
pub const ANY: u32 = 0xffff_ffff;
/// OFPPC_PORT_DOWN.
pub const PORT_DOWN: u32 = 1;
/// OFPPC_NO_RECV.
pub const NO_RECV: u32 = 1 << 2;
/// OFPPC_NO_FLOOD, of OpenFlow 1.0 alone.
pub const NO_FLOOD: u32 = 1 << 4;
/// OFPPC_NO_FWD.
pub const NO_FWD: u32 = 1 << 5;
/// OFPPC_NO_PACKET_IN.
pub const NO_PACKET_IN: u32 = 1 << 6;
/// OFPPS_LINK_DOWN.
pub const LINK_DOWN: u32 = 1;
/// OFPPS_BLOCKED.
pub const BLOCKED: u32 = 1 << 1;
/// OFPPS_LIVE.
pub const LIVE: u32 = 1 << 2;
/// Ports that there can be beside the local one.
pub const MOST_PORTS: u32 = 64;

/// What is counted of a port.
#[derive(Clone, Copy, Debug, Default)]
pub struct PortCounters {
    /// Frames received and sent.
    pub rx_packets: u64,
    /// Frames that were sent.
    pub tx_packets: u64,
    /// Octets of those received.
    pub rx_bytes: u64,
    /// Octets of those sent.
    pub tx_bytes: u64,
    /// Received ones that were dropped.
    pub rx_dropped: u64,
    /// Ones to send that were dropped.
    pub tx_dropped: u64,
}

/// A port.
#[derive(Clone, Debug)]
pub struct Port {
    /// Its number: from 1 to [`MOST_PORTS`], or [`LOCAL`].
    pub number: u32,
    /// Its hardware address.
    pub address: [u8; 6],
    /// Its name, with zeros behind.
    pub name: [u8; 16],
    /// OFPPC_.
    pub config: u32,
    /// OFPPS_.
    pub state: u32,
    /// Kilobits a second.
    pub speed: u32,
    /// When it came.
    pub created: Instant,
    /// What is counted.
    pub counters: PortCounters,
}

impl Port {
    /// A port whose link is up.
    pub fn new(number: u32, address: [u8; 6], name: &str, now: Instant) -> Port {
        let mut octets = [0; 16];
        // The last one stays zero (OpenFlow 1.3.5, 7.2.1).
        octets.iter_mut().take(15).zip(name.bytes()).for_each(|(to, from)| *to = from);
        Port {
            number,
            address,
            name: octets,
            config: 0,
            state: LIVE,
            speed: 10_000_000,
            created: now,
            counters: PortCounters::default(),
        }
    }

    /// Whether frames that come in there are looked at.
    #[inline]
    fn takes(&self) -> bool {
        self.config & (PORT_DOWN | NO_RECV) == 0 && self.state & BLOCKED == 0
    }

    /// Whether frames can be sent there.
    #[inline]
    fn is_open(&self) -> bool {
        self.config & (PORT_DOWN | NO_FWD) == 0 && self.state & (LINK_DOWN | BLOCKED) == 0
    }
}

/// The ports of a switch.
#[derive(Default)]
pub struct Ports(Vec<Option<Port>>);

/// Where a port is kept: the local one first.
fn slot(number: u32) -> Option<usize> {
    match number {
        LOCAL => Some(0),
        1..=MOST_PORTS => Some(number as usize),
        _ => None,
    }
}

impl Ports {
    /// The port with this number.
    #[inline]
    pub fn get(&self, number: u32) -> Option<&Port> {
        self.0.get(slot(number)?)?.as_ref()
    }

    #[inline]
    pub(crate) fn get_mut(&mut self, number: u32) -> Option<&mut Port> {
        self.0.get_mut(slot(number)?)?.as_mut()
    }

    /// All ports, the local one first.
    pub fn all(&self) -> impl Iterator<Item = &Port> {
        self.0.iter().flatten()
    }

    /// Puts a port in, in place of one with its number. False without room for it.
    pub(crate) fn put(&mut self, port: Port) -> bool {
        let Some(at) = slot(port.number) else { return false };
        if self.0.len() <= at {
            if self.0.try_reserve(at + 1 - self.0.len()).is_err() {
                return false;
            }
            self.0.resize(at + 1, None);
        }
        self.0.get_mut(at).is_some_and(|place| {
            *place = Some(port);
            true
        })
    }

    pub(crate) fn remove(&mut self, number: u32) -> Option<Port> {
        self.0.get_mut(slot(number)?)?.take()
    }

    /// Whether a port is there and can be used.
    pub(crate) fn is_alive(&self, number: u32) -> bool {
        self.get(number).is_some_and(|port| port.config & PORT_DOWN == 0 && port.state & LINK_DOWN == 0)
    }

    /// Counts a frame that was received. False if the port takes none.
    #[inline]
    pub(crate) fn received(&mut self, number: u32, length: usize) -> bool {
        let Some(port) = self.get_mut(number) else { return false };
        port.counters.rx_packets += 1;
        port.counters.rx_bytes += length as u64;
        let takes = port.takes();
        port.counters.rx_dropped += u64::from(!takes);
        takes
    }

    /// Whether frames that came in by a port may leave by another one, or may be left to the switch.
    #[inline]
    pub(crate) fn forwards(&self, ingress: u32, egress: u32) -> bool {
        let is_open = egress == NORMAL || egress != ingress && self.get(egress).is_some_and(Port::is_open);
        is_open && self.get(ingress).is_some_and(Port::takes)
    }

    /// Counts frames that came in by a port and leave by another one, unless that is left to the switch.
    pub(crate) fn count(&mut self, ingress: u32, egress: u32, frames: u64, octets: u64) {
        if let Some(port) = self.get_mut(ingress) {
            port.counters.rx_packets += frames;
            port.counters.rx_bytes += octets;
        }
        if let Some(port) = self.get_mut(egress) {
            port.counters.tx_packets += frames;
            port.counters.tx_bytes += octets;
        }
    }

    /// Counts a frame that is to be sent. False if the port sends none.
    #[inline]
    pub(crate) fn sends(&mut self, number: u32, length: usize) -> bool {
        let Some(port) = self.get_mut(number) else { return false };
        if !port.is_open() {
            port.counters.tx_dropped += 1;
            return false;
        }
        port.counters.tx_packets += 1;
        port.counters.tx_bytes += length as u64;
        true
    }

    /// The port behind `after` to which a frame is flooded that came in on `ingress`.
    pub(crate) fn next_flooded(&self, after: usize, ingress: u32, is_all: bool) -> Option<(usize, u32)> {
        let mut rest = self.0.iter().enumerate().skip(after);
        rest.find_map(|(at, port)| {
            let port = port.as_ref()?;
            let is_taken = port.number != LOCAL && port.number != ingress && port.is_open();
            let is_flooded = is_all || port.config & NO_FLOOD == 0;
            (is_taken && is_flooded).then_some((at + 1, port.number))
        })
    }
}
