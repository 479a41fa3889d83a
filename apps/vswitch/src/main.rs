//! A virtual switch: forwards frames between all network cards but the first, which is for management.
#![cfg_attr(target_os = "none", no_std, no_main)]
#![forbid(unsafe_code)]

use unik::net::EarlyNet;
use unik::time::Time;
use unik::{Commands, Config, Counters, Entropy, Failure, Files, Monitor, Ports, Shutdown};
use unik_vswitch::service;

#[unik::main]
#[expect(clippy::too_many_arguments, reason = "they say what the appliance is made of")]
async fn main(
    _monitor: Option<Monitor>,
    shutdown: Shutdown,
    _net: Option<EarlyNet>,
    ports: Option<Ports>,
    files: Option<Files>,
    time: Time,
    entropy: Entropy,
    counters: Counters,
    commands: Commands,
    config: Config,
) -> Result<(), Failure> {
    let switch =
        service::prepare(ports.as_ref(), files.as_ref(), entropy.next_u64(), &|key| config.get(key))?;
    let Some(ports) = ports else { return Ok(()) };
    service::count(&switch.borrow(), &ports, &counters);
    service::show(&switch, &commands);
    service::serve(switch, ports.into_iter(), time, shutdown).await;
    Ok(())
}
