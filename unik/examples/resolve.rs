//! Prints the addresses of the host that `name=` names, and connects to its port 80.
#![cfg_attr(target_os = "none", no_std, no_main)]
#![forbid(unsafe_code)]

use unik::net::NameError;
use unik::{Config, NamedNet};

#[unik::main]
async fn main(net: NamedNet, config: Config) -> Result<(), NameError> {
    let name = config.get("name").unwrap_or("localhost");
    for address in net.resolve(name).await?.iter() {
        unik::log::info!("{name} has the address {address}");
    }
    let stream = net.connect_to(name, 80).await?;
    unik::log::info!("connected to {}", stream.peer_address());
    Ok(())
}
