//! The handle of a stack that applications hold, and the task that drives it.

use alloc::{boxed::Box, rc::Rc};
use core::{
    cell::RefCell,
    future::poll_fn,
    net::{IpAddr, Ipv4Addr, SocketAddr},
    pin::Pin,
    task::Poll,
};

use unik_sched::{
    counter::CounterSet,
    sync::Event,
    time::{Instant, Sleep, Time},
};

use crate::{
    capture::Capture,
    config::Config,
    counters::NetCounters,
    error::Error,
    ip::address::socket_address,
    nic::Nic,
    socket_info::SocketInfo,
    stack::{Next, Shared, Stack},
    tcp::{Listen, TcpListener, TcpStream},
    udp::{UdpSocket, end},
};

/// Where a stack's random numbers come from: each call gives another one. Numbers that can be guessed are for tests.
///
/// The ports that the stack chooses and the transactions of DHCP are drawn one by one. What smoltcp chooses (initial
/// sequence numbers) comes from a generator of its own, which is no cryptographic one and is seeded once, with a single number of 64 bits: who sees enough of those may learn the next ones.
pub type Random = Box<dyn FnMut() -> u64>;

/// A handle of one TCP/IP stack. Clones are handles of the same stack.
#[derive(Clone)]
pub struct Net {
    pub(crate) stack: Shared,
    pub(crate) time: Time,
    nat: bool,
}

impl Net {
    /// Makes a stack on `nic`, called `name` in log lines. Nothing moves until the [`Driver`] runs. `random` is what
    /// makes ports and sequence numbers unpredictable.
    #[inline(never)]
    pub fn new(
        name: &'static str,
        nic: Box<dyn Nic>,
        config: Config,
        time: Time,
        random: Random,
    ) -> (Net, Driver) {
        let event = nic.event();
        let nat = config.nat();
        let stack = Rc::new(RefCell::new(Stack::new(name, nic, config, time.now(), random)));
        let driver = Driver { stack: stack.clone(), time: time.clone(), event };
        (Net { stack, time, nat }, driver)
    }

    /// The name given to [`Net::new`].
    pub fn name(&self) -> &'static str {
        self.stack.borrow().name
    }

    /// Waits until there is an address: none with a fixed one, a lease with DHCP. Where a router has given one of IPv6, the
    /// lease is waited for three seconds more, and no longer.
    pub fn configured(&self) -> impl Future<Output = ()> {
        poll_fn(|context| {
            let mut stack = self.stack.borrow_mut();
            if stack.is_configured(self.time.now()) {
                return Poll::Ready(());
            }
            stack.register_unconfigured(context.waker());
            self.time.waiting("address");
            Poll::Pending
        })
    }

    /// The address of IPv4 and the length of its network prefix in bits.
    pub fn address(&self) -> Option<(Ipv4Addr, u8)> {
        let network = self.stack.borrow().link.host.v4()?;
        Some((network.address.as_v4()?.into(), network.prefix()))
    }

    /// The address at `index`, of either version, and the length of its network prefix in bits; `None` behind the last one.
    /// The one of IPv4 comes first, and of IPv6 those that are good beyond the link.
    pub fn address_at(&self, index: usize) -> Option<(IpAddr, u8)> {
        let network = self.stack.borrow().link.host.networks().get(index).copied()?;
        Some((network.address.into(), network.prefix()))
    }

    /// Where packets of IPv4 to other networks go.
    pub fn gateway(&self) -> Option<Ipv4Addr> {
        self.stack.borrow().gateway()
    }

    /// The server of names at `index` that DHCP or a router has told of; `None` behind the last one.
    pub fn name_server_at(&self, index: usize) -> Option<IpAddr> {
        self.stack.borrow().name_server(index)
    }

    /// The Ethernet address.
    pub fn hardware_address(&self) -> [u8; 6] {
        self.stack.borrow().link.host.hardware
    }

    /// Whether all clients share one address (`net0.nat=1`), so that a limit per client would apply to all together.
    pub fn is_nat(&self) -> bool {
        self.nat
    }

    /// Opens a UDP socket on `port`, or on a free one when it is 0.
    ///
    /// # Errors
    /// [`Error::PortInUse`], [`Error::NoPortLeft`], [`Error::TooManySockets`], [`Error::NoMemory`].
    pub fn udp(&self, port: u16) -> impl Future<Output = Result<UdpSocket, Error>> {
        poll_fn(move |_| {
            let port = self.stack.borrow_mut().open_udp(port, self.time.now())?;
            Poll::Ready(Ok(UdpSocket { stack: self.stack.clone(), time: self.time.clone(), port }))
        })
    }

    /// Listens for TCP connections to a port: with the backlog and the buffers of [`crate::Limits`], or with those of a
    /// [`Listen`].
    ///
    /// # Errors
    /// [`Error::PortInUse`], [`Error::InvalidAddress`] for port 0, [`Error::NoMemory`].
    pub fn listen(&self, on: impl Into<Listen>) -> impl Future<Output = Result<TcpListener, Error>> {
        let listen = on.into();
        poll_fn(move |_| {
            let (id, port) = self.stack.borrow_mut().open_listener(listen, self.time.now())?;
            Poll::Ready(Ok(TcpListener { stack: self.stack.clone(), time: self.time.clone(), id, port }))
        })
    }

    /// How many connections with the buffers of `listen` there may be at the same time, if there are no others: those that are
    /// closing, and those whose handshake is not complete, take the same memory.
    pub fn room(&self, listen: &Listen) -> usize {
        self.stack.borrow().room(listen)
    }

    /// Connects to a TCP listener elsewhere. Cancelling the wait gives the attempt up.
    ///
    /// # Errors
    /// [`Error::ConnectionRefused`], [`Error::TimedOut`], [`Error::Unreachable`], [`Error::NotConfigured`],
    /// [`Error::InvalidAddress`], [`Error::TooManySockets`], [`Error::NoMemory`], [`Error::NoPortLeft`].
    pub async fn connect(&self, address: SocketAddr) -> Result<TcpStream, Error> {
        let peer = end(address);
        let number = self.stack.borrow_mut().begin_connect(peer, self.time.now())?;
        let stream = TcpStream::new(self.stack.clone(), self.time.clone(), number, socket_address(peer));
        stream.established().await
    }

    /// Calls `visit` with what is known of each socket from the position `from` on, and with the position behind it,
    /// until it returns false: UDP sockets, handlers of datagrams, TCP
    /// listeners, TCP connections, and those that have ended. The first
    /// position is 0; not all positions are in use. Nothing is borrowed meanwhile: `visit` may use the stack. UDP sockets
    /// and listeners that are closed between two calls move those behind them to the front.
    pub fn sockets(&self, from: usize, visit: &mut dyn FnMut(usize, &SocketInfo) -> bool) {
        let mut position = from;
        loop {
            let socket = self.stack.borrow().next_socket(&mut position, self.time.now());
            if !socket.is_some_and(|socket| visit(position, &socket)) {
                return;
            }
        }
    }

    /// Begins to copy all frames that pass the card, the first `length` bytes of each, at most
    /// [`Capture::LENGTH_LIMIT`], and sets `event` whenever one was copied: whoever leaves frames behind in
    /// [`Capture::read`] knows of them and does not wait first. `None` while another capture runs on this stack, or when
    /// memory lacks.
    pub fn capture(&self, length: usize, event: Event) -> Option<Capture> {
        Capture::begin(&self.stack, length, event)
    }

    /// What the stack has counted.
    pub fn counters(&self) -> Rc<NetCounters> {
        self.stack.borrow().counters.clone()
    }

    /// What the card has counted.
    pub fn nic_counters(&self) -> Rc<dyn CounterSet> {
        self.stack.borrow().link.nic.counters()
    }
}

/// The task that moves frames between the card and the sockets. Spawn [`Driver::run`] once.
#[must_use = "without its driver task a stack does nothing"]
pub struct Driver {
    stack: Shared,
    time: Time,
    event: Event,
}

impl Driver {
    /// Runs the stack for ever.
    pub async fn run(self) {
        let (mut timer, mut passed) = (None, Instant::ZERO);
        loop {
            // A deadline that has passed since this poll began is later than that beginning.
            let now = self.time.recent().max(passed);
            let next = self.stack.borrow_mut().turn(now);
            match next {
                Next::Again => let_others_run().await,
                Next::Sleep(until) => {
                    // One that comes earlier wakes for nothing, once; to set it anew each time would cost more.
                    let is_early =
                        |set: &(Instant, Sleep)| set.0 > now && until.is_some_and(|until| set.0 <= until);
                    if !timer.as_ref().is_some_and(is_early) {
                        timer = until.map(|until| (until, self.time.sleep_until(until)));
                    }
                    if self.sleep(&mut timer).await
                        && let Some((set, _)) = timer.take()
                    {
                        passed = set;
                    }
                }
            }
        }
    }

    /// Waits for a request of a socket, the card's event, or the timer. True when it was the timer.
    fn sleep(&self, timer: &mut Option<(Instant, Sleep)>) -> impl Future<Output = bool> {
        poll_fn(move |context| {
            // The turn takes the event.
            if self.event.is_set() || self.stack.borrow_mut().await_request(context.waker()) {
                return Poll::Ready(false);
            }
            // It has not happened: this asks to be woken when it does.
            if self.event.poll_wait(context).is_ready() {
                self.event.set();
                return Poll::Ready(false);
            }
            self.time.waiting("network");
            match timer {
                Some((_, timer)) => Pin::new(timer).poll(context).map(|()| true),
                None => Poll::Pending,
            }
        })
    }
}

/// Gives way to other tasks once.
fn let_others_run() -> impl Future<Output = ()> {
    let mut yielded = false;
    poll_fn(move |context| {
        if core::mem::replace(&mut yielded, true) {
            return Poll::Ready(());
        }
        context.waker().wake_by_ref();
        Poll::Pending
    })
}
