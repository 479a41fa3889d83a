//! Listening and accepting.
//!
//! smoltcp has no backlog: a socket must be listening before the SYN arrives. Here none ever waits. A SYN for a listener
//! gets a socket of its own just before the stack sees it; an idle listener costs no memory, whatever its backlog.
//!
//! * *Half open* are connections whose handshake is not complete. They are bounded, and when there are too many the
//!   oldest gives way to the newest: a flood of SYNs takes their places again and again, but who answers in time gets
//!   through.
//! * *Ready* are those that wait to be accepted. When the backlog is full a SYN is not answered: the peer repeats it.

use core::{
    future::poll_fn,
    net::SocketAddr,
    task::{Context, Poll, Waker},
};

use smoltcp::socket::tcp::State;
use unik_sched::time::{Duration, Instant, Time};

use crate::{
    error::Error,
    glance::Segment,
    stack::{Shared, Stack, duration},
    tcp::{
        connection::{Arrival, Buffers, Stage},
        life::RESET_TIMEOUT,
        list::List,
        stream::TcpStream,
    },
};

/// How long a connection may stay unaccepted: a handshake that is never completed, or an application that does not
/// accept.
const ARRIVAL_TIMEOUT: Duration = Duration::from_secs(20);

/// Where to listen, and with what. A port alone has the stack's defaults.
///
/// ```
/// use unik_net::Listen;
///
/// let many_small_ones = Listen::on(80).backlog(64).buffers(2048, 4096);
/// # let _ = many_small_ones;
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Listen {
    port: u16,
    backlog: Option<usize>,
    buffers: Option<(usize, usize)>,
}

impl Listen {
    /// Listening on `port`.
    pub fn on(port: u16) -> Self {
        Listen { port, backlog: None, buffers: None }
    }

    /// Lets so many connections wait to be accepted; a SYN beyond is not answered, so that the peer tries again.
    pub fn backlog(self, connections: usize) -> Self {
        Listen { backlog: Some(connections.max(1)), ..self }
    }

    /// Sizes in bytes of the buffers of each connection: the largest window offered, and what can be written ahead.
    pub fn buffers(self, receive: usize, transmit: usize) -> Self {
        Listen { buffers: Some((receive.max(1), transmit.max(1))), ..self }
    }
}

impl From<u16> for Listen {
    fn from(port: u16) -> Self {
        Listen::on(port)
    }
}

/// A port that is listened on.
pub(crate) struct Listener {
    id: u32,
    pub(crate) port: u16,
    pub(crate) opened: Instant,
    backlog: usize,
    buffers: Buffers,
    /// The connections that are not accepted, the oldest first.
    half_open: List,
    ready: List,
    waker: Option<Waker>,
}

impl Listener {
    /// Connections that could be accepted.
    pub(crate) fn acceptable(&self) -> usize {
        self.ready.len()
    }
}

/// Listeners.
impl Stack {
    pub(crate) fn open_listener(&mut self, listen: Listen, now: Instant) -> Result<(u32, u16), Error> {
        let port = listen.port;
        if port == 0 {
            return Err(Error::InvalidAddress);
        }
        if self.tcp.listeners.iter().any(|listener| listener.port == port) {
            return Err(Error::PortInUse);
        }
        if self.tcp.listeners.try_reserve(1).is_err() {
            return Err(Error::NoMemory);
        }
        let (backlog, buffers) = (listen.backlog.unwrap_or(self.limits.backlog), self.buffers(&listen));
        let id = self.tcp.next_listener;
        self.tcp.next_listener = id.wrapping_add(1);
        self.tcp.listeners.push(Listener {
            id,
            port,
            opened: now,
            backlog,
            buffers,
            half_open: List::new(),
            ready: List::new(),
            waker: None,
        });
        Ok((id, port))
    }

    fn buffers(&self, listen: &Listen) -> Buffers {
        let preset = (self.limits.tcp_receive, self.limits.tcp_transmit);
        let (receive, transmit) = listen.buffers.unwrap_or(preset);
        Buffers { receive, transmit }
    }

    /// How many connections with such buffers may be at the same time.
    pub(crate) fn room(&self, listen: &Listen) -> usize {
        self.limits.connections.min(self.limits.tcp_bytes / self.buffers(listen).bytes())
    }

    /// Closes a listener; connections that nobody accepted are reset.
    pub(crate) fn close_listener(&mut self, id: u32, now: Instant) {
        let Some(index) = self.tcp.listeners.iter().position(|listener| listener.id == id) else { return };
        let mut listener = self.tcp.listeners.remove(index);
        for list in [&mut listener.half_open, &mut listener.ready] {
            while let Some(number) = self.tcp.arrivals.pop(list) {
                if let Some(connection) = self.tcp.get_mut(number) {
                    connection.stage = Stage::Parting(now + RESET_TIMEOUT);
                    connection.socket_mut().abort();
                }
                self.tcp.enqueue(number);
            }
        }
        self.request();
    }

    /// Takes the oldest connection that is ready, or notes whom to wake.
    pub(crate) fn accept(&mut self, id: u32, waker: &Waker) -> Option<u32> {
        let listener = self.tcp.listeners.iter_mut().find(|listener| listener.id == id)?;
        let Some(number) = self.tcp.arrivals.pop(&mut listener.ready) else {
            listener.waker = Some(waker.clone());
            return None;
        };
        let connection = self.tcp.get_mut(number)?;
        connection.socket_mut().set_timeout(None);
        connection.stage = Stage::Owned;
        self.counters.tcp_accepted.increment();
        Some(number)
    }

    /// Handles a SYN that belongs to no connection.
    pub(crate) fn hear_opening(&mut self, segment: &Segment, now: Instant) {
        let (address, port) = segment.flow.destination;
        let ours = self.link.host.has(&address);
        let listener = self.tcp.listeners.iter().position(|listener| ours && listener.port == port);
        let Some(listener) = listener.and_then(|index| self.tcp.listeners.get_mut(index)) else {
            return self.hear_nobody(now);
        };
        if self.link.routes.next_hop(&segment.flow.source.0).is_none() {
            // Nothing that is said on the connection would find its way.
            self.counters.tx_unroutable.increment();
            return self.link.ignore();
        }
        if listener.ready.len() >= listener.backlog {
            self.counters.tcp_backlog_full.increment();
            self.link.ignore();
            return;
        }
        let (id, buffers) = (listener.id, listener.buffers);
        if listener.half_open.len() >= self.limits.half_open.max(1)
            && let Some(oldest) = listener.half_open.first()
        {
            self.evict(oldest);
        }
        let hardware = self.link.sender().unwrap_or_default();
        let arriving = Stage::Arriving(Arrival { listener: id, ready: false, hardware });
        let connection = if self.make_room(buffers) {
            self.new_connection(buffers, &segment.flow, arriving, now)
        } else {
            None
        };
        let Some(mut connection) = connection else { return self.hear_nobody(now) };
        let socket = connection.socket_mut();
        socket.set_timeout(Some(duration(ARRIVAL_TIMEOUT)));
        // A closed socket can listen on any port but 0, which nobody listens on.
        let _ = socket.listen(port);
        let number = self.tcp.add(connection);
        let listener = self.tcp.listeners.iter_mut().find(|listener| listener.id == id);
        let (Some(number), Some(listener)) = (number, listener) else { return };
        self.tcp.arrivals.push(&mut listener.half_open, number);
        self.hear(number, segment, now);
        if self.tcp.get(number).is_some_and(|connection| connection.state() == State::Listen) {
            // The stack did not take the SYN.
            self.remove_connection(number);
        }
    }

    /// The oldest half-open connection of the listener with the most of them gives way. False when there is none.
    pub(crate) fn evict_half_open(&mut self) -> bool {
        let longest = self.tcp.listeners.iter().max_by_key(|listener| listener.half_open.len());
        let Some(oldest) = longest.and_then(|listener| listener.half_open.first()) else { return false };
        self.evict(oldest);
        true
    }

    fn evict(&mut self, number: u32) {
        self.counters.tcp_half_open_evicted.increment();
        self.remove_connection(number);
    }

    /// Moves a connection whose handshake is complete to those that are ready, and wakes who accepts.
    pub(crate) fn note_arrival(&mut self, number: u32) {
        let Some(connection) = self.tcp.get_mut(number) else { return };
        let Stage::Arriving(arrival) = &mut connection.stage else { return };
        if core::mem::replace(&mut arrival.ready, true) {
            return;
        }
        let id = arrival.listener;
        let Some(listener) = self.tcp.listeners.iter_mut().find(|listener| listener.id == id) else { return };
        self.tcp.arrivals.remove(&mut listener.half_open, number);
        self.tcp.arrivals.push(&mut listener.ready, number);
        if let Some(waker) = listener.waker.take() {
            waker.wake();
        }
    }

    /// Forgets a connection that ended before it was accepted.
    pub(crate) fn forget_arrival(&mut self, stage: Stage, number: u32) {
        let Stage::Arriving(arrival) = stage else { return };
        let id = arrival.listener;
        let Some(listener) = self.tcp.listeners.iter_mut().find(|listener| listener.id == id) else { return };
        let list = if arrival.ready { &mut listener.ready } else { &mut listener.half_open };
        self.tcp.arrivals.remove(list, number);
    }
}

/// Accepts connections to one port. Dropping it resets those that were not accepted yet.
pub struct TcpListener {
    pub(crate) stack: Shared,
    pub(crate) time: Time,
    pub(crate) id: u32,
    pub(crate) port: u16,
}

impl TcpListener {
    /// The port listened on.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Waits for the next connection and returns it with the address of its peer. Cancelling the wait loses none.
    ///
    /// # Errors
    /// None today: connections that fail before they are accepted are dropped and counted.
    pub fn accept(&mut self) -> impl Future<Output = Result<(TcpStream, SocketAddr), Error>> {
        poll_fn(|context| self.poll_accept(context))
    }

    /// The same without `async`, for callers that poll several sources.
    ///
    /// # Errors
    /// See [`TcpListener::accept`].
    pub fn poll_accept(&mut self, context: &mut Context<'_>) -> Poll<Result<(TcpStream, SocketAddr), Error>> {
        let stack = &mut *self.stack.borrow_mut();
        let accepted = stack.accept(self.id, context.waker());
        let accepted = accepted.and_then(|number| Some((number, stack.tcp.get(number)?.flow.peer())));
        match accepted {
            Some((number, peer)) => {
                let stream = TcpStream::new(self.stack.clone(), self.time.clone(), number, peer);
                Poll::Ready(Ok((stream, peer)))
            }
            None => {
                self.time.waiting("tcp accept");
                Poll::Pending
            }
        }
    }
}

impl Drop for TcpListener {
    fn drop(&mut self) {
        let now = self.time.now();
        self.stack.borrow_mut().close_listener(self.id, now);
    }
}
