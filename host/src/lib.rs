//! unik applications as ordinary Linux processes: the clock, the idling and the network of the host.
//!
//! - [`HostPlatform`] is what the scheduler runs on: the monotonic clock, and ppoll while nothing is ready.
//! - [`Tap`] and [`Link`] are network cards: a tap interface of the host, and a cable to another process or to a virtual
//!   machine that needs no privileges.
//! - [`FileDisk`] is a disk in a file.
//! - [`Channel`] is the way of the inspection channel: a Unix socket.
//! - [`Signals`] are what asks a process to end, in the place of a power button.
//! - [`Arguments`] is what stands on the command line of such a process.
//! - [`fill_with_entropy`], [`wall_clock`], [`print`], [`load`] and [`exit`] stand in for the rest of a machine.
//!
//! Everything belongs to one thread. `unsafe` stands in `tap` alone, for the one system call without a safe interface.
//!
//! ```
//! use unik_host::{Arguments, HostPlatform};
//! use unik_sched::Executor;
//! use unik_sched::time::{Duration, Time};
//!
//! let arguments = Arguments::parse(["--net", "none", "log=debug"].map(Into::into))?;
//! assert_eq!(arguments.command_line(), "log=debug");
//!
//! let time = Time::new(HostPlatform::new());
//! let mut executor = Executor::new(&time, 4);
//! executor.block_on("main", time.sleep(Duration::from_micros(10)));
//! assert!(time.now().as_micros() >= 10);
//! # Ok::<(), unik_host::ArgumentError>(())
//! ```

#[cfg(not(target_os = "linux"))]
compile_error!("unik-host runs applications on Linux: build for a Linux target or for the image target");

#[forbid(unsafe_code)]
mod arguments;
#[forbid(unsafe_code)]
mod channel;
#[forbid(unsafe_code)]
mod error;
#[forbid(unsafe_code)]
mod file_disk;
#[forbid(unsafe_code)]
mod framing;
#[forbid(unsafe_code)]
mod link;
#[forbid(unsafe_code)]
mod machine;
#[forbid(unsafe_code)]
mod path;
#[forbid(unsafe_code)]
mod platform;
#[forbid(unsafe_code)]
mod signals;
mod tap;

pub use arguments::{ArgumentError, Arguments, DISK_LIMIT, DiskFile, NETWORK_LIMIT, Network, USAGE};
pub use channel::{Channel, ChannelCounters};
pub use error::Error;
pub use file_disk::{FileDisk, FileDiskCounters};
pub use link::{Link, LinkCounters, Role};
pub use machine::{DATA_LIMIT, exit, fill_with_entropy, load, print, wall_clock};
pub use platform::{HostPlatform, Interest, PlatformCounters, Watch};
pub use signals::{EXIT_INTERRUPTED, Signals};
pub use tap::{Tap, TapCounters};

/// The largest IP packet of the network cards here in bytes.
const MTU: usize = 1500;

/// The address of a network card that is known by `name`: unicast, locally administered, and the same in every run.
fn hardware_address(name: &[u8]) -> [u8; 6] {
    // FNV-1a: it spreads similar names, which is all that is asked of it here.
    let hash = name.iter().fold(0xcbf2_9ce4_8422_2325_u64, |hash, &byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
    });
    let [a, b, c, d, e, f, ..] = hash.to_be_bytes();
    // IEEE 802-2014, 8.4: bit 1 of the first byte is "locally administered", bit 0 is "group".
    [(a & !0b11) | 0b10, b, c, d, e, f]
}

#[cfg(test)]
mod tests {
    use super::hardware_address;

    #[test]
    fn addresses_are_local_unicast_and_differ_by_name() {
        let names: [&[u8]; 4] = [b"tap0", b"tap1", b"", b"a very long name of a network card"];
        let addresses = names.map(hardware_address);
        for (index, address) in addresses.iter().enumerate() {
            assert_eq!(address[0] & 0b11, 0b10);
            assert!(!addresses[..index].contains(address));
        }
        assert_eq!(hardware_address(b"tap0"), addresses[0]);
    }
}
