//! Ends at once: what a boot costs when the guest does nothing.
#![cfg_attr(target_os = "none", no_std, no_main)]
#![forbid(unsafe_code)]

#[unik::main]
async fn main() {}
