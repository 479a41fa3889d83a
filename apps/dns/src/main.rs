//! An authoritative DNS server: serves every `*.zone` file of its data over UDP and TCP.
#![cfg_attr(target_os = "none", no_std, no_main)]
#![forbid(unsafe_code)]

extern crate alloc;

use alloc::rc::Rc;
use unik::net::Net;
use unik::time::Time;
use unik::{Counters, Files, Monitor, Shutdown, Spawner};
use unik_dns::service::{self, Error};

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
    let server = Rc::new(service::load(&files)?);
    counters.register("dns", server.counters().clone());
    service::serve(&net, server, &spawner, &time, shutdown).await
}
