//! How an interface is configured: the words `net0.ip=`, `net0.gateway=`, `net0.ip6=` and their siblings, or the same by
//! hand.

use alloc::{string::String, vec::Vec};
use core::{
    fmt,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
};

use crate::{
    ip::address::{Address, Network},
    tcp::connection::OVERHEAD,
    text::{parse_address, parse_any, parse_network},
};

/// Configuration of one stack. The default takes its addresses from DHCP, and from the routers of IPv6.
///
/// ```
/// use unik_net::Config;
///
/// let words = [("net0.ip", "10.0.2.15/24"), ("net0.gateway", "10.0.2.2")];
/// let find = |key: &str| words.iter().find(|word| word.0 == key).map(|word| word.1);
/// let config = Config::parse("net0", &mut { find }).unwrap();
/// assert_eq!(config.address(), Some(([10, 0, 2, 15].into(), 24)));
/// ```
#[derive(Clone, Default)]
pub struct Config {
    address: Option<(Ipv4Addr, u8)>,
    /// There is none of IPv4.
    without_four: bool,
    gateway: Option<Ipv4Addr>,
    six: Option<Six>,
    gateway_of_six: Option<Ipv6Addr>,
    routes: Vec<(Network, Address)>,
    nat: bool,
    limits: Limits,
}

/// Where addresses of IPv6 come from.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Six {
    /// There are none: packets of IPv6 are for nobody here.
    Off,
    /// One for this link, and what its routers advertise (RFC 4861, RFC 4862).
    Auto,
    /// This one, with the length of its network prefix in bits, and one for this link. What routers say is heard only if no
    /// gateway is configured.
    Fixed(Ipv6Addr, u8),
}

/// The limits of one stack; reaching one is counted in [`crate::NetCounters`].
#[derive(Clone, Copy)]
pub struct Limits {
    /// Received frames handled in one turn of the driver task, before other tasks run.
    pub budget: usize,
    /// TCP connections, those that are closing included.
    pub connections: usize,
    /// Memory of all TCP connections together, in bytes: their buffers and a kilobyte each.
    pub tcp_bytes: usize,
    /// Connections of one listener whose handshake is not complete; beyond that the oldest gives way.
    pub half_open: usize,
    /// Connections that have ended and only wait for stragglers (TIME-WAIT); beyond that the oldest is forgotten.
    pub time_wait: usize,
    /// Connections of one listener that are not accepted yet.
    pub backlog: usize,
    /// Receive buffer of a TCP connection, in bytes: the largest window offered.
    pub tcp_receive: usize,
    /// Transmit buffer of a TCP connection, in bytes.
    pub tcp_transmit: usize,
    /// Datagrams queued in a UDP socket.
    pub udp_datagrams: usize,
    /// Bytes of datagrams queued in a UDP socket.
    pub udp_bytes: usize,
    /// Packets of any kind that wait for the hardware address of their next hop.
    pub parked: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Limits {
            budget: 64,
            connections: CONNECTIONS_LIMIT,
            tcp_bytes: CONNECTIONS_WANTED * (32 * 1024 + OVERHEAD),
            half_open: HALF_OPEN_LIMIT,
            time_wait: TIME_WAIT_LIMIT,
            backlog: 16,
            tcp_receive: 16 * 1024,
            tcp_transmit: 16 * 1024,
            udp_datagrams: 32,
            udp_bytes: 16 * 1024,
            parked: 32,
        }
    }
}

/// Connections that a stack may have, where memory allows; half open ones of a listener; and those in TIME-WAIT.
const CONNECTIONS_LIMIT: usize = 16 * 1024;
const HALF_OPEN_LIMIT: usize = 256;
const TIME_WAIT_LIMIT: usize = 4 * 1024;
/// What one in TIME-WAIT takes, in bytes, generously.
const TIME_WAIT_BYTES: usize = 128;

/// Connections that a stack should have buffers for, even if small ones.
const CONNECTIONS_WANTED: usize = 64;
/// The smallest buffer of a connection: two full segments and more.
const TCP_BUFFER_LEAST: usize = 4 * 1024;

impl Limits {
    /// The defaults, where all connections together take no more than `bytes`, but at least one can be: with smaller
    /// buffers where memory is small, so that there can be some dozens.
    pub fn within(bytes: usize) -> Self {
        let mut limits = Self::default();
        let fitting = |buffer: usize| bytes / (2 * buffer + OVERHEAD);
        let mut buffer = limits.tcp_receive;
        while buffer > TCP_BUFFER_LEAST && fitting(buffer) < CONNECTIONS_WANTED {
            buffer /= 2;
        }
        (limits.tcp_receive, limits.tcp_transmit) = (buffer, buffer);
        limits.tcp_bytes = bytes.max(2 * buffer + OVERHEAD);
        // A quarter of them at most for handshakes, and a sixteenth of the memory for what has ended.
        limits.half_open = (fitting(buffer) / 4).clamp(1, HALF_OPEN_LIMIT);
        limits.time_wait = (bytes / 16 / TIME_WAIT_BYTES).clamp(1, TIME_WAIT_LIMIT);
        limits
    }
}

impl Config {
    /// An address from DHCP (RFC 2131), and those that the routers of IPv6 advertise.
    pub fn dhcp() -> Self {
        Self::default()
    }

    /// No address of IPv4: those of IPv6 alone, from routers unless [`Config::with_six`] says otherwise.
    pub fn without_four() -> Self {
        Config { without_four: true, ..Self::default() }
    }

    /// A fixed address with the length of its network prefix in bits, and none of IPv6. `None` when the address is not one
    /// that a host can have, or the prefix is longer than 32 bits.
    pub fn fixed(address: Ipv4Addr, prefix: u8) -> Option<Self> {
        is_network((address, prefix)).then(|| Config { address: Some((address, prefix)), ..Self::default() })
    }

    /// Sends what leaves the network of the fixed address to `gateway`. `None` when the gateway is not in it.
    pub fn with_gateway(mut self, gateway: Ipv4Addr) -> Option<Self> {
        let network = self.address?;
        self.gateway = Some(gateway).filter(|gateway| is_neighbor(*gateway, network));
        self.gateway.is_some().then_some(self)
    }

    /// Takes addresses of IPv6 from somewhere else. `None` for one that no host can have.
    pub fn with_six(mut self, six: Six) -> Option<Self> {
        self.six = Some(six).filter(Six::is_possible);
        self.six.is_some().then_some(self)
    }

    /// Sends what leaves the networks of IPv6 to `gateway`, whatever routers say. `None` when no host can have that.
    pub fn with_gateway_of_six(mut self, gateway: Ipv6Addr) -> Option<Self> {
        self.gateway_of_six = Some(gateway).filter(|gateway| Address::from(*gateway).is_host());
        self.gateway_of_six.is_some().then_some(self)
    }

    /// Sends what is for a network to a router of the same version. `None` when no host can have its address, or there are
    /// too many.
    pub fn with_route(mut self, network: (IpAddr, u8), via: IpAddr) -> Option<Self> {
        self.add_route(network, via).map(|()| self)
    }

    /// The same in place.
    fn add_route(&mut self, network: (IpAddr, u8), via: IpAddr) -> Option<()> {
        let (network, via) = (Network::try_new(network.0, network.1)?, Address::from(via));
        let is_possible = via.is_host() && via.is_v4() == network.address.is_v4();
        if !is_possible || self.routes.len() >= ROUTE_LIMIT {
            return None;
        }
        self.routes.push((network, via));
        Some(())
    }

    /// Replaces the limits.
    pub fn with_limits(mut self, limits: Limits) -> Self {
        self.limits = limits;
        self
    }

    /// Reads `PREFIX.ip`, `PREFIX.gateway`, `PREFIX.ip6`, `PREFIX.gateway6`, `PREFIX.route` and `PREFIX.nat` (for example
    /// `net0.ip`) by asking `get` for each. Without an address, DHCP is used, and IPv6 as routers say.
    ///
    /// # Errors
    /// A word that is not understood; the error's text names it and what was expected.
    #[inline(never)]
    pub fn parse<'a>(
        prefix: &str,
        get: &mut dyn FnMut(&str) -> Option<&'a str>,
    ) -> Result<Config, ConfigError> {
        let mut config = Config::dhcp();
        for (name, take) in WORDS {
            let mut key = String::new();
            [prefix, ".", name].iter().for_each(|part| key.push_str(part));
            let Some(value) = get(&key) else { continue };
            if let Err(expected) = take(&mut config, value) {
                return Err(ConfigError { key, value: value.into(), expected });
            }
        }
        Ok(config)
    }

    fn take_network(&mut self, value: &str) -> Result<(), &'static str> {
        self.without_four = value == "off";
        if self.without_four {
            return Ok(());
        }
        let network = match parse_network(value) {
            Some((IpAddr::V4(address), prefix)) => {
                Some((address, prefix)).filter(|network| is_network(*network))
            }
            _ => None,
        };
        self.address =
            Some(network.ok_or("an IPv4 address with a prefix length, like 10.0.2.15/24, or off")?);
        Ok(())
    }

    fn take_gateway(&mut self, value: &str) -> Result<(), &'static str> {
        let network = self.address.ok_or("a gateway only together with a fixed address (ip=)")?;
        let gateway = parse_address(value).ok_or("an IPv4 address, like 10.0.2.2")?;
        if !is_neighbor(gateway, network) {
            return Err("an address of another host in the network of ip=");
        }
        self.gateway = Some(gateway);
        Ok(())
    }

    fn take_six(&mut self, value: &str) -> Result<(), &'static str> {
        self.six = match value {
            "off" => Some(Six::Off),
            "auto" => Some(Six::Auto),
            fixed => match parse_network(fixed) {
                Some((IpAddr::V6(address), prefix)) => Some(Six::Fixed(address, prefix)),
                _ => None,
            },
        };
        self.six = self.six.filter(Six::is_possible);
        let expected = "an IPv6 address with a prefix length, like 2001:db8::15/64, or auto, or off";
        self.six.is_some().then_some(()).ok_or(expected)
    }

    fn take_gateway_of_six(&mut self, value: &str) -> Result<(), &'static str> {
        if self.six() == Six::Off {
            return Err("an IPv6 gateway only together with addresses of IPv6 (ip6=)");
        }
        self.gateway_of_six = match parse_any(value) {
            Some(IpAddr::V6(gateway)) if Address::from(gateway).is_host() => Some(gateway),
            _ => return Err("the IPv6 address of a router, like fe80::1"),
        };
        Ok(())
    }

    fn take_routes(&mut self, value: &str) -> Result<(), &'static str> {
        for word in value.split(';') {
            let expected = "a network and a router of it, like 10.1.0.0/16,10.0.2.3, and ; before the next";
            self.take_route(word).ok_or(expected)?;
        }
        Ok(())
    }

    fn take_route(&mut self, word: &str) -> Option<()> {
        let cut = word.bytes().position(|byte| byte == b',')?;
        self.add_route(parse_network(word.get(..cut)?)?, parse_any(word.get(cut + 1..)?)?)
    }

    fn take_nat(&mut self, value: &str) -> Result<(), &'static str> {
        if value != "0" && value != "1" {
            return Err("0 or 1");
        }
        self.nat = value == "1";
        Ok(())
    }

    /// The fixed address and the length of its prefix; `None` means DHCP.
    pub fn address(&self) -> Option<(Ipv4Addr, u8)> {
        self.address
    }

    /// Whether an address of IPv4 is asked for by DHCP.
    pub(crate) fn wants_lease(&self) -> bool {
        self.address.is_none() && !self.without_four
    }

    /// The gateway of the fixed address.
    pub fn gateway(&self) -> Option<Ipv4Addr> {
        self.gateway
    }

    /// Where addresses of IPv6 come from: from routers, unless the address of IPv4 is fixed and nothing was said.
    pub fn six(&self) -> Six {
        let unsaid = if self.address.is_some() { Six::Off } else { Six::Auto };
        self.six.unwrap_or(unsaid)
    }

    /// The gateway of IPv6, if it is fixed.
    pub fn gateway_of_six(&self) -> Option<Ipv6Addr> {
        self.gateway_of_six
    }

    /// Whether what routers say is heard.
    pub(crate) fn hears_routers(&self) -> bool {
        match self.six() {
            Six::Off => false,
            Six::Auto => true,
            Six::Fixed(..) => self.gateway_of_six.is_none(),
        }
    }

    /// The routes beside those of the networks and gateways.
    pub(crate) fn routes(&self) -> &[(Network, Address)] {
        &self.routes
    }

    /// Whether all clients share one address (`net0.nat=1`): a limit per client then applies to all together.
    pub fn nat(&self) -> bool {
        self.nat
    }

    /// The limits in force.
    pub fn limits(&self) -> Limits {
        self.limits
    }
}

/// Takes one word's value over, or says what was expected.
type Take = fn(&mut Config, &str) -> Result<(), &'static str>;

/// What the words are called, in the order in which they are taken.
const WORDS: [(&str, Take); 6] = [
    ("ip", Config::take_network),
    ("gateway", Config::take_gateway),
    ("ip6", Config::take_six),
    ("gateway6", Config::take_gateway_of_six),
    ("route", Config::take_routes),
    ("nat", Config::take_nat),
];

/// Routes that can be configured.
const ROUTE_LIMIT: usize = 8;

impl Six {
    /// Whether a host can have the address.
    fn is_possible(&self) -> bool {
        match self {
            Six::Off | Six::Auto => true,
            Six::Fixed(address, prefix) => {
                let address = Address::from(*address);
                address.is_host() && !address.is_v4() && *prefix <= 128
            }
        }
    }
}

/// A word of the configuration that was not understood.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ConfigError {
    pub(crate) key: String,
    pub(crate) value: String,
    pub(crate) expected: &'static str,
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.key)?;
        f.write_str("=")?;
        f.write_str(&self.value)?;
        f.write_str(": expected ")?;
        f.write_str(self.expected)
    }
}

impl core::error::Error for ConfigError {}

/// Whether a host can have the address: not 0.0.0.0, loopback, multicast or the limited broadcast.
pub(crate) fn is_host(address: Ipv4Addr) -> bool {
    let [first, ..] = address.octets();
    first != 0 && first != 127 && first < 224
}

/// Whether a host can have the address in a network with a prefix of this length.
fn is_network((address, prefix): (Ipv4Addr, u8)) -> bool {
    is_host(address) && prefix <= 32
}

/// Whether another host of the network can have the address.
fn is_neighbor(other: Ipv4Addr, (address, prefix): (Ipv4Addr, u8)) -> bool {
    is_host(other) && other != address && mask(other, prefix) == mask(address, prefix)
}

/// The bits of the address that name its network.
fn mask(address: Ipv4Addr, prefix: u8) -> u32 {
    let bits = 32u32.saturating_sub(u32::from(prefix));
    u32::from(address).checked_shr(bits).unwrap_or(0)
}
