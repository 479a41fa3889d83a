//! Connections of controllers: those that call, and those that are called, again and again.
//!
//! Each connection is a task of its own, which talks with the controller. Neighbours: `secure.rs` makes a connection one with TLS, where
//! that is wanted, `talk.rs` says what is done with it, and `control.rs` how many there may be.

use super::plane::SharedPlane;
use super::secure::Door;
use super::stream::Trouble;
use super::talk::{End, SILENCE, Talk, converse};
use crate::settings::{Controller, Transport};
use unik::net::{Listen, Net, TcpListener};
use unik::time::{Duration, Time};
use unik::{Spawner, log};

/// Connections that wait to be accepted.
const BACKLOG: usize = 8;
/// What a connection receives and sends ahead.
const AHEAD: (usize, usize) = (16 * 1024, 32 * 1024);
/// How long nobody else may call after somebody did with TLS: whoever that was, a handshake takes the processor for milliseconds, in
/// which no frame moves.
const RESPITE: Duration = Duration::from_millis(100);
/// How long to wait for a connection to be established.
const PATIENCE: Duration = Duration::from_secs(10);
/// How long to wait before the first further try, and at most.
const PAUSES: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(8));

/// What all connections are made with.
#[derive(Clone)]
pub(super) struct Company {
    pub(super) net: Net,
    pub(super) door: Door,
    pub(super) plane: SharedPlane,
    pub(super) time: Time,
}

/// Answers controllers that call.
pub(super) async fn answer(company: Company, (transport, port): (Transport, u16), spawner: Spawner) {
    company.net.configured().await;
    let listen = Listen::on(port).backlog(BACKLOG).buffers(AHEAD.0, AHEAD.1);
    let listener = company.net.listen(listen).await;
    let mut listener: TcpListener = match listener {
        Ok(listener) => listener,
        Err(error) => return log::error!("nobody can call on port {port} to program the switch: {error}"),
    };
    loop {
        let (mut stream, address) = match listener.accept().await {
            Ok(accepted) => accepted,
            Err(error) => return log::error!("nobody can program the switch any more: {error}"),
        };
        let controller = Controller { transport, address };
        let Some(talk) = Talk::begin(&company.plane, controller, false) else {
            log::warn!("controller {controller} refused: there are as many as there can be");
            stream.abort();
            continue;
        };
        let (door, time) = (company.door.clone(), company.time.clone());
        let task = async move {
            match door.enter(stream, transport, false) {
                Ok(mut line) => converse(&mut line, talk, time).await,
                Err(trouble) => talk.end(End::Failed(trouble)),
            }
        };
        if spawner.spawn("controller", task).is_err() {
            log::warn!("controller {controller} refused: there is no memory for it");
        }
        if cfg!(feature = "tls") && transport == Transport::Tls {
            company.time.sleep(RESPITE).await;
        }
    }
}

/// Calls a controller, again whenever it is gone.
pub(super) async fn call(company: Company, controller: Controller) {
    let Company { net, door, plane, time } = company;
    net.configured().await;
    let mut pause = PAUSES.0;
    loop {
        match time.timeout(PATIENCE, net.connect(controller.address)).await {
            Ok(Ok(stream)) => {
                if let Some(talk) = Talk::begin(&plane, controller, true) {
                    let since = time.now();
                    match door.enter(stream, controller.transport, true) {
                        Ok(mut line) => converse(&mut line, talk, time.clone()).await,
                        Err(trouble) => talk.end(End::Failed(trouble)),
                    }
                    if time.now().duration_since(since) > SILENCE {
                        pause = PAUSES.0;
                    }
                }
            }
            Ok(Err(error)) => missed(&plane, controller, End::Failed(Trouble::Net(error))),
            Err(_) => missed(&plane, controller, End::Unanswered),
        }
        time.sleep(pause).await;
        pause = (pause * 2).min(PAUSES.1);
    }
}

/// A controller cannot be reached.
fn missed(plane: &SharedPlane, controller: Controller, end: End) {
    log::debug!("controller {controller}: {end}");
    if let Some(control) = plane.borrow_mut().control() {
        control.reports.end(controller, None, end);
    }
}
