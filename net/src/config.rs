//! How an interface is configured: the words `net0.ip=`, `net0.gateway=` and `net0.nat=`, or the same by hand.

use alloc::string::String;
use core::{fmt, net::Ipv4Addr};

use crate::tcp::connection::OVERHEAD;

/// Configuration of one stack. The default takes its address from DHCP.
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
    gateway: Option<Ipv4Addr>,
    nat: bool,
    limits: Limits,
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
    /// Datagrams of all sockets waiting for the hardware address of their next hop.
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
    /// An address from DHCP (RFC 2131).
    pub fn dhcp() -> Self {
        Self::default()
    }

    /// A fixed address with the length of its network prefix in bits. `None` when the address is not one that a
    /// host can have, or the prefix is longer than 32 bits.
    pub fn fixed(address: Ipv4Addr, prefix: u8) -> Option<Self> {
        is_network((address, prefix)).then(|| Config { address: Some((address, prefix)), ..Self::default() })
    }

    /// Sends what leaves the network of the fixed address to `gateway`. `None` when the gateway is not in it.
    pub fn with_gateway(mut self, gateway: Ipv4Addr) -> Option<Self> {
        let network = self.address?;
        self.gateway = Some(gateway).filter(|gateway| is_neighbor(*gateway, network));
        self.gateway.is_some().then_some(self)
    }

    /// Replaces the limits.
    pub fn with_limits(mut self, limits: Limits) -> Self {
        self.limits = limits;
        self
    }

    /// Reads `PREFIX.ip`, `PREFIX.gateway` and `PREFIX.nat` (for example `net0.ip`) by asking `get` for each.
    /// Without an address, DHCP is used.
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
        let network = parse_network(value).filter(|network| is_network(*network));
        self.address = Some(network.ok_or("an IPv4 address with a prefix length, like 10.0.2.15/24")?);
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

    /// The gateway of the fixed address.
    pub fn gateway(&self) -> Option<Ipv4Addr> {
        self.gateway
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
const WORDS: [(&str, Take); 3] =
    [("ip", Config::take_network), ("gateway", Config::take_gateway), ("nat", Config::take_nat)];

/// A word of the configuration that was not understood.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ConfigError {
    key: String,
    value: String,
    expected: &'static str,
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
pub(crate) fn mask(address: Ipv4Addr, prefix: u8) -> u32 {
    let bits = 32u32.saturating_sub(u32::from(prefix));
    u32::from(address).checked_shr(bits).unwrap_or(0)
}

/// `10.0.2.15/24`.
fn parse_network(text: &str) -> Option<(Ipv4Addr, u8)> {
    let ([a, b, c, d, prefix], 5) = parse_numbers(text)? else { return None };
    Some((Ipv4Addr::new(a, b, c, d), prefix))
}

/// Reads an IPv4 address like `10.0.2.2`, at a fraction of the bytes that the parser of `core` takes.
pub fn parse_address(text: &str) -> Option<Ipv4Addr> {
    let ([a, b, c, d, _], 4) = parse_numbers(text)? else { return None };
    Some(Ipv4Addr::new(a, b, c, d))
}

/// Up to four decimal numbers of one byte, without leading zeros and with dots between them, and perhaps a fifth
/// behind a slash; and how many there were. `core`'s own parser brings IPv6 and several kilobytes with it.
fn parse_numbers(text: &str) -> Option<([u8; 5], usize)> {
    let (mut numbers, mut index, mut digits) = ([0u8; 5], 0, 0);
    for byte in text.bytes() {
        let number = numbers.get_mut(index)?;
        match byte {
            b'0'..=b'9' if digits == 0 || *number > 0 => {
                *number = number.checked_mul(10)?.checked_add(byte - b'0')?;
                digits += 1;
            }
            b'.' if digits > 0 && index < 3 => (index, digits) = (index + 1, 0),
            b'/' if digits > 0 && index == 3 => (index, digits) = (index + 1, 0),
            _ => return None,
        }
    }
    (digits > 0).then_some((numbers, index + 1))
}
