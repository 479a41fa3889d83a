//! The two sides of a comparison as guests that run: the image, and the Linux guest that was built for it.

use std::fmt;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use super::namespace::{self, GUEST_HARDWARE, OUR_HARDWARE, Wire};
use crate::bench::PATIENCE;
use crate::console::Running;
use crate::error::{Error, Result};
use crate::guest::Guest;
use crate::image::Image;
use crate::options::{Accelerator, Machine, Memory, Network};

/// The port that echoes, for datagrams and for connections.
pub(crate) const ECHO: u16 = 7;
/// The port of the image that echoes datagrams in the buffer that they came in.
pub(crate) const ECHO_IN_PLACE: u16 = 8;
/// The port that throws away what it is sent.
pub(crate) const SINK: u16 = 5001;
/// The port that sends without end.
pub(crate) const SOURCE: u16 = 5002;
/// Where the Linux guest tells its memory in use, in KiB.
pub(crate) const MEMORY: u16 = 5003;
/// What each guest has.
pub(crate) const RAM: &str = "128M";
/// How the Linux guests are built.
pub(crate) const BUILD: &str = "bench/peers/linux/build";

/// Who is measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Side {
    /// An image of this repository.
    Unik,
    /// The tuned Linux guest.
    Linux,
}

/// What a guest is wanted for. The Linux guest does both at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Role {
    /// The image `net_echo`.
    Echo,
    /// The image `bulk`.
    Bulk,
}

/// What is started for each side.
#[derive(Debug)]
pub(crate) struct Guests {
    pub(crate) echo: Image,
    pub(crate) bulk: Image,
    /// The folder of the Linux guest, where it is built and wanted.
    pub(crate) linux: Option<PathBuf>,
}

/// How a guest is started.
#[derive(Debug, Clone, Default)]
pub(crate) struct Start {
    /// On the machine with a power button, counting instructions instead of time.
    pub(crate) counted: bool,
    /// QEMU's arguments for a network device that is no tap.
    pub(crate) device: Option<Vec<String>>,
}

/// A guest that answers.
#[derive(Debug)]
pub(crate) struct Server {
    pub(crate) side: Side,
    pub(crate) running: Running,
    /// The socket of the inspection channel of an image.
    pub(crate) monitor: PathBuf,
    wire: Wire,
}

impl fmt::Display for Side {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.pad(match self {
            Side::Unik => "unik",
            Side::Linux => "linux",
        })
    }
}

impl Side {
    /// The wire that this side's guest hangs on.
    pub(crate) fn wire(self) -> Wire {
        match self {
            Side::Unik => namespace::UNIK,
            Side::Linux => namespace::LINUX,
        }
    }

    /// The machine on which this side is at its best under this QEMU: Linux is slower without PCI, and stops there for good unless it
    /// is told the frequency of its clock.
    fn machine(self) -> Machine {
        match self {
            Side::Unik => Machine::Microvm,
            Side::Linux => Machine::Q35,
        }
    }
}

impl Guests {
    /// Who is there to be measured.
    pub(crate) fn sides(&self) -> Vec<Side> {
        let linux = self.linux.as_ref().map(|_| Side::Linux);
        [Side::Unik].into_iter().chain(linux).collect()
    }

    /// Starts a guest and waits until it says that it is ready.
    ///
    /// # Errors
    /// It does not say so.
    pub(crate) fn start(&self, side: Side, role: Role, start: &Start) -> Result<Server> {
        let mut server = self.begin(side, role, start)?;
        let ready = match (side, role) {
            (Side::Linux, _) => "ready: responder",
            (Side::Unik, Role::Echo) => "ready: net_echo",
            (Side::Unik, Role::Bulk) => "ready: bulk",
        };
        server.running.line(ready, PATIENCE)?;
        Ok(server)
    }

    /// Starts a guest.
    ///
    /// # Errors
    /// QEMU cannot be started.
    pub(crate) fn begin(&self, side: Side, role: Role, start: &Start) -> Result<Server> {
        let wire = side.wire();
        let image = if role == Role::Echo { &self.echo } else { &self.bulk };
        let mut guest = match (side, &self.linux) {
            (Side::Unik, _) => Guest { monitor: Some(monitor_path()), ..unik(image)? },
            (Side::Linux, Some(folder)) => linux(folder, "net")?,
            (Side::Linux, None) => {
                return Err(Error::failed(format!("build the Linux guests first: {BUILD}")));
            }
        };
        if start.counted {
            guest.extra.extend(["-icount", "shift=0,sleep=off"].map(Into::into));
        }
        match &start.device {
            None => guest.networks = vec![Network::Tap(wire.tap.to_owned())],
            Some(words) => guest.extra.extend(words.iter().map(Into::into)),
        }
        Server::start(side, &guest)
    }

    /// A program of the Linux guest, started here with the libraries it came with; the words before its own arguments.
    pub(crate) fn program(&self, name: &str) -> Option<std::process::Command> {
        let tree = self.linux.as_ref()?.join("tree");
        let [loader, rest @ ..] = program(&tree, name);
        let mut command = std::process::Command::new(loader);
        command.args(rest);
        Some(command)
    }
}

/// The words that start a program of the Linux guest here, with the libraries that it came with, out of the packages in `tree`.
pub(crate) fn program(tree: &Path, name: &str) -> [String; 4] {
    let library = tree.join("lib/x86_64-linux-gnu");
    let libraries = format!("{}:{}", library.display(), tree.join("usr/lib/x86_64-linux-gnu").display());
    let loader = library.join("ld-linux-x86-64.so.2").display().to_string();
    [loader, "--library-path".to_owned(), libraries, tree.join(name).display().to_string()]
}

/// The machine of an image, without its network device.
///
/// # Errors
/// [`RAM`] is no amount.
pub(crate) fn unik(image: &Image) -> Result<Guest> {
    let wire = Side::Unik.wire();
    Ok(Guest {
        accelerator: Accelerator::Tcg,
        memory: memory()?,
        machine: Side::Unik.machine(),
        cmdline: format!("net0.ip={}/24 net0.gateway={}", wire.guest(), wire.host()),
        ..Guest::new(&image.elf)
    })
}

/// The machine of the Linux guest that was built in `folder`, in this role, without its network device.
///
/// # Errors
/// [`RAM`] is no amount.
pub(crate) fn linux(folder: &Path, role: &str) -> Result<Guest> {
    Ok(Guest {
        accelerator: Accelerator::Tcg,
        memory: memory()?,
        machine: Side::Linux.machine(),
        initrd: Some(folder.join(format!("tuned/initramfs.{role}"))),
        cmdline: linux_words(Side::Linux.wire(), role),
        ..Guest::new(folder.join("tuned/vmlinux"))
    })
}

impl Server {
    /// Starts a guest on the wire of its side.
    ///
    /// # Errors
    /// QEMU cannot be started.
    pub(crate) fn start(side: Side, guest: &Guest) -> Result<Server> {
        let monitor = guest.monitor.clone().unwrap_or_default();
        let running = Running::start(&guest.command()?)?;
        Ok(Server { side, running, monitor, wire: side.wire() })
    }

    /// A port of the guest.
    pub(crate) fn port(&self, port: u16) -> SocketAddr {
        self.wire.port(port)
    }

    /// Since QEMU was started.
    pub(crate) fn age(&self) -> Duration {
        Instant::now().duration_since(self.running.started())
    }

    /// An error with the console of the guest, for one that nobody understands without.
    pub(crate) fn report(&mut self, error: &Error) -> Error {
        self.running.report(&error.to_string())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.monitor);
    }
}

/// Whether the Linux guest is built.
pub(crate) fn is_built(folder: &Path) -> bool {
    ["tuned/vmlinux", "tuned/initramfs.net"].iter().all(|file| folder.join(file).exists())
}

/// The network device of a guest whose other end is a pair of Unix sockets: `guest`, its own, and `other`.
pub(crate) fn unix_device(side: Side, guest: &Path, other: &Path) -> Vec<String> {
    let (kind, rom) = match side.machine() {
        Machine::Microvm => ("device", ""),
        Machine::Q35 | Machine::Pc => ("pci", ",romfile="),
    };
    vec![
        "-netdev".to_owned(),
        unix_back_end("net0", guest, other),
        "-device".to_owned(),
        format!("virtio-net-{kind},netdev=net0,mac={GUEST_HARDWARE}{rom}"),
    ]
}

/// QEMU's name for frames over a pair of Unix sockets.
pub(crate) fn unix_back_end(id: &str, own: &Path, other: &Path) -> String {
    format!(
        "dgram,id={id},local.type=unix,local.path={},remote.type=unix,remote.path={}",
        own.display(),
        other.display()
    )
}

/// What the Linux guest is told. Mitigations are off: it runs one program that it trusts.
fn linux_words(wire: Wire, role: &str) -> String {
    let (guest, host) = (wire.guest(), wire.host());
    format!(
        "console=ttyS0 quiet panic=-1 mitigations=off tsc=reliable rdinit=/init peer.role={role} peer.ip={guest}/24 \
         peer.gateway={host} peer.neighbour={host},{OUR_HARDWARE}"
    )
}

fn memory() -> Result<Memory> {
    RAM.parse()
}

pub(crate) fn monitor_path() -> PathBuf {
    std::env::temp_dir().join(format!("unik-bench-net-{}.socket", std::process::id()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_memory_of_the_guests_is_an_amount() {
        assert_eq!(memory().map(Memory::mebibytes), Ok(128));
    }

    #[test]
    fn linux_is_told_its_addresses_and_whom_it_need_not_ask_for() {
        let words = linux_words(namespace::LINUX, "nsd");
        assert!(words.contains(" peer.role=nsd peer.ip=10.90.0.2/24 peer.gateway=10.90.0.1 "), "{words}");
        assert!(words.ends_with("peer.neighbour=10.90.0.1,52:54:00:00:00:01"), "{words}");
    }

    #[test]
    fn each_side_has_its_device_on_the_bus_of_its_machine() {
        let device = |side| unix_device(side, Path::new("/a"), Path::new("/b")).join(" ");
        assert!(device(Side::Unik).ends_with("virtio-net-device,netdev=net0,mac=52:54:00:12:34:56"));
        assert!(device(Side::Linux).ends_with("virtio-net-pci,netdev=net0,mac=52:54:00:12:34:56,romfile="));
        assert!(device(Side::Unik).contains("local.path=/a,remote.type=unix,remote.path=/b "));
    }
}
