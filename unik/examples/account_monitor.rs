//! The name server with an inspection channel, which tells at its end what its queries took: for measuring what the channel costs.
#![cfg_attr(target_os = "none", no_std, no_main)]
#![forbid(unsafe_code)]

mod account_common;

use account_common::serve;
use unik::net::Net;
use unik::time::Time;
use unik::{Config, Counters, Entropy, Files, Monitor, Shutdown, Spawner};
use unik_dns::service::{Error, Platform};

#[unik::main]
#[expect(clippy::too_many_arguments, reason = "they say what the appliance is made of")]
async fn main(
    _monitor: Option<Monitor>,
    shutdown: Shutdown,
    net: Net,
    files: Files,
    spawner: Spawner,
    time: Time,
    entropy: Entropy,
    counters: Counters,
    config: Config,
) -> Result<(), Error> {
    let platform =
        Platform { net, spawner, time, clock: None, entropy, commands: None, shutdown, storage: None };
    serve(platform, &files, &counters, &config).await
}
