//! Says hello and ends.
#![cfg_attr(target_os = "none", no_std, no_main)]
#![forbid(unsafe_code)]

#[unik::main]
async fn main() {
    unik::log::info!("hello, world");
}
