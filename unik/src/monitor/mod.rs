//! The inspection channel: what a tool on the host may see of a running appliance, and ask of it.
//!
//! [`Monitor`] is taken like any resource, and a task of its own then serves the channel: `cargo unik ps`, `log` and their
//! siblings ask it. Invariant: the task works in portions and waits for nobody but the host, so that the appliance goes
//! on whatever the host does.

mod looker;
mod network;

use self::looker::Looker;
pub(crate) use self::network::{Network, Watched};
use crate::backend;
use crate::counters::Counters;
use crate::outcome::Failure;
use crate::resource::{Resource, at_once};
use crate::system::System;
use alloc::boxed::Box;
use alloc::string::ToString;
use core::convert::Infallible;
use core::pin::Pin;
use core::task::{Context, Poll};
use unik_monitor::{Port, Session};
use unik_sched::time::{Duration, Instant};
use unik_virtio::Buffer;

const NAME: &str = "monitor";

/// How long the host may take to read the answer to its request to end the appliance.
const PATIENCE: Duration = Duration::from_millis(100);

/// Buffers that are filled, or taken, in one turn, before other tasks run.
const BUDGET: usize = 8;

/// The inspection channel. An appliance that takes it can be looked into from the host.
///
/// Most take `Option<Monitor>`: without a device for it they run all the same. It stands first among the parameters:
/// resources are taken in their order, and a network may wait for its address for as long as nobody gives it one.
pub struct Monitor(());

impl Resource for Monitor {
    const LOOKS: bool = true;

    fn take<const LOOKED: bool>(system: &System) -> impl Future<Output = Result<Self, Failure>> {
        at_once(|| open(system))
    }

    fn is_present(system: &System) -> bool {
        backend::has_channel(system.backend())
    }
}

/// Opens the device and starts the task.
#[inline(never)]
fn open(system: &System) -> Result<Monitor, Failure> {
    let port = backend::open_channel(system.backend()).map_err(Failure::Configuration)?;
    let session = Session::new();
    let counters = Counters::of(system);
    counters.register(NAME, session.counters());
    counters.register(NAME, port.counters());
    // They last as long as the system, so what would tear them down is not linked.
    let (port, session) = (Box::leak(Box::new(port)), Box::leak(Box::new(session)));
    let looker = Looker::new(*system, port.event());
    let service =
        Box::leak(Box::new(Service { port, session, looker, unread: None, taken: 0, deadline: None }));
    let spawned = system.spawner().spawn(NAME, async { match Pin::new(service).await {} });
    spawned.map_err(|error| Failure::Configuration(error.to_string()))?;
    Ok(Monitor(()))
}

/// The end of the channel in this image.
struct Service<P: 'static> {
    port: &'static mut P,
    session: &'static mut Session,
    looker: Looker,
    /// A buffer that the session did not take all of, and how much it took.
    unread: Option<Buffer>,
    taken: usize,
    /// Until when the host may read the answer to its request to end the appliance.
    deadline: Option<Instant>,
}

impl<P: Port> Service<P> {
    /// One portion. True if there may be more to do, false if the task of `cx` is woken when there is.
    fn turn(&mut self, cx: &mut Context<'_>) -> bool {
        let (port, session, looker) = (&mut *self.port, &mut *self.session, &mut self.looker);
        if let Some(deadline) = self.deadline {
            // The answer goes out first, if the host takes it in time.
            if port.is_drained() || looker.time().now() >= deadline {
                self.deadline = None;
                looker.end_now();
            }
            return true;
        }
        // This turn is about it.
        let _ = looker.event().try_take();
        port.disarm();
        let more = hear(port, session, looker, &mut self.unread, &mut self.taken);
        let busy = tell(port, session, looker) || more;
        port.flush();
        if looker.is_ending() {
            self.deadline = Some(looker.time().now() + PATIENCE);
            return true;
        }
        // What was not taken before may be taken now that replies have gone. If not, no more bytes are wanted before that.
        let stuck = self.unread.is_some() && session.is_full();
        if busy || (self.unread.is_some() && !stuck) || port.arm(!stuck) {
            return true;
        }
        looker.time().waiting("the host");
        looker.event().poll_wait(cx).is_ready()
    }
}

impl<P: Port> Future for Service<P> {
    type Output = Infallible;

    /// Serves the channel for ever.
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Infallible> {
        if self.get_mut().turn(cx) {
            cx.waker().wake_by_ref();
        }
        Poll::Pending
    }
}

/// Takes what the host has sent, as long as the session takes it. `unread` is a buffer that it took the first `taken` bytes of.
/// True if there may be more.
#[inline(never)]
fn hear(
    port: &mut impl Port,
    session: &mut Session,
    looker: &mut Looker,
    unread: &mut Option<Buffer>,
    taken: &mut usize,
) -> bool {
    for _ in 0..BUDGET {
        let fresh = unread.is_none();
        if fresh {
            (*unread, *taken) = (port.receive(), 0);
        }
        // Whoever has opened the port did so before what is received now.
        if port.restarted() {
            if !fresh && let Some(bytes) = unread.take() {
                port.give_back(bytes);
            }
            session.restart(looker);
        }
        let Some(bytes) = unread.as_deref() else { return false };
        *taken += session.receive(bytes.get(*taken..).unwrap_or_default(), looker);
        if *taken < bytes.len() {
            return false;
        }
        if let Some(bytes) = unread.take() {
            port.give_back(bytes);
        }
    }
    true
}

/// Sends what the session has to say. True if it may have more.
#[inline(never)]
fn tell(port: &mut impl Port, session: &mut Session, looker: &mut Looker) -> bool {
    for _ in 0..BUDGET {
        let Some(mut buffer) = port.allocate() else { return false };
        // A new buffer takes as much.
        let _ = buffer.set_len(Buffer::CAPACITY);
        let length = session.fill(looker, &mut buffer);
        if length == 0 {
            return false;
        }
        let _ = buffer.set_len(length);
        port.send(buffer);
    }
    true
}
