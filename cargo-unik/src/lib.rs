//! The tool of unik: builds an application into an image, boots it under QEMU, tests and measures it.
//!
//! One module per noun. [`cli`] reads the command line into a [`cli::Command`]; [`workspace`] knows the applications and their defaults;
//! [`image`] builds one into `target/unik/APP.elf` and `APP.debug` with [`cpio`] and [`elf`], at another [`base`] by [`relocation`],
//! and says in it what it was built from ([`identity`], which [`inspect`] reads; [`sbom`] lists the crates); [`guest`] turns wishes
//! about a machine, its [`disk`]s among them,
//! into a QEMU command; [`check`] asks the application about its files; [`run`] boots it, controls it by [`qmp`], and reads [`epitaph`]s with the help of [`symbols`]; [`monitor`]
//! looks into those that run. [`bench`] measures, over a free [`port`] where it talks to a guest. The whole-image tests use the same
//! modules as the commands do, so what is tested is what the user runs.
//!
//! ```
//! use cargo_unik::guest::Guest;
//! use cargo_unik::options::{Accelerator, Machine};
//!
//! let mut guest = Guest::new("hello.elf");
//! guest.machine = Machine::Q35;
//! guest.accelerator = Accelerator::Tcg;
//! let command = guest.command()?;
//! assert_eq!(command.summary, "q35, TCG, 64M");
//! assert!(command.line().ends_with("-kernel hello.elf"));
//! # Ok::<(), cargo_unik::error::Error>(())
//! ```
#![forbid(unsafe_code)]

mod autopsy;
pub mod base;
pub mod bench;
pub mod budget;
pub mod check;
pub mod cli;
pub mod console;
mod core_file;
pub mod cpio;
pub mod disk;
pub mod elf;
pub mod elsewhere;
pub mod epitaph;
pub mod error;
mod gdb;
pub mod guest;
pub mod host;
pub mod identity;
pub mod image;
pub mod inspect;
pub mod monitor;
mod names;
pub mod new;
pub mod options;
mod output;
pub mod pack;
pub mod port;
pub mod qmp;
pub mod relocation;
pub mod ring;
pub mod run;
pub mod sbom;
pub mod setup;
pub mod size;
mod stop;
pub mod symbols;
pub mod test;
pub mod workspace;

#[cfg(test)]
mod scratch;
