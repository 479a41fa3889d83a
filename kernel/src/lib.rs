//! The machine under a unik image: from the hypervisor's entry to the application, and everything that is not portable.
//!
//! [`entry!`](crate::entry) names the function an image starts with; it gets a [`Machine`] and returns how to end. Around it: the
//! [`clock`], interrupt [lines](interrupt) and their [`source`]s, the [`bus`] with its virtio devices, [`entropy`], the [`console`] with
//! the sink of the `log` facade, the power [`button`], [`power`]. Parsers of what the host supplies ([`start_info`], [`acpi`],
//! [`capability`], [`command_line`], [`pvclock`]) are pure and are built and tested on the host too; the rest exists only where
//! `target_os = "none"`.
//!
//! Invariants: no page is writable and executable; no Rust code returns into interrupted code; every byte the host
//! supplies is read once, checked, and never causes a panic.
//!
//! ```
//! use unik_kernel::command_line;
//!
//! let line = "net0.ip=10.0.2.15/24 log=debug";
//! let log = command_line::words(line).find(|word| word.key == "log");
//! assert_eq!(log.map(|word| word.value), Some("debug"));
//! ```
#![no_std]

#[cfg(target_os = "none")]
extern crate alloc;
#[cfg(test)]
extern crate std;

pub mod acpi;
pub mod capability;
pub mod command_line;
pub mod journal;
pub mod levels;
pub mod protection;
pub mod pvclock;
pub mod rate;
pub mod rtc;
pub mod start_info;
pub mod timeline;

#[cfg(target_os = "none")]
mod apic;
#[cfg(target_os = "none")]
mod boot;
#[cfg(target_os = "none")]
pub mod bus;
#[cfg(target_os = "none")]
pub mod button;
#[cfg(target_os = "none")]
pub mod clock;
#[cfg(target_os = "none")]
pub mod console;
#[cfg(target_os = "none")]
pub mod entropy;
#[cfg(target_os = "none")]
mod layout;
#[cfg(target_os = "none")]
mod memory;
#[cfg(target_os = "none")]
mod port;
#[cfg(target_os = "none")]
pub mod power;
#[cfg(all(target_os = "none", feature = "getrandom"))]
pub mod random;
#[cfg(target_os = "none")]
pub mod source;
#[cfg(target_os = "none")]
mod trap;

#[cfg(target_os = "none")]
pub use boot::{COMMAND_LINE_LIMIT, Machine};
#[cfg(target_os = "none")]
pub use memory::{
    heap::{HeapUsage, usage as heap_usage},
    protections, self_check,
    stack::{StackUsage, usage as stack_usage},
};
#[cfg(target_os = "none")]
pub use trap::{epitaph::set_task, interrupt};
