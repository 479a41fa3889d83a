//! A conversation with one controller.
//!
//! [`converse`] writes what the plane has for the controller, reads in bounded pieces while the controller takes what it is sent,
//! and ends when the other side has been silent for too long or says what makes no sense. Whoever says that nothing more comes
//! still gets the answers to what was asked before. Invariant: no controller keeps frames from being forwarded: what one turn of its
//! task does is bounded.

use super::plane::SharedPlane;
use super::stream::{Stream, Trouble};
use crate::openflow::{ConnectionId, Over};
use crate::settings::Controller;
use core::fmt;
use core::future::poll_fn;
use core::pin::Pin;
use core::task::{Context, Poll, ready};
use unik::log;
use unik::sync::Event;
use unik::time::{Duration, Sleep, Time};
use unik_sched::time::Instant;

/// Octets that are read at once.
const PIECE: usize = 2048;
/// Pieces that are read or written in one turn.
const PIECES: usize = 8;
/// How long a turn takes before frames have theirs, and octets that are done before this is looked at: a few messages, each of which
/// may look at all entries.
const TURN: Duration = Duration::from_millis(1);
const PART: usize = 256;
/// How long one may be silent before it is asked for a sign of life, and for how long then. A connection has as long to begin, and
/// to take more of the answers that are left when nothing more comes.
pub(super) const SILENCE: Duration = Duration::from_secs(5);

/// A connection, as the plane has it. It is gone when this is.
pub(super) struct Talk {
    plane: SharedPlane,
    id: ConnectionId,
    event: Event,
    controller: Controller,
    /// It is one of those that are called.
    is_chief: bool,
    /// It has said which version it speaks.
    has_agreed: bool,
    /// It counts as one that is there.
    is_led: bool,
    /// It has said that nothing more comes.
    is_hushed: bool,
}

impl Talk {
    /// A connection with a controller that is called, or calls. `None` if there are too many.
    pub(super) fn begin(plane: &SharedPlane, controller: Controller, is_chief: bool) -> Option<Self> {
        let mut borrowed = plane.borrow_mut();
        let control = borrowed.control()?;
        let (id, event) = control.connect(is_chief)?;
        control.reports.begin(controller, is_chief, id);
        drop(borrowed);
        let (plane, has_agreed, is_led, is_hushed) = (plane.clone(), false, false, false);
        Some(Self { plane, id, event, controller, is_chief, has_agreed, is_led, is_hushed })
    }

    /// It is over, and the log and whoever asks are told why.
    pub(super) fn end(self, end: End) {
        let (id, controller) = (self.id, self.controller);
        let mut plane = self.plane.borrow_mut();
        let is_news = plane.control().is_none_or(|control| control.reports.end(controller, Some(id), end));
        drop(plane);
        match end {
            End::Closed => log::info!("controller {controller} is gone"),
            _ if is_news => log::warn!("controller {controller}: {end}"),
            // It is called again and again.
            _ => log::debug!("controller {controller}: {end}"),
        }
    }
}

impl Drop for Talk {
    fn drop(&mut self) {
        let (id, is_chief, is_led) = (self.id, self.is_chief, self.is_led);
        if let Some(control) = self.plane.borrow_mut().control() {
            control.reports.forget(id);
            control.disconnect(id, is_chief, is_led);
        }
    }
}

/// Why a connection ended, or never began.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum End {
    /// Nobody answered.
    Unanswered,
    /// The other side closed it.
    Closed,
    /// What came over it made that necessary.
    Over,
    /// Nothing came for too long.
    Silent,
    /// It failed.
    Failed(Trouble),
}

impl fmt::Display for End {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Unanswered => "it does not answer",
            Self::Closed => "it has closed the connection",
            Self::Over => "it said what makes no sense, or speaks no version that is known here",
            Self::Silent => "it was silent for too long",
            Self::Failed(trouble) => return trouble.fmt(f),
        })
    }
}

/// Speaks with a controller until either side has had enough.
pub(super) async fn converse(stream: &mut dyn Stream, mut talk: Talk, time: Time) {
    let mut heard = Heard { timer: time.sleep(SILENCE), time, is_asked: false };
    let mut piece = Piece { octets: [0; PIECE], start: 0, end: 0 };
    let end = poll_fn(|context| match exchange(stream, &mut talk, &mut piece, &mut heard, context) {
        Err(end) => Poll::Ready(end),
        Ok(has_more) => {
            if has_more {
                context.waker().wake_by_ref();
            }
            Poll::Pending
        }
    })
    .await;
    match end {
        // Who has said what makes no sense does not know of it yet, and who is refused does not know why.
        End::Over => finish(stream, Some(&talk), &heard.time).await,
        End::Failed(_) => finish(stream, None, &heard.time).await,
        End::Closed => {
            stream.end();
            finish(stream, None, &heard.time).await;
        }
        End::Silent | End::Unanswered => stream.abort(),
    }
    talk.end(end);
}

/// Sends what there is to send, to somebody of whom `talk` says that it is not all with the stream. Who does not take it does without.
async fn finish(stream: &mut dyn Stream, talk: Option<&Talk>, time: &Time) {
    let rest = poll_fn(|context| {
        if let Some(talk) = talk {
            ready!(drain(stream, talk, context));
        }
        stream.poll_flush(context).map(drop)
    });
    let _ = time.timeout(SILENCE, rest).await;
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
    stream: &mut dyn Stream,
    talk: &mut Talk,
    piece: &mut Piece,
    heard: &mut Heard,
    context: &mut Context<'_>,
) -> Result<bool, End> {
    let now = heard.time.recent();
    let end = heard.time.now() + TURN;
    for _ in 0..PIECES {
        let mut is_idle = !write(stream, talk, now, context)?;
        if !is_idle && talk.is_hushed {
            // It takes what is left.
            heard.timer.reset(now + SILENCE);
        }
        if piece.start == piece.end && !talk.is_hushed {
            read(stream, talk, piece, heard, now, context)?;
        }
        let fresh = piece.octets.get(piece.start..piece.end).unwrap_or_default();
        if !fresh.is_empty() {
            let taken = take(&talk.plane, talk.id, fresh, &heard.time, end).map_err(|_| End::Over)?;
            piece.start += taken;
            is_idle &= taken == 0;
        }
        if !talk.has_agreed && greet(talk) {
            heard.timer.reset(now + SILENCE);
        }
        if is_idle {
            let is_done = talk.is_hushed && piece.start == piece.end && !talk.has_output();
            if is_done && stream.poll_flush(context).is_ready() {
                return Err(End::Closed);
            }
            return rest(talk, heard, context).map(|()| false);
        }
        if heard.time.now() >= end {
            break;
        }
    }
    Ok(true)
}

/// Writes some of what there is for the controller. True if there was something, and room for it.
fn write(stream: &mut dyn Stream, talk: &Talk, now: Instant, context: &mut Context<'_>) -> Result<bool, End> {
    let written = talk.plane.borrow_mut().command(|control, outputs| {
        let output = control.output(talk.id);
        if output.is_empty() {
            let flushed = stream.poll_flush(context);
            return if let Poll::Ready(Err(trouble)) = flushed {
                Err(End::Failed(trouble))
            } else {
                Ok(false)
            };
        }
        match stream.poll_write(output, context) {
            Poll::Ready(Ok(count)) => {
                control.sent(talk.id, count, now, outputs).map(|()| true).map_err(|_| End::Over)
            }
            Poll::Ready(Err(trouble)) => Err(End::Failed(trouble)),
            Poll::Pending => Ok(false),
        }
    });
    written.unwrap_or(Ok(false))
}

/// Writes all that there is for a controller whose connection is over.
fn drain(stream: &mut dyn Stream, talk: &Talk, context: &mut Context<'_>) -> Poll<()> {
    let now = Instant::ZERO; // no message is done any more
    while talk.has_output() {
        match write(stream, talk, now, context) {
            // What is left to be sent says that it is over each time.
            Ok(true) | Err(End::Over) => {}
            Ok(false) => return Poll::Pending,
            Err(_) => break,
        }
    }
    Poll::Ready(())
}

/// Reads what has come.
fn read(
    stream: &mut dyn Stream,
    talk: &mut Talk,
    piece: &mut Piece,
    heard: &mut Heard,
    now: Instant,
    context: &mut Context<'_>,
) -> Result<(), End> {
    match stream.poll_read(&mut piece.octets, context) {
        Poll::Ready(Ok(0)) => {
            // What was asked is answered, but nothing else is told.
            talk.is_hushed = true;
            if let Some(control) = talk.plane.borrow_mut().control() {
                control.hush(talk.id);
            }
            heard.timer.reset(now + SILENCE);
        }
        Poll::Ready(Ok(count)) => {
            (piece.start, piece.end) = (0, count);
            // Who has not begun has no more time for that, however many octets come.
            if talk.has_agreed {
                heard.is_asked = false;
                heard.timer.reset(now + SILENCE);
            }
        }
        Poll::Ready(Err(trouble)) => return Err(End::Failed(trouble)),
        Poll::Pending => {}
    }
    Ok(())
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

/// A controller that is called is there as soon as it has said which version it speaks. True if it has.
fn greet(talk: &mut Talk) -> bool {
    if let Some(control) = talk.plane.borrow_mut().control()
        && control.has_agreed(talk.id)
    {
        (talk.has_agreed, talk.is_led) = (true, talk.is_chief);
        if talk.is_chief {
            control.follow();
            log::info!("controller {} is there", talk.controller);
        }
    }
    talk.has_agreed
}

/// Waits for something to say, and for the time when silence has lasted too long.
fn rest(talk: &Talk, heard: &mut Heard, context: &mut Context<'_>) -> Result<(), End> {
    while talk.event.poll_wait(context).is_ready() {
        // Looked at already; what comes from now on wakes.
        if talk.has_output() {
            // It waits for room: the stream wakes.
            break;
        }
    }
    while Pin::new(&mut heard.timer).poll(context).is_ready() {
        if heard.is_asked || !talk.has_agreed || talk.is_hushed {
            return Err(End::Silent);
        }
        if let Some(control) = talk.plane.borrow_mut().control() {
            control.probe(talk.id);
        }
        heard.is_asked = true;
        heard.timer.reset(heard.time.recent() + SILENCE);
        context.waker().wake_by_ref();
    }
    Ok(())
}

impl Talk {
    /// Whether there is anything to be sent.
    fn has_output(&self) -> bool {
        self.plane.borrow_mut().control().is_some_and(|control| !control.output(self.id).is_empty())
    }
}

#[cfg(test)]
mod tests;
