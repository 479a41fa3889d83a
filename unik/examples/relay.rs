//! Relays datagrams between two networks: what comes to port 7 of the first goes to port 7 of the host that `to=` names in the
//! second, and its answers go back to whoever asked last.
#![cfg_attr(target_os = "none", no_std, no_main)]
#![forbid(unsafe_code)]

use core::fmt;
use core::net::SocketAddr;

use unik::net::{Net, Nets, parse_end};
use unik::{Config, Either, Monitor, select};

/// There is nobody to relay to.
struct Nobody;

impl fmt::Display for Nobody {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("name the host to relay to: to=ADDRESS")
    }
}

#[unik::main]
async fn main(Nets([near, far]): Nets<2>, config: Config, _monitor: Option<Monitor>) -> Result<(), Nobody> {
    let host = config.get("to").and_then(|text| parse_end(text, 7)).ok_or(Nobody)?;
    if let Err(error) = relay(&near, &far, host).await {
        unik::log::error!("{error}");
    }
    Ok(())
}

async fn relay(near: &Net, far: &Net, host: SocketAddr) -> Result<(), unik::net::Error> {
    let (mut inside, mut outside) = (near.udp(7).await?, far.udp(0).await?);
    let (mut question, mut answer, mut last) = ([0; 1500], [0; 1500], None);
    loop {
        match select(inside.receive_from(&mut question), outside.receive_from(&mut answer)).await {
            Either::First(received) => {
                let (length, peer) = received?;
                last = Some(peer);
                outside.send_to(&question[..length], host).await?;
            }
            Either::Second(received) => {
                let (length, peer) = received?;
                if let Some(asker) = last.filter(|_| peer == host) {
                    inside.send_to(&answer[..length], asker).await?;
                }
            }
        }
    }
}
