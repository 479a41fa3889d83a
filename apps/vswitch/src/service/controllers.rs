//! Connections of controllers: those that call, and those that are called, again and again.
//!
//! Each connection is a task of its own, which [`converse`] with the controller. Neighbours: `talk.rs` says what is done with a
//! connection, `control.rs` how many there may be.

use super::plane::SharedPlane;
use super::talk::{SILENCE, Talk, converse};
use core::net::SocketAddr;
use unik::net::{Listen, Net, TcpListener};
use unik::time::{Duration, Time};
use unik::{Spawner, log};

/// Connections that wait to be accepted.
const BACKLOG: usize = 8;
/// What a connection receives and sends ahead.
const AHEAD: (usize, usize) = (16 * 1024, 32 * 1024);
/// How long to wait for a connection to be established.
const PATIENCE: Duration = Duration::from_secs(10);
/// How long to wait before the first further try, and at most.
const PAUSES: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(8));

/// Answers controllers that call.
pub(super) async fn answer(net: Net, port: u16, plane: SharedPlane, spawner: Spawner, time: Time) {
    net.configured().await;
    let listen = Listen::on(port).backlog(BACKLOG).buffers(AHEAD.0, AHEAD.1);
    let listener = net.listen(listen).await;
    let mut listener: TcpListener = match listener {
        Ok(listener) => listener,
        Err(error) => return log::error!("nobody can call on port {port} to program the switch: {error}"),
    };
    loop {
        let (mut stream, peer) = match listener.accept().await {
            Ok(accepted) => accepted,
            Err(error) => return log::error!("nobody can program the switch any more: {error}"),
        };
        let Some(talk) = Talk::begin(&plane, peer, false) else {
            log::warn!("controller {peer} refused: there are as many as there can be");
            stream.abort();
            continue;
        };
        let time = time.clone();
        let task = async move { converse(&mut stream, talk, time).await };
        if spawner.spawn("controller", task).is_err() {
            log::warn!("controller {peer} refused: there is no memory for it");
        }
    }
}

/// Calls a controller, again whenever it is gone.
pub(super) async fn call(net: Net, controller: SocketAddr, plane: SharedPlane, time: Time) {
    net.configured().await;
    let mut pause = PAUSES.0;
    loop {
        match time.timeout(PATIENCE, net.connect(controller)).await {
            Ok(Ok(mut stream)) => {
                if let Some(talk) = Talk::begin(&plane, controller, true) {
                    let since = time.now();
                    converse(&mut stream, talk, time.clone()).await;
                    if time.now().duration_since(since) > SILENCE {
                        pause = PAUSES.0;
                    }
                }
            }
            Ok(Err(error)) => log::debug!("controller {controller}: {error}"),
            Err(_) => log::debug!("controller {controller} does not answer"),
        }
        time.sleep(pause).await;
        pause = (pause * 2).min(PAUSES.1);
    }
}
