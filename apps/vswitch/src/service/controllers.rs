//! Connections of controllers: those that call, and those that are called, again and again.
//!
//! Each connection is a task of its own. It writes what the plane has for the controller, reads in bounded pieces while the
//! controller takes what it is sent, and ends when the other side has been silent for too long or says what makes no sense. Invariant: no
//! controller keeps frames from being forwarded: what one turn of its task does is bounded.

use super::control::Control;
use super::plane::SharedPlane;
use crate::openflow::{ConnectionId, Over};
use core::future::poll_fn;
use core::net::SocketAddr;
use core::pin::{Pin, pin};
use core::task::{Context, Poll};
use unik::io::{Read as _, Write as _};
use unik::net::{Error, Listen, Net, TcpListener, TcpStream};
use unik::sync::Event;
use unik::time::{Duration, Sleep, Time};
use unik::{Spawner, log};
use unik_sched::time::Instant;

/// Connections that wait to be accepted.
const BACKLOG: usize = 8;
/// What a connection receives and sends ahead.
const AHEAD: (usize, usize) = (16 * 1024, 32 * 1024);
/// Octets that are read at once.
const PIECE: usize = 2048;
/// Pieces that are read or written in one turn.
const PIECES: usize = 8;
/// How long a turn takes before frames have theirs, and octets that are done before this is looked at: a few messages, each of which
/// may look at all entries.
const TURN: Duration = Duration::from_millis(1);
const PART: usize = 256;
/// How long one may be silent before it is asked for a sign of life, and for how long then. A connection has as long to begin.
const SILENCE: Duration = Duration::from_secs(5);
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
        let task = converse(stream, talk, time.clone());
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
            Ok(Ok(stream)) => {
                if let Some(talk) = Talk::begin(&plane, controller, true) {
                    let since = time.now();
                    converse(stream, talk, time.clone()).await;
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

/// A connection, as the plane has it. It is gone when this is.
struct Talk {
    plane: SharedPlane,
    id: ConnectionId,
    event: Event,
    peer: SocketAddr,
    /// The controller is one of those that are called.
    is_chief: bool,
    /// It has said which version it speaks.
    has_agreed: bool,
    /// It counts as one that is there.
    is_led: bool,
}

impl Talk {
    fn begin(plane: &SharedPlane, peer: SocketAddr, is_chief: bool) -> Option<Self> {
        let (id, event) = plane.borrow_mut().command(|control, _| control.connect(is_chief))??;
        Some(Self { plane: plane.clone(), id, event, peer, is_chief, has_agreed: false, is_led: false })
    }
}

impl Drop for Talk {
    fn drop(&mut self) {
        let (id, is_chief, is_led) = (self.id, self.is_chief, self.is_led);
        self.plane.borrow_mut().command(|control, _| control.disconnect(id, is_chief, is_led));
    }
}

/// Why a connection ended.
enum End {
    /// The other side closed it.
    Closed,
    /// What came over it made that necessary.
    Over,
    /// Nothing came for too long.
    Silent,
    /// The network failed.
    Failed(Error),
}

/// Speaks with a controller until either side has had enough.
async fn converse(mut stream: TcpStream, mut talk: Talk, time: Time) {
    let mut heard = Heard { timer: time.sleep(SILENCE), time, is_asked: false };
    let mut piece = Piece { octets: [0; PIECE], start: 0, end: 0 };
    let end = poll_fn(|context| match exchange(&mut stream, &mut talk, &mut piece, &mut heard, context) {
        Err(end) => Poll::Ready(end),
        Ok(has_more) => {
            if has_more {
                context.waker().wake_by_ref();
            }
            Poll::Pending
        }
    })
    .await;
    let peer = talk.peer;
    match end {
        End::Closed => log::info!("controller {peer} is gone"),
        End::Over => {
            // The reason is on its way. Who does not take it does without.
            let rest = talk.plane.borrow_mut().command(|control, _| {
                let rest = control.output(talk.id);
                let mut copy = alloc::vec::Vec::new();
                copy.try_reserve_exact(rest.len()).ok()?;
                copy.extend_from_slice(rest);
                Some(copy)
            });
            if let Some(Some(rest)) = rest {
                let _ = heard.time.timeout(SILENCE, stream.write_all(&rest)).await;
            }
            log::warn!("controller {peer} said what makes no sense, or speaks no version that is known here");
        }
        End::Silent => {
            log::warn!("controller {peer} is silent");
            stream.abort();
        }
        End::Failed(error) => log::info!("controller {peer}: {error}"),
    }
}

/// Octets that were read and not yet taken.
struct Piece {
    octets: [u8; PIECE],
    start: usize,
    end: usize,
}

/// When something was heard last.
struct Heard {
    timer: Sleep,
    time: Time,
    /// It was asked for a sign of life since.
    is_asked: bool,
}

/// Writes and reads what there is, up to a bound. True if there may be more.
fn exchange(
    stream: &mut TcpStream,
    talk: &mut Talk,
    piece: &mut Piece,
    heard: &mut Heard,
    context: &mut Context<'_>,
) -> Result<bool, End> {
    let now = heard.time.recent();
    let plane = talk.plane.clone();
    let id = talk.id;
    let end = heard.time.now() + TURN;
    for _ in 0..PIECES {
        let mut is_idle = true;
        let written = plane.borrow_mut().command(|control, outputs| {
            let output = control.output(id);
            if output.is_empty() {
                return Ok(());
            }
            let written = pin!(stream.write(output)).poll(context);
            match written {
                Poll::Ready(Ok(count)) => {
                    is_idle = false;
                    control.sent(id, count, now, outputs).map_err(|_| End::Over)
                }
                Poll::Ready(Err(error)) => Err(End::Failed(error)),
                Poll::Pending => Ok(()),
            }
        });
        written.unwrap_or(Ok(()))?;
        if piece.start == piece.end {
            match pin!(stream.read(&mut piece.octets)).poll(context) {
                Poll::Ready(Ok(0)) => return Err(End::Closed),
                Poll::Ready(Ok(count)) => {
                    (piece.start, piece.end) = (0, count);
                    // Who has not begun has no more time for that, however many octets come.
                    if talk.has_agreed {
                        heard.is_asked = false;
                        heard.timer.reset(now + SILENCE);
                    }
                }
                Poll::Ready(Err(error)) => return Err(End::Failed(error)),
                Poll::Pending => {}
            }
        }
        let fresh = piece.octets.get(piece.start..piece.end).unwrap_or_default();
        if !fresh.is_empty() {
            let taken = take(&plane, id, fresh, &heard.time, end).map_err(|_| End::Over)?;
            piece.start += taken;
            is_idle &= taken == 0;
        }
        if !talk.has_agreed {
            greet(talk, &plane);
        }
        if is_idle {
            return rest(talk, heard, context).map(|()| false);
        }
        if heard.time.now() >= end {
            break;
        }
    }
    Ok(true)
}

/// Does what messages say, up to `end`. How many octets were taken.
fn take(
    plane: &SharedPlane,
    id: ConnectionId,
    octets: &[u8],
    time: &Time,
    end: Instant,
) -> Result<usize, Over> {
    let received = plane.borrow_mut().command(|control, outputs| {
        let mut taken = 0;
        for part in octets.chunks(PART) {
            let count = control.receive(id, part, time.recent(), outputs)?;
            taken += count;
            // Behind the first part, so that each turn does something.
            if count < part.len() || time.now() >= end {
                break;
            }
        }
        Ok(taken)
    });
    received.unwrap_or(Ok(0))
}

/// A controller that is called is there as soon as it has said which version it speaks.
fn greet(talk: &mut Talk, plane: &SharedPlane) {
    let (id, is_chief) = (talk.id, talk.is_chief);
    let has_agreed = plane.borrow_mut().command(|control: &mut Control, _| {
        let has_agreed = control.has_agreed(id);
        if has_agreed && is_chief {
            control.follow();
        }
        has_agreed
    });
    if has_agreed == Some(true) {
        (talk.has_agreed, talk.is_led) = (true, is_chief);
        if is_chief {
            log::info!("controller {} is there", talk.peer);
        }
    }
}

/// Waits for something to say, and for the time when silence has lasted too long.
fn rest(talk: &Talk, heard: &mut Heard, context: &mut Context<'_>) -> Result<(), End> {
    while talk.event.poll_wait(context).is_ready() {
        // Looked at already; what comes from now on wakes.
        let has_output = talk.plane.borrow_mut().command(|control, _| !control.output(talk.id).is_empty());
        if has_output != Some(true) {
            continue;
        }
        // It waits for room: the stream wakes.
        break;
    }
    while Pin::new(&mut heard.timer).poll(context).is_ready() {
        if heard.is_asked || !talk.has_agreed {
            return Err(End::Silent);
        }
        talk.plane.borrow_mut().command(|control, _| control.probe(talk.id));
        heard.is_asked = true;
        heard.timer.reset(heard.time.recent() + SILENCE);
        context.waker().wake_by_ref();
    }
    Ok(())
}
