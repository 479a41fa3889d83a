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
        socket.send_to(answer(&datagram[..length]), peer).await?;
    }
}

/// What a datagram is answered with. Logic without a socket in it is tested without a machine around it.
fn answer(datagram: &[u8]) -> &[u8] {
    datagram
}

#[cfg(test)]
mod tests {
    #[test]
    fn a_datagram_is_answered_with_itself() {
        assert_eq!(super::answer(b"hello"), b"hello");
    }
}
