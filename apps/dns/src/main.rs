//! An authoritative DNS server: serves every `*.zone` file of its data over UDP and TCP.
#![cfg_attr(target_os = "none", no_std, no_main)]
#![forbid(unsafe_code)]

use unik::net::Net;
use unik::time::Time;
use unik::{Clock, Commands, Config, Counters, Entropy, Files, Monitor, Shutdown, Spawner, Syslog};
use unik_dns::service::{self, Disk, Error, Platform, Storage};

#[unik::main]
#[expect(clippy::too_many_arguments, reason = "they say what the appliance is made of")]
async fn main(
    _monitor: Option<Monitor>,
    shutdown: Shutdown,
    net: Net,
    files: Files,
    spawner: Spawner,
    time: Time,
    clock: Option<Clock>,
    entropy: Entropy,
    counters: Counters,
    syslog: Syslog,
    commands: Commands,
    config: Config,
    disk: Option<Disk>,
) -> Result<(), Error> {
    let server = service::prepare(&files, &entropy, &|key| config.get(key))?;
    service::log_through(&syslog, &net, &server, &|key| config.get(key))?;
    service::count(&server.borrow(), &counters);
    let storage = match disk {
        Some(disk) => Some(Storage::open(disk, &server, clock.as_ref(), &entropy, &counters).await?),
        None => None,
    };
    let commands = Some(commands);
    let platform = Platform { net, spawner, time, clock, entropy, commands, shutdown, storage };
    service::serve(server, platform).await
}
