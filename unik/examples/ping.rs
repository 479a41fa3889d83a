//! Asks the host that `to=ADDRESS` names for an echo until there is one, says so, and goes on answering others.
#![cfg_attr(target_os = "none", no_std, no_main)]
#![forbid(unsafe_code)]

use unik::net::{Net, parse_end};
use unik::time::Duration;
use unik::{Config, Monitor};

/// How long an echo is waited for before the next request.
const PATIENCE: Duration = Duration::from_millis(500);

#[unik::main]
async fn main(net: Net, config: Config, _monitor: Option<Monitor>) -> Result<(), &'static str> {
    let host =
        config.get("to").and_then(|text| parse_end(text, 0)).ok_or("name the host to ask: to=ADDRESS")?;
    loop {
        match net.ping(host.ip(), b"is there anybody?", PATIENCE).await {
            Ok(time) => {
                unik::log::info!("{} answers after {} us", host.ip(), time.as_micros());
                core::future::pending::<()>().await;
            }
            Err(error) => unik::log::debug!("{}: {error}", host.ip()),
        }
    }
}
