//! The task that sends the records of the journal, and carries the lines of traffic.
//!
//! It has no priority that others lack: it does a little in its turn, and the others have theirs. The more they have to do, the fewer
//! lines it carries. Invariant: whoever writes a record or a line never waits for a card, and for the console only if that is wanted.

use super::message::{Message, Origin};
use super::traffic::Traffic;
use super::{NAME, Parts};
use crate::backend;
use alloc::boxed::Box;
use alloc::rc::Rc;
use alloc::string::{String, ToString};
use core::convert::Infallible;
use core::future::poll_fn;
use core::net::SocketAddr;
use core::pin::Pin;
use core::task::{Context, Poll};
use unik_kernel::journal::Entry;
use unik_net::{Net, UdpSocket};
use unik_sched::time::{Duration, Sleep};

/// What is carried in a turn.
const BATCH: u64 = 16;
/// Between two lines for the console, for each of which it has to be waited, about a fifth of this time.
const SHOWN: Duration = Duration::from_millis(1);
/// Of the first so many messages a few are sent in a row, with a pause behind them: until the collector's card is known, no more can
/// wait.
const FIRST: u64 = 64;
const BURST: u64 = 8;
const PAUSE: Duration = Duration::from_millis(10);
/// Whose records of the levels debug and trace stay here: sending one would make others.
const OWN: [&str; 3] = ["unik_net", "unik_virtio", "smoltcp"];

/// Sends and carries for ever.
pub(super) async fn run(parts: Rc<Parts>, net: Net, traffic: Option<Traffic>) {
    let mut socket = None;
    if let Some(collector) = parts.collector {
        match net.udp(0).await {
            Ok(open) => socket = Some((open, collector)),
            Err(error) => log::error!("{NAME}: the log is not sent: {error}"),
        }
    }
    let host = match net.address_at(0) {
        Some((address, _)) if parts.host.is_empty() => address.to_string(),
        _ => parts.host.to_string(),
    };
    let (message, pause) = (Box::new(Message::new()), parts.time.sleep(Duration::ZERO));
    let mut sender = Sender { parts, host, traffic, socket, next: 0, message, pause };
    match poll_fn(|cx| sender.turn(cx)).await {}
}

struct Sender {
    parts: Rc<Parts>,
    /// The name of this host in the messages.
    host: String,
    traffic: Option<Traffic>,
    socket: Option<(UdpSocket, SocketAddr)>,
    /// The number of the next record of the journal.
    next: u64,
    /// What is to be sent, unless it is empty.
    message: Box<Message>,
    pause: Sleep,
}

impl Sender {
    /// One turn, in which others wait.
    fn turn(&mut self, cx: &mut Context<'_>) -> Poll<Infallible> {
        for _ in 0..BATCH {
            if Pin::new(&mut self.pause).poll(cx).is_pending() {
                return Poll::Pending;
            }
            if self.message.as_bytes().is_empty() && !self.take_record() && !self.take_line() {
                let waits =
                    self.traffic.as_ref().is_none_or(|traffic| traffic.lines.poll_wait(cx).is_pending());
                if self.parts.news.poll_wait(cx).is_pending() && waits {
                    return Poll::Pending;
                }
                continue;
            }
            if self.send(cx).is_pending() {
                return Poll::Pending;
            }
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }

    /// Sends the message, if there is one.
    fn send(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let Some((socket, collector)) = &mut self.socket else { return Poll::Ready(()) };
        if self.message.as_bytes().is_empty() {
            return Poll::Ready(());
        }
        let counters = &self.parts.counters;
        match socket.poll_send_to(cx, self.message.as_bytes(), *collector) {
            Poll::Pending => return Poll::Pending,
            Poll::Ready(Ok(())) => counters.sent.increment(),
            Poll::Ready(Err(_)) => counters.failed.increment(),
        }
        self.message.clear();
        let sent = counters.sent.get();
        if sent < FIRST && sent.is_multiple_of(BURST) {
            self.pause.reset(self.parts.time.now() + PAUSE);
        }
        Poll::Ready(())
    }

    /// Writes the next record of the journal, if there is one to send. False if there is none.
    fn take_record(&mut self) -> bool {
        let Self { parts, host, traffic, socket, next, message, .. } = self;
        let (wanted, mut is_there) = (*next, false);
        if socket.is_none() {
            return false;
        }
        backend::records(wanted, &mut |entry| {
            parts.counters.missed.add(entry.number.saturating_sub(*next));
            *next = entry.number + 1;
            if traffic.as_ref().is_some_and(|traffic| traffic.target == entry.target) {
                // It comes from here.
                return true;
            }
            is_there = !is_own(entry);
            if !is_there {
                parts.counters.withheld.increment();
                return true;
            }
            write(message, parts, host, entry);
            false
        });
        is_there
    }

    /// Shows the next line of traffic wherever it is to be shown, and writes it, if it is to be sent. False if there is none.
    fn take_line(&mut self) -> bool {
        let Self { parts, host, traffic, socket, message, pause, .. } = self;
        let Some(Traffic { lines, target, to }) = traffic else { return false };
        let level = log::Level::Info;
        lines.take(&mut |time, text| {
            let entry = Entry { number: 0, time: time.as_nanos(), level, target, text };
            if to.console {
                backend::print(format_args!("{level} {target}: {text}\n"));
                pause.reset(parts.time.now() + SHOWN);
            }
            if to.journal {
                let mut record = log::Record::builder();
                let record = record.level(level).target(target);
                backend::note(entry.time, &record.args(format_args!("{text}")).build());
            }
            if to.syslog && socket.is_some() {
                write(message, parts, host, &entry);
            }
        })
    }
}

/// Writes a record with the moment when it was written, where the date is known.
#[inline(never)]
fn write(message: &mut Message, parts: &Parts, host: &str, entry: &Entry<'_>) {
    let age = parts.time.now().as_nanos().saturating_sub(entry.time);
    let date = backend::wall_clock().and_then(|now| now.checked_sub(Duration::from_nanos(age)));
    message.write(&Origin { host, application: parts.application }, date, entry);
}

/// Whether sending the record would make more of its kind.
fn is_own(entry: &Entry<'_>) -> bool {
    entry.level > log::Level::Info && OWN.iter().any(|own| entry.target.starts_with(own))
}
