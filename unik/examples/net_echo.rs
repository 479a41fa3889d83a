//! Echoes datagrams and streams on port 7, and datagrams in place on port 8: for `cargo unik bench net`.
#![cfg_attr(target_os = "none", no_std, no_main)]
#![forbid(unsafe_code)]

use unik::io::{Read as _, Write as _};
use unik::net::{Error, Listen, Net, TcpStream, UdpSocket, Verdict};
use unik::{Monitor, Shutdown, Spawner};

const PORT: u16 = 7;
const IN_PLACE: u16 = 8;
/// Connections that may wait to be accepted.
const BACKLOG: usize = 64;
/// Bytes of each of their buffers: there are to be thousands of connections.
const BUFFER: usize = 2048;
/// The longest request that is echoed in one piece, in bytes.
const REQUEST: usize = 256;

#[unik::main]
async fn main(
    _monitor: Option<Monitor>,
    shutdown: Shutdown,
    net: Net,
    spawner: Spawner,
) -> Result<(), Error> {
    let socket = net.udp(PORT).await?;
    let mut listener = net.listen(Listen::on(PORT).backlog(BACKLOG).buffers(BUFFER, BUFFER)).await?;
    let connections = spawner.clone();
    // Where one of them is refused, the bench sees silence and says so.
    let _ = spawner.spawn("datagrams", datagrams(socket));
    let _ = spawner.spawn("accept", async move {
        while let Ok((stream, _)) = listener.accept().await {
            let _ = connections.spawn("connection", echo(stream));
        }
    });
    let _answering = net.answer(IN_PLACE, |_, _| Verdict::Answer)?;
    shutdown.requested().await;
    Ok(())
}

async fn datagrams(mut socket: UdpSocket) {
    let mut datagram = [0; 1500];
    while let Ok((length, peer)) = socket.receive_from(&mut datagram).await {
        let _ = socket.send_to(&datagram[..length], peer).await;
    }
}

async fn echo(mut stream: TcpStream) {
    let mut request = [0; REQUEST];
    while let Ok(length @ 1..) = stream.read(&mut request).await {
        if stream.write_all(&request[..length]).await.is_err() {
            return;
        }
    }
}
