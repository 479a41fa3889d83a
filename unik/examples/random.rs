//! Prints 32 random bytes, and whether they can be guessed.
#![cfg_attr(target_os = "none", no_std, no_main)]
#![forbid(unsafe_code)]

extern crate alloc;

use alloc::string::String;
use core::fmt::Write;
use unik::Entropy;

#[unik::main]
async fn main(entropy: Entropy) -> Result<(), core::fmt::Error> {
    let mut bytes = [0; 32];
    entropy.fill(&mut bytes);
    let mut digits = String::new();
    for byte in bytes {
        write!(digits, "{byte:02x}")?;
    }
    let strength = if entropy.is_weak() { "weak" } else { "strong" };
    unik::log::info!("{strength} {digits}");
    Ok(())
}
