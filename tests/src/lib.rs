//! The harness of the whole-image tests: a [`Vm`] boots a real image under QEMU, and is talked to as a user would.
//!
//! Images are built by the tool's own code, once for each test program. Every wait has a deadline, every port is picked free, and the
//! guest ends with its `Vm`. A failing wait panics with the console so far and the QEMU command to try again.
//!
//! ```no_run
//! use unik_tests::{Image, Vm};
//!
//! let mut vm = Vm::of(&Image::release("hello")).boot();
//! vm.line("ready: hello");
//! assert_eq!(vm.exit_code(), 0);
//! ```
#![forbid(unsafe_code)]

mod crowd;
mod disk;
mod image;
pub mod peer;
mod qtest;
mod storm;
mod vm;
mod wire;

pub use crowd::Crowd;
pub use disk::DiskImage;
pub use image::{Image, workspace};
pub use qtest::Qtest;
pub use storm::Storm;
pub use vm::{PATIENCE, Setup, Vm};
pub use wire::Wire;
