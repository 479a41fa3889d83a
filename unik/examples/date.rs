//! Prints the date, in seconds since the Unix epoch.
#![cfg_attr(target_os = "none", no_std, no_main)]
#![forbid(unsafe_code)]

use unik::Clock;

#[unik::main]
async fn main(clock: Clock) -> Result<(), &'static str> {
    let since_epoch = clock.since_epoch().ok_or("the machine has no clock")?;
    unik::log::info!("since epoch {}", since_epoch.as_secs());
    Ok(())
}
