//! Says hello and stays, to be looked into through its inspection channel.
#![cfg_attr(target_os = "none", no_std, no_main)]
#![forbid(unsafe_code)]

use unik::Monitor;

#[unik::main]
async fn main(_monitor: Option<Monitor>) {
    unik::log::info!("hello, world");
    core::future::pending::<()>().await;
}
