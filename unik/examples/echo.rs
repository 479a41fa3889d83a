//! Echoes UDP datagrams on port 7.
#![cfg_attr(target_os = "none", no_std, no_main)]
#![forbid(unsafe_code)]

use unik::net::{Error, Net};

#[unik::main]
async fn main(net: Net) -> Result<(), Error> {
    let mut socket = net.udp(7).await?;
    let mut datagram = [0; 1500];
    loop {
        let (length, peer) = socket.receive_from(&mut datagram).await?;
        socket.send_to(&datagram[..length], peer).await?;
    }
}
