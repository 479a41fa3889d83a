//! An authoritative DNS server: serves every `*.zone` file of its data over UDP and TCP.
#![cfg_attr(target_os = "none", no_std, no_main)]
#![forbid(unsafe_code)]

use unik::net::Net;
use unik::time::Time;
use unik::{Config, Counters, Files, Monitor, Shutdown, Spawner};
use unik_dns::service::{self, Error};

#[unik::main]
#[expect(clippy::too_many_arguments, reason = "they say what the appliance is made of")]
async fn main(
    _monitor: Option<Monitor>,
    shutdown: Shutdown,
    net: Net,
    files: Files,
    spawner: Spawner,
    time: Time,
    counters: Counters,
    config: Config,
) -> Result<(), Error> {
    let server = service::prepare(&files, &|key| config.get(key))?;
    counters.register("dns", server.counters().clone());
    service::serve(&net, server, &spawner, &time, shutdown).await
}
