//! The name server with an inspection channel, which tells at its end what its queries took: for measuring what the channel costs.
#![cfg_attr(target_os = "none", no_std, no_main)]
#![forbid(unsafe_code)]

mod account_common;

use account_common::{Resources, serve};
use unik::net::Net;
use unik::time::Time;
use unik::{Counters, Files, Monitor, Shutdown, Spawner};
use unik_dns::service::Error;

#[unik::main]
async fn main(
    _monitor: Option<Monitor>,
    shutdown: Shutdown,
    net: Net,
    files: Files,
    spawner: Spawner,
    time: Time,
    counters: Counters,
) -> Result<(), Error> {
    serve(Resources { shutdown, net, files, spawner, time, counters }).await
}
