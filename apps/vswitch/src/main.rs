//! A virtual switch: forwards frames between all network cards but the first, which is for management.
#![cfg_attr(target_os = "none", no_std, no_main)]
#![forbid(unsafe_code)]

use unik::net::EarlyNet;
use unik::time::Time;
use unik::{Commands, Config, Counters, Entropy, Failure, Files, Monitor, Ports, Shutdown, Spawner};
use unik_vswitch::service::{self, Access, Wall};

#[unik::main]
#[expect(clippy::too_many_arguments, reason = "they say what the appliance is made of")]
async fn main(
    _monitor: Option<Monitor>,
    shutdown: Shutdown,
    net: Option<EarlyNet>,
    ports: Option<Ports>,
    files: Option<Files>,
    spawner: Spawner,
    time: Time,
    entropy: Entropy,
    counters: Counters,
    commands: Commands,
    wall: Wall,
    config: Config,
) -> Result<(), Failure> {
    let (switch, openflow) =
        service::prepare(ports.as_ref(), files.as_ref(), entropy.next_u64(), &|key| config.get(key))?;
    // Where there is a port, there is the card before it.
    let (Some(ports), Some(EarlyNet(net))) = (ports, net) else { return Ok(()) };
    service::count(&switch.borrow(), &ports, &counters);
    service::show(&switch, &commands);
    let access = Access::open(openflow, files.as_ref(), wall)?;
    let plane = service::connect(switch, ports, access, net, &spawner, &time, entropy.next_u64())?;
    service::show_controllers(&plane, &commands);
    service::serve(plane, &time, shutdown).await;
    Ok(())
}
