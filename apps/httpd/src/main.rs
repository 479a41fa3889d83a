//! A static web server: serves the files of its data over HTTP, and with the feature `tls` over HTTPS.
#![cfg_attr(target_os = "none", no_std, no_main)]
#![forbid(unsafe_code)]

use unik::net::Net;
use unik::time::Time;
use unik::{Clock, Config, Counters, Failure, Files, Monitor, Shutdown, Spawner, Syslog};
use unik_httpd::service::{self, Data};
use unik_httpd::tls::Door;

#[unik::main]
#[expect(clippy::too_many_arguments, reason = "they say what the appliance is made of")]
async fn main(
    _monitor: Option<Monitor>,
    shutdown: Shutdown,
    net: Net,
    files: Files,
    spawner: Spawner,
    time: Time,
    clock: Clock,
    counters: Counters,
    syslog: Syslog,
    config: Config,
) -> Result<(), Failure> {
    #[cfg(feature = "disk")]
    let data = Data::read(&files).await?;
    #[cfg(not(feature = "disk"))]
    let data = Data::from(files);
    let server = service::prepare(&data, &clock, &net, &syslog, &|key| config.get(key))?;
    let door = Door::open(&data, &clock, &counters)?;
    counters.register("httpd", server.clone());
    service::watch(&net, &server, &door, &counters, &spawner, &time, clock.clone(), shutdown).await?;
    Ok(service::serve(&net, (server, data), door, &spawner, &time, clock, shutdown).await?)
}
