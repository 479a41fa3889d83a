//! The program `cargo-unik`; everything it does is in the library of the same name.
#![forbid(unsafe_code)]

use std::process::ExitCode;

fn main() -> ExitCode {
    cargo_unik::cli::main(std::env::args_os().skip(1))
}
