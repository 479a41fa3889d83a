//! What can be asked of a machine, as words: on the command line and in an application's `[package.metadata.unik]`.
//!
//! Each type reads its word by `FromStr` and says in one sentence what it would have understood.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

use crate::error::{Error, Result};

/// The kind of virtual machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Machine {
    /// No PCI and no legacy devices, virtio over MMIO: the fastest to boot.
    #[default]
    Microvm,
    /// A PC of today: PCI Express, SeaBIOS.
    Q35,
    /// A PC of 1996: PCI, SeaBIOS.
    Pc,
}

/// How a network device of the guest reaches the world.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Network {
    /// QEMU's user networking: no root, outgoing connections and forwarded ports.
    User,
    /// A tap device of this name, made beforehand.
    Tap(String),
    /// The other end of a Unix socket: two guests with the same path are joined by a wire.
    Link(PathBuf),
}

/// What a forwarded port carries.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Protocol {
    /// Datagrams.
    Udp,
    /// Connections.
    Tcp,
}

/// A port of 127.0.0.1 that leads into the guest.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Forward {
    /// What it carries.
    pub protocol: Protocol,
    /// The port on this computer.
    pub host: u16,
    /// The port in the guest.
    pub guest: u16,
}

/// Who executes the guest's instructions, as wished for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Accelerator {
    /// KVM where it works, else TCG.
    #[default]
    Auto,
    /// The processor itself.
    Kvm,
    /// QEMU's translator.
    Tcg,
}

/// The guest's memory, in MiB.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Memory(u32);

impl Memory {
    /// What a guest gets when nobody says otherwise.
    pub const DEFAULT: Memory = Memory(64);
    /// The least that a machine with an image in it can be made of.
    pub const MINIMUM: Memory = Memory(2);

    /// The memory in MiB.
    pub fn mebibytes(self) -> u32 {
        self.0
    }
}

impl FromStr for Machine {
    type Err = Error;
    fn from_str(word: &str) -> Result<Machine> {
        match word {
            "microvm" => Ok(Machine::Microvm),
            "q35" => Ok(Machine::Q35),
            "pc" => Ok(Machine::Pc),
            _ => Err(Error::usage(format!("there is no machine '{word}': choose microvm, q35 or pc"))),
        }
    }
}

impl fmt::Display for Machine {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Machine::Microvm => "microvm",
            Machine::Q35 => "q35",
            Machine::Pc => "pc",
        })
    }
}

/// Reads a network; `none` is the absence of one.
///
/// # Errors
/// A sentence that lists the kinds.
pub fn network(word: &str) -> Result<Option<Network>> {
    match word.split_once(':') {
        None if word == "user" => Ok(Some(Network::User)),
        None if word == "none" => Ok(None),
        // Linux: IFNAMSIZ is 16 with the NUL.
        Some(("tap", name)) if !name.is_empty() && name.len() < 16 && !name.contains([',', '/']) => {
            Ok(Some(Network::Tap(name.to_owned())))
        }
        Some(("link", path)) if !path.is_empty() => Ok(Some(Network::Link(PathBuf::from(path)))),
        _ => Err(Error::usage(format!(
            "there is no network '{word}': choose user, tap:NAME, link:PATH or none"
        ))),
    }
}

impl fmt::Display for Protocol {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Protocol::Udp => "udp",
            Protocol::Tcp => "tcp",
        })
    }
}

impl FromStr for Forward {
    type Err = Error;
    fn from_str(word: &str) -> Result<Forward> {
        let wrong =
            || Error::usage(format!("'{word}' forwards nothing: write udp:5300:53 for protocol:here:guest"));
        let mut parts = word.split(':');
        let (Some(protocol), Some(host), Some(guest), None) =
            (parts.next(), parts.next(), parts.next(), parts.next())
        else {
            return Err(wrong());
        };
        let protocol = match protocol {
            "udp" => Protocol::Udp,
            "tcp" => Protocol::Tcp,
            _ => return Err(wrong()),
        };
        let port = |text: &str| text.parse().ok().filter(|port: &u16| *port != 0).ok_or_else(wrong);
        Ok(Forward { protocol, host: port(host)?, guest: port(guest)? })
    }
}

impl fmt::Display for Forward {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{} 127.0.0.1:{} -> {}", self.protocol, self.host, self.guest)
    }
}

impl FromStr for Accelerator {
    type Err = Error;
    fn from_str(word: &str) -> Result<Accelerator> {
        match word {
            "auto" => Ok(Accelerator::Auto),
            "kvm" => Ok(Accelerator::Kvm),
            "tcg" => Ok(Accelerator::Tcg),
            _ => Err(Error::usage(format!("there is no accelerator '{word}': choose auto, kvm or tcg"))),
        }
    }
}

impl FromStr for Memory {
    type Err = Error;
    fn from_str(word: &str) -> Result<Memory> {
        let wrong = || Error::usage(format!("'{word}' is no amount of memory: write 8M or 1G, 2M at least"));
        let (digits, factor) = match word.as_bytes().last() {
            Some(b'M' | b'm') => (&word[..word.len() - 1], 1),
            Some(b'G' | b'g') => (&word[..word.len() - 1], 1024),
            _ => (word, 1),
        };
        let number: u32 = digits.parse().map_err(|_| wrong())?;
        let mebibytes = number.checked_mul(factor).ok_or_else(wrong)?;
        if mebibytes < Memory::MINIMUM.0 { Err(wrong()) } else { Ok(Memory(mebibytes)) }
    }
}

impl fmt::Display for Memory {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}M", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_is_read_in_mebibytes_and_gibibytes() {
        let read = |word: &str| word.parse::<Memory>().map(Memory::mebibytes);
        assert_eq!(read("8M"), Ok(8));
        assert_eq!(read("1G"), Ok(1024));
        assert_eq!(read("64"), Ok(64));
        for wrong in ["", "M", "0", "1M", "-3M", "8K", "9999999G", "8 M", "é"] {
            assert!(read(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_forward_names_protocol_and_two_ports() {
        let forward: Forward = "udp:5300:53".parse().unwrap();
        assert_eq!(forward, Forward { protocol: Protocol::Udp, host: 5300, guest: 53 });
        for wrong in ["udp:5300", "sctp:1:2", "tcp:0:53", "tcp:1:65536", "tcp:1:2:3", ""] {
            assert!(wrong.parse::<Forward>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn networks_are_named_by_kind() {
        assert_eq!(network("user"), Ok(Some(Network::User)));
        assert_eq!(network("none"), Ok(None));
        assert_eq!(network("tap:tap0"), Ok(Some(Network::Tap("tap0".to_owned()))));
        assert_eq!(network("link:/run/wire"), Ok(Some(Network::Link(PathBuf::from("/run/wire")))));
        for wrong in
            ["", "tap", "tap:", "tap:a,script=/bin/sh", "tap:sixteen-letters-", "link:", "bridge:br0"]
        {
            assert!(network(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn an_unknown_machine_is_answered_with_the_known_ones() {
        let error = "vax".parse::<Machine>().unwrap_err().to_string();
        assert_eq!(error, "there is no machine 'vax': choose microvm, q35 or pc");
    }
}
