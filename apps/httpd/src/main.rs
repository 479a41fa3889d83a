//! A static web server: serves the files of its data over HTTP.
#![cfg_attr(target_os = "none", no_std, no_main)]
#![forbid(unsafe_code)]

use unik::net::Net;
use unik::time::Time;
use unik::{Clock, Config, Counters, Failure, Files, Monitor, Shutdown, Spawner, Syslog};
use unik_httpd::service;

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
    let server = service::prepare(&files, &clock, &net, &syslog, &|key| config.get(key))?;
    counters.register("httpd", server.clone());
    service::watch(&net, &server, &counters, &spawner, &time, clock.clone(), shutdown).await?;
    service::serve(&net, server, &spawner, &time, clock, shutdown).await.map_err(Failure::from)
}
