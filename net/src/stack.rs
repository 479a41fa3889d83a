//! One stack: the card, smoltcp's interface, the tables of sockets, and the turn that moves them all on.
//!
//! Everything lives in one [`Stack`] behind `Rc<RefCell<..>>`; sockets and the driver task borrow it for the length
//! of one call and never across a wait. The driver task ([`crate::Driver`]) calls [`Stack::turn`]; sockets change
//! the state and then [`Stack::request`] a turn.
//!
//! Invariant: whatever a turn leaves undone is either due at the returned deadline, or announced by the card's
//! event, or requested.

use alloc::{boxed::Box, rc::Rc, vec::Vec};
use core::{cell::RefCell, task::Waker};

use smoltcp::{
    iface::{Interface, SocketSet},
    wire::HardwareAddress,
};
use unik_sched::{
    Pace,
    sync::Event,
    time::{Duration, Instant},
};

use crate::{
    addressing::{Addressing, CLIENT_PORT},
    allowance::Allowance,
    config::{Config, Limits},
    counters::NetCounters,
    datagram::InPlace,
    glance::Glance,
    ip::gate::Refusal,
    ip::multicast::Groups,
    ip::ping::Pings,
    link::{HOLD_PAUSE, Link},
    net::Random,
    nic::Nic,
    tcp::table::TcpTable,
    udp::table::UdpTable,
};

/// The least time between two lines of the log about what was refused.
const COMPLAINT: Duration = Duration::from_secs(1);

/// Messages in a second about what cannot be delivered.
const ERRORS: u8 = 16;

/// The pause after a turn that could do nothing although something seemed due, or while the card has no room.
pub(crate) const PAUSE: Duration = Duration::from_millis(10);

/// A stack as its handles share it.
pub(crate) type Shared = Rc<RefCell<Stack>>;

/// One stack.
pub(crate) struct Stack {
    pub(crate) name: &'static str,
    pub(crate) link: Link,
    pub(crate) interface: Interface,
    /// No sockets: what segments are shown to that belong to none.
    nobody: SocketSet<'static>,
    pub(crate) tcp: TcpTable,
    pub(crate) udp: UdpTable,
    /// The handlers of datagrams, once there was one.
    pub(crate) in_place: Option<Box<dyn InPlace>>,
    /// Who waits for answers to echo requests.
    pub(crate) pings: Pings,
    /// The groups that sockets have joined.
    pub(crate) groups: Groups,
    /// Where its addresses come from.
    pub(crate) addressing: Addressing,
    pub(crate) limits: Limits,
    pub(crate) random: Random,
    pub(crate) counters: Rc<NetCounters>,
    /// Messages about what cannot be delivered.
    pub(crate) errors: Allowance,
    /// When to say next that connections are refused.
    complaint: Pace,
    /// When to say next that another host has the address.
    pub(crate) conflict: Pace,
    /// What the card sets.
    event: Event,
    driver: Option<Waker>,
    requested: bool,
    /// What the card last said of its link.
    is_link_up: bool,
}

/// What the driver task does after a turn.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Next {
    /// There is more to do: let other tasks run, then take another turn.
    Again,
    /// Wait for the card's event or a request, at most until this instant.
    Sleep(Option<Instant>),
}

impl Stack {
    pub(crate) fn new(
        name: &'static str,
        nic: Box<dyn Nic>,
        config: Config,
        now: Instant,
        mut random: Random,
    ) -> Self {
        let counters = Rc::new(NetCounters::new());
        let limits = config.limits();
        let secret = [random(), random()];
        let event = nic.event();
        let mut link = Link::new(nic, counters.clone(), secret, limits.parked);
        let mut settings = smoltcp::iface::Config::new(HardwareAddress::Ip);
        settings.random_seed = random();
        let interface = Interface::new(settings, &mut link, instant(now));
        let addressing = Addressing::new(config, link.host.hardware);
        let mut stack = Stack {
            name,
            link,
            interface,
            nobody: SocketSet::new(Vec::new()),
            tcp: TcpTable::new(limits.connections, limits.time_wait, secret),
            udp: UdpTable::new(),
            in_place: None,
            pings: Pings::new(),
            groups: Groups::new(),
            addressing,
            limits,
            random,
            counters,
            errors: Allowance::new(ERRORS),
            complaint: Pace::new(COMPLAINT),
            conflict: Pace::new(COMPLAINT),
            event,
            driver: None,
            requested: false,
            is_link_up: true,
        };
        stack.take_addresses(now);
        stack
    }

    /// Says, not too often, that a connection is refused, and why.
    pub(crate) fn complain(&self, what: &str) {
        self.say(&self.complaint, what);
    }

    /// Warns of something that strangers cause, as often as `pace` admits.
    #[inline(never)]
    pub(crate) fn say(&self, pace: &Pace, what: &str) {
        if let Some(held_back) = pace.admit(self.link.now) {
            log::warn!("{}: {what}, after {held_back} times without a word", self.name);
        }
    }

    /// Asks the driver task for a turn.
    #[inline(never)]
    pub(crate) fn request(&mut self) {
        self.requested = true;
        if let Some(driver) = self.driver.take() {
            driver.wake();
        }
    }

    /// Notes whom a request wakes. True when one came in the meantime.
    pub(crate) fn await_request(&mut self, waker: &Waker) -> bool {
        let is_known = self.driver.as_ref().is_some_and(|driver| driver.will_wake(waker));
        if !self.requested && !is_known {
            self.driver = Some(waker.clone());
        }
        self.requested
    }

    /// Looks after what was asked for and what is due, handles received frames up to the budget, and says when to come
    /// back. What frames cause is done in the next turn: by then the application has answered them.
    pub(crate) fn turn(&mut self, now: Instant) -> Next {
        self.counters.turns.increment();
        self.requested = false;
        self.link.now = now;
        self.link.nic.disarm();
        // Taken back only now, before the rings are looked at: a card may want to know whether it was set.
        self.event.try_take();
        if self.link.nic.is_link_up() != self.is_link_up {
            self.note_link(now);
        }
        self.tcp.expire(now);
        if self.tcp.queued() > 0 {
            self.advance_queued(now);
        }
        let mut received = 0;
        while received < self.limits.budget && !self.link.holds_back() && self.ingress(now) {
            received += 1;
        }
        if self.addressing.due().is_some_and(|due| due <= now) {
            self.follow_addresses(now);
        }
        if self.groups.due().is_some_and(|due| due <= now) {
            self.groups.follow(&mut self.link, &mut self.random);
        }
        if self.link.neighbors.has_news(now) {
            self.link.send_parked();
        }
        if self.link.reserve() {
            self.udp.wake_senders();
        }
        let is_more = received == self.limits.budget;
        if is_more {
            self.counters.rx_budget_spent.increment();
        }
        if !is_more && self.tcp.queued() > 0 && self.link.is_settled() {
            // The card hears of this turn and of the next one together.
            return Next::Again;
        }
        self.link.flush();
        if is_more { Next::Again } else { self.rest(now) }
    }

    /// Says that the link has gone down or come back. Sockets are left alone: their own timers tell what is lost.
    #[cold]
    fn note_link(&mut self, now: Instant) {
        self.is_link_up = !self.is_link_up;
        if self.is_link_up {
            log::info!("{}: the link is up", self.name);
            self.return_to_link(now);
            self.groups.return_to_link(now);
        } else {
            log::warn!("{}: the link is down", self.name);
        }
    }

    /// Decides between another turn and sleep.
    fn rest(&mut self, now: Instant) -> Next {
        let due = earlier(self.link.neighbors.due(), self.tcp.due());
        let mut due = earlier(earlier(due, self.addressing.due()), self.groups.due());
        let is_blocked = self.link.is_blocked();
        if is_blocked && (self.tcp.queued() > 0 || due.is_some_and(|due| due <= now)) {
            // Nothing moves before the card has room: never spin.
            due = Some(now + PAUSE);
        }
        if self.link.holds_back() && !self.requested {
            // What came in is heard of no earlier than there is room.
            return Next::Sleep(Some(now + HOLD_PAUSE));
        }
        let is_due = due.is_some_and(|due| due <= now) || (self.tcp.queued() > 0 && !is_blocked);
        if self.requested || is_due || self.link.nic.arm() {
            return Next::Again;
        }
        Next::Sleep(due)
    }

    /// Handles one received frame. False when there is none.
    #[inline]
    fn ingress(&mut self, now: Instant) -> bool {
        let Some(frame) = self.link.take_in() else { return false };
        match Glance::of(frame) {
            Glance::Tcp(segment) => self.hear_segment(&segment, now),
            Glance::Udp(port) if self.answer_in_place(port) => {}
            beside => self.hear_beside(beside, now),
        }
        true
    }

    /// Handles a frame that is neither a segment nor answered in place, if the gate lets it in.
    #[inline(never)]
    fn hear_beside(&mut self, glance: Glance, now: Instant) {
        let is_lease = matches!(glance, Glance::Udp(CLIENT_PORT)) && self.addressing.has_client();
        if !self.admits(is_lease) || !self.link.check() {
            return;
        }
        match glance {
            Glance::Udp(_) if is_lease => self.hear_lease(now),
            Glance::Udp(port) => self.hear_datagram(port, now),
            Glance::Arp => self.hear_resolution(now),
            Glance::Tcp(_) => self.link.ignore(),
            // The gate lets in nothing else.
            Glance::Other => self.hear_message(now),
        }
    }

    /// Whether the gate lets the frame in hand in. Drops and counts it otherwise.
    pub(crate) fn admits(&mut self, is_lease: bool) -> bool {
        let Err(refusal) = self.link.judge(is_lease) else { return true };
        if refusal == Refusal::Elsewhere && self.groups.admit(&self.link) {
            return true;
        }
        let is_heard = match refusal {
            Refusal::Unheeded => self.pings.hear(&mut self.link),
            // Messages about groups, of one version and of the other.
            Refusal::Elsewhere | Refusal::Extension => self.groups.hear(&mut self.link, &mut self.random),
            _ => false,
        };
        self.link.ignore();
        if is_heard {
            return false;
        }
        if refusal == Refusal::Conflict {
            self.note_conflict();
        } else {
            refusal.count(&self.counters);
        }
        false
    }

    /// Shows the frame in hand, a datagram to `port`, to its handler. True when it is done with.
    #[inline]
    fn answer_in_place(&mut self, port: u16) -> bool {
        self.in_place.as_mut().is_some_and(|in_place| in_place.receive(port, &mut self.link))
    }

    /// Handles the segment in hand, which belongs to no socket.
    #[inline(never)]
    pub(crate) fn hear_nobody(&mut self, now: Instant) {
        self.interface.poll_ingress_single(instant(now), &mut self.link, &mut self.nobody);
    }
}

/// smoltcp counts microseconds.
pub(crate) fn instant(now: Instant) -> smoltcp::time::Instant {
    smoltcp::time::Instant::from_micros((now.as_nanos() / 1000) as i64)
}

/// The first instant at which smoltcp's clock shows `due`.
pub(crate) fn deadline(due: smoltcp::time::Instant) -> Instant {
    Instant::from_micros(due.total_micros().max(0) as u64)
}

/// smoltcp's durations are microseconds too.
pub(crate) fn duration(duration: Duration) -> smoltcp::time::Duration {
    smoltcp::time::Duration::from_micros(u64::try_from(duration.as_micros()).unwrap_or(u64::MAX))
}

/// The earlier of two deadlines, where `None` is never.
pub(crate) fn earlier(one: Option<Instant>, other: Option<Instant>) -> Option<Instant> {
    match (one, other) {
        (Some(one), Some(other)) => Some(one.min(other)),
        (one, other) => one.or(other),
    }
}

/// Adds a waker unless the same task waits already. Without memory for it the task asks again in the next turn.
pub(crate) fn register(wakers: &mut Vec<Waker>, waker: &Waker) {
    if wakers.iter().any(|known| known.will_wake(waker)) {
        return;
    }
    match wakers.try_reserve(1) {
        Ok(()) => wakers.push(waker.clone()),
        Err(_) => waker.wake_by_ref(),
    }
}

/// `length` copies of a value, unless memory is lacking: what a stranger or a timer causes must not end the program.
#[inline(never)]
pub(crate) fn filled<T: Copy>(value: T, length: usize) -> Option<Vec<T>> {
    let mut values = Vec::new();
    values.try_reserve_exact(length).ok()?;
    values.resize(length, value);
    Some(values)
}

/// Fills a vector up to `length` with copies of a value. False when memory is lacking.
#[inline(never)]
pub(crate) fn extend<T: Copy>(values: &mut Vec<T>, length: usize, value: T) -> bool {
    let missing = length.saturating_sub(values.len());
    let fits = values.try_reserve(missing).is_ok();
    if fits {
        values.resize(values.len() + missing, value);
    }
    fits
}

/// Wakes and forgets the tasks that wait for something, in the order in which they came.
#[inline(never)]
pub(crate) fn wake_all(wakers: &mut Vec<Waker>) {
    wakers.iter().for_each(Waker::wake_by_ref);
    wakers.clear();
}
