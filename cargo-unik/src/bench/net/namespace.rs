//! A network namespace of the bench's own, and the wires in it.
//!
//! The namespace has no name: it is the one of this process and of what it starts, and is gone with them, whatever ends them. It holds
//! its loopback and the taps; no route leads out of it, and it forwards nothing.

use std::fmt;
use std::fs;
use std::net::{Ipv4Addr, SocketAddr};
use std::process::Command;
use std::time::{Duration, Instant};

use nix::sched::{CloneFlags, unshare};
use nix::unistd::{Pid, geteuid};

use crate::bench::PATIENCE;
use crate::error::{Context, Error, Result};
use crate::guest;

/// The hardware address of a guest at no tap: the one that [`crate::guest::Guest`] gives to its first network device.
pub(crate) const GUEST_HARDWARE: Hardware = Hardware([0x52, 0x54, 0, 0x12, 0x34, 0x56]);
/// The hardware address of this side of each wire.
pub(crate) const OUR_HARDWARE: Hardware = Hardware([0x52, 0x54, 0, 0, 0, 1]);
/// Frames that may wait on a tap for QEMU to take them.
const QUEUE: &str = "10000";

/// How often it is looked whether a process has left for its own namespace.
const TICK: Duration = Duration::from_millis(1);

/// An Ethernet address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Hardware(pub(crate) [u8; 6]);

/// A tap device, and the addresses at both of its ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Wire {
    /// The name of the tap.
    pub(crate) tap: &'static str,
    network: u8,
}

/// The wire of the image.
pub(crate) const UNIK: Wire = Wire { tap: "unik", network: 91 };
/// The wire of the Linux guest.
pub(crate) const LINUX: Wire = Wire { tap: "linux", network: 90 };

impl Wire {
    /// A wire of another benchmark; `network` differs from those of the wires beside it.
    pub(crate) const fn new(tap: &'static str, network: u8) -> Wire {
        Wire { tap, network }
    }

    /// Our address.
    pub(crate) fn host(self) -> Ipv4Addr {
        Ipv4Addr::new(10, self.network, 0, 1)
    }

    /// The guest's hardware address.
    pub(crate) fn hardware(self) -> Hardware {
        Hardware(guest::tap_hardware(self.tap))
    }

    /// The guest's address.
    pub(crate) fn guest(self) -> Ipv4Addr {
        Ipv4Addr::new(10, self.network, 0, 2)
    }

    /// Our address as another client, once it has been added.
    pub(crate) fn other_client(self) -> Ipv4Addr {
        Ipv4Addr::new(10, self.network, 0, 3)
    }

    /// A port of the guest.
    pub(crate) fn port(self, port: u16) -> SocketAddr {
        (self.guest(), port).into()
    }
}

impl fmt::Display for Hardware {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [a, b, c, d, e, f] = self.0;
        write!(formatter, "{a:02x}:{b:02x}:{c:02x}:{d:02x}:{e:02x}:{f:02x}")
    }
}

/// The namespace that this thread, and every thread and process that it starts from here on, lives in.
#[derive(Debug)]
pub(crate) struct Namespace(());

impl Namespace {
    /// Leaves the computer's networks for a namespace with nothing in it.
    ///
    /// # Errors
    /// Only root may.
    pub(crate) fn enter() -> Result<Namespace> {
        require_root()?;
        unshare(CloneFlags::CLONE_NEWNET).or_cannot(|| "make a network namespace".to_owned())?;
        ip("link set dev lo up")?;
        // A kernel that lacks one of them measures as well.
        for (name, value) in [
            ("ipv6/conf/default/disable_ipv6", "1"),
            // Room for the windows of a fast link, as the Linux guest has.
            ("ipv4/tcp_rmem", "4096 1048576 16777216"),
            ("ipv4/tcp_wmem", "4096 1048576 16777216"),
            // A client that closes first leaves no port behind: a million connections need theirs again.
            ("ipv4/tcp_max_tw_buckets", "0"),
            ("ipv4/ip_local_port_range", "1024 65535"),
            ("unix/max_dgram_qlen", "512"),
        ] {
            let _ = fs::write(format!("/proc/sys/net/{name}"), value);
        }
        Ok(Namespace(()))
    }

    /// Makes the tap of a wire, with our address and the guest's hardware address for good: nobody is asked for it.
    ///
    /// # Errors
    /// `ip` refuses.
    pub(crate) fn lay(&self, wire: Wire) -> Result<()> {
        ip(&format!("tuntap add dev {} mode tap", wire.tap))?;
        self.begin(wire)?;
        ip(&format!(
            "neighbour replace {} lladdr {} dev {} nud permanent",
            wire.guest(),
            wire.hardware(),
            wire.tap
        ))
    }

    /// Makes the tap of a wire for a process, whose hardware address is its own matter.
    ///
    /// # Errors
    /// `ip` refuses.
    pub(crate) fn lay_for_process(&self, wire: Wire) -> Result<()> {
        ip(&format!("tuntap add dev {} mode tap", wire.tap))?;
        self.begin(wire)
    }

    /// Makes a tap between two programs, without an address of ours.
    ///
    /// # Errors
    /// `ip` refuses.
    pub(crate) fn lay_bare(&self, tap: &str) -> Result<()> {
        ip(&format!("tuntap add dev {tap} mode tap"))?;
        ip(&format!("link set dev {tap} txqueuelen {QUEUE} up"))
    }

    /// Makes a pair of virtual cards: ours has the name of the wire, the other one is handed, under the name that is given, to the
    /// namespace for which `process` leaves this one.
    ///
    /// # Errors
    /// `ip` refuses.
    pub(crate) fn lay_pair(&self, wire: Wire, other: &str, process: u32) -> Result<()> {
        let of = |process: &str| fs::read_link(format!("/proc/{process}/ns/net")).ok();
        let deadline = Instant::now() + PATIENCE;
        while of(&process.to_string()) == of("self") && Instant::now() < deadline {
            std::thread::sleep(TICK);
        }
        ip(&format!("link add {} type veth peer name {other} netns {process}", wire.tap))?;
        self.begin(wire)
    }

    /// Hands a device over to the namespace that a thread lives in, where it is without addresses and down.
    ///
    /// # Errors
    /// `ip` refuses.
    pub(crate) fn hand_over(&self, device: &str, thread: Pid) -> Result<()> {
        ip(&format!("link set dev {device} netns {thread}"))
    }

    /// Makes a pair of virtual cards, both here: a cable with nothing in it.
    ///
    /// # Errors
    /// `ip` refuses.
    pub(crate) fn lay_cable(&self, ends: [&str; 2]) -> Result<()> {
        let [near, far] = ends;
        ip(&format!("link add {near} type veth peer name {far}"))?;
        ends.iter().try_for_each(|end| ip(&format!("link set dev {end} txqueuelen {QUEUE} up")))
    }

    /// Gives a device an address, and brings it up.
    ///
    /// # Errors
    /// `ip` refuses.
    pub(crate) fn settle(&self, device: &str, address: Ipv4Addr) -> Result<()> {
        ip(&format!("address add {address}/24 dev {device}"))?;
        ip(&format!("link set dev {device} txqueuelen {QUEUE} up"))
    }

    /// Gives our end of a wire one more address: that of another client.
    ///
    /// # Errors
    /// `ip` refuses.
    pub(crate) fn add_client(&self, wire: Wire) -> Result<()> {
        ip(&format!("address add {}/24 dev {}", wire.other_client(), wire.tap))
    }

    /// Gives our end of a wire its addresses and room.
    fn begin(&self, wire: Wire) -> Result<()> {
        ip(&format!("link set dev {} address {OUR_HARDWARE} txqueuelen {QUEUE} up", wire.tap))?;
        ip(&format!("address add {}/24 dev {}", wire.host(), wire.tap))
    }
}

/// Says who may measure, before anything is built.
///
/// # Errors
/// The user is not root.
pub(crate) fn require_root() -> Result<()> {
    if geteuid().is_root() {
        return Ok(());
    }
    let sentence = "this benchmark makes a network namespace of its own with tap devices in it, which only root may: run it as root";
    Err(Error::failed(sentence))
}

fn ip(words: &str) -> Result<()> {
    let output = Command::new("ip").args(words.split(' ')).output();
    let output = output.or_cannot(|| "start ip ('apt-get install iproute2' brings it)".to_owned())?;
    if output.status.success() {
        return Ok(());
    }
    let complaint = String::from_utf8_lossy(&output.stderr);
    Err(Error::failed(format!("'ip {words}' fails: {}", complaint.trim())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hardware_address_is_written_as_ip_reads_it() {
        assert_eq!(GUEST_HARDWARE.to_string(), "52:54:00:12:34:56");
    }

    #[test]
    fn the_two_wires_share_no_address_and_no_name() {
        assert_eq!((UNIK.host(), UNIK.guest()), ([10, 91, 0, 1].into(), [10, 91, 0, 2].into()));
        assert_ne!(UNIK.tap, LINUX.tap);
        assert_eq!(LINUX.port(7).to_string(), "10.90.0.2:7");
    }
}
