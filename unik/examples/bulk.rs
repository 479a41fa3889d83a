//! Moves as many bytes over TCP as it can: port 5001 discards what it receives, port 5002 sends until the peer closes.
//!
//! With the feature `segmentation`, and a device that has a use for it (a tap of Linux), in packets of up to 64 KiB.
#![cfg_attr(target_os = "none", no_std, no_main)]
#![forbid(unsafe_code)]

extern crate alloc;

use alloc::vec;

use unik::Spawner;
use unik::io::{Read, Write};
use unik::net::{Error, Listen, Net, TcpStream};

/// The window offered, and what may be on its way.
const BUFFER: usize = 256 * 1024;
/// Bytes read or written at once.
const PIECE: usize = 64 * 1024;

#[unik::main]
async fn main(net: Net, spawner: Spawner) -> Result<(), Error> {
    let mut sink = net.listen(Listen::on(5001).buffers(BUFFER, 4096)).await?;
    let mut source = net.listen(Listen::on(5002).buffers(4096, BUFFER)).await?;
    let sends = async move {
        let piece = vec![0x5a; PIECE];
        while let Ok((mut stream, _)) = source.accept().await {
            while stream.write_all(&piece).await.is_ok() {}
        }
    };
    if spawner.spawn("source", sends).is_err() {
        unik::log::warn!("there is no room for a second task: port 5002 does not answer");
    }
    let mut piece = vec![0; PIECE];
    loop {
        let (mut stream, peer) = sink.accept().await?;
        unik::log::info!("{peer} sent {} bytes", discard(&mut stream, &mut piece).await);
    }
}

/// Reads until the peer has closed; how many bytes there were.
async fn discard(stream: &mut TcpStream, piece: &mut [u8]) -> u64 {
    let mut bytes = 0;
    while let Ok(count @ 1..) = stream.read(piece).await {
        bytes += count as u64;
    }
    bytes
}
