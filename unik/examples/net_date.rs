//! Prints the date before and after it was corrected by the server that `ntp=ADDRESS` names, and how far monotonic time
//! went on meanwhile.
#![cfg_attr(target_os = "none", no_std, no_main)]
#![forbid(unsafe_code)]

use unik::NetClock;
use unik::net::Net;
use unik::time::{Duration, Time};

const PATIENCE: Duration = Duration::from_secs(60);

#[unik::main]
async fn main(net: Net, clock: NetClock, time: Time) -> Result<(), &'static str> {
    let (start, before) = (time.now(), clock.since_epoch().unwrap_or_default());
    unik::log::info!("machine {}", before.as_secs());
    clock.follow(&net);
    time.timeout(PATIENCE, clock.corrected()).await.map_err(|_| "the server was not believed in time")?;
    let after = clock.since_epoch().unwrap_or_default();
    let passed = time.now().duration_since(start);
    unik::log::info!("passed {}", passed.as_millis());
    unik::log::info!("corrected {} {}", clock.is_corrected(), after.as_secs());
    Ok(())
}
