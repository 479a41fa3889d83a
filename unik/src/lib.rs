//! unik: an application, its drivers and its network stack as one program that boots on a hypervisor.
//!
//! An appliance is an async `main` under [`macro@main`] whose parameters say what it needs: [`net::Net`], [`net::Nets`], [`NamedNet`], [`Ports`], [`Files`], [`Disk`], [`Disks`],
//! [`Spawner`], [`time::Time`], [`Clock`], [`NetClock`], [`Entropy`], [`Config`], [`Counters`], [`Monitor`], [`Commands`], [`Syslog`], [`Shutdown`].
//! Each is a [`Resource`], taken before `main` starts, and one
//! that is missing is a sentence on the console. `Option<T>` takes what may be missing. The same file builds as an
//! image and as an ordinary Linux process.
//!
//! ```no_run
//! #![cfg_attr(target_os = "none", no_std, no_main)]
//! use unik::net::{Error, Net};
//!
//! #[unik::main]
//! async fn main(net: Net) -> Result<(), Error> {
//!     let mut socket = net.udp(7).await?;
//!     let mut datagram = [0; 1500];
//!     loop {
//!         let (length, peer) = socket.receive_from(&mut datagram).await?;
//!         socket.send_to(&datagram[..length], peer).await?;
//!     }
//! }
//! ```
//!
//! This is the only crate that knows all others. Invariant: an image links only what `main`'s parameters ask for;
//! every resource is reached through its own [`Resource::take`], and nothing else names its driver.
#![cfg_attr(target_os = "none", no_std)]
#![forbid(unsafe_code)]

#[cfg(target_os = "none")]
extern crate alloc;
#[cfg(not(target_os = "none"))]
extern crate std as alloc;

mod backend;
mod clock;
mod commands;
mod config;
mod counters;
pub mod disk;
mod entropy;
pub mod files;
mod monitor;
mod named_net;
pub mod net;
mod net_clock;
mod outcome;
pub mod ports;
mod resource;
mod seats;
mod shutdown;
mod startup;
mod syslog;
mod system;

pub mod time {
    //! Time and timers: a monotonic clock that starts with the image.

    pub use unik_sched::time::{Duration, Instant, Sleep, Time, TimedOut};
}

pub mod sync {
    //! What tasks pass values and take turns with.

    pub use unik_sched::sync::*;
}

pub mod command {
    //! What an appliance can be asked from the host: a [`Command`] of its own, which [`Commands`](crate::Commands) takes.

    pub use unik_monitor::{Command, Declined, Line};
}

pub mod store {
    //! Values under keys on a [`Disk`](crate::Disk), kept through crashes.

    pub use unik_block::store::{Flush, KEY, KEYS, Store, StoreError, Transaction, Value};
}

/// The name of the program being compiled, for the ready line.
#[doc(hidden)]
#[macro_export]
macro_rules! application_name {
    () => {
        match option_env!("CARGO_BIN_NAME") {
            Some(name) => name,
            None => module_path!(),
        }
    };
}

pub use backend::{Memory, run};
pub use clock::Clock;
pub use commands::Commands;
pub use config::Config;
pub use counters::Counters;
pub use disk::{Disk, Disks};
pub use embedded_io_async as io;
pub use entropy::Entropy;
pub use files::{File, Files};
pub use log;
pub use monitor::Monitor;
pub use named_net::NamedNet;
pub use net_clock::NetClock;
pub use outcome::{Failure, Outcome};
pub use ports::Ports;
pub use resource::Resource;
pub use seats::{Admitted, Refusal, Seats};
pub use shutdown::{DEFAULT_BOUND, Ending, Shutdown};
pub use syslog::{Destinations, Syslog};
pub use system::System;
pub use unik_macros::main;
pub use unik_sched::counter::CounterSet;
pub use unik_sched::{Either, Spawner, counters, select, yield_now};

#[cfg(target_os = "none")]
pub use unik_kernel::{Machine, entry, power::Exit};
