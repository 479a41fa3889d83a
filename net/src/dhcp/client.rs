//! The client: what it has, what it waits for, and what it says when (RFC 2131, 4.4).

use core::net::Ipv4Addr;

use unik_sched::time::{Duration, Instant};

use super::{
    Hostname, LENGTH, Lease, Times,
    packet::{ACKNOWLEDGEMENT, DISCOVER, OFFER, Question, REFUSAL, REQUEST, Reply},
};

/// How often an offer is asked for, or whether a lease still holds, before the client gives up: within 15 seconds.
pub const TRIES: u8 = 4;
/// The exponents of the longest pause between two questions, in seconds.
const LONGEST: u8 = 6;
/// How much pauses are spread, at most (RFC 2131, 4.1).
const SPREAD: u64 = 1_000;
/// The shortest pause between two attempts to renew a lease (RFC 2131, 4.4.5).
pub const RENEWAL_PAUSE: Duration = Duration::from_secs(60);
/// How long nobody is asked after a server has refused what it had offered: it may do so for ever.
pub const REFUSAL_PAUSE: Duration = Duration::from_secs(4);

/// The client of one interface.
#[derive(Debug)]
pub struct Client {
    hardware: [u8; 6],
    hostname: Option<Hostname>,
    state: State,
    /// The number of the question, which answers repeat.
    transaction: u32,
    /// How often it was sent.
    tries: u8,
    /// When it was sent first.
    asked: Instant,
    /// How long the client had asked when it sent the last message that says so.
    seconds: u16,
    due: Instant,
}

/// Where the client stands.
#[derive(Debug)]
enum State {
    /// It looks for servers (SELECTING).
    Selecting,
    /// It has chosen an offer and asks for what was offered (REQUESTING).
    Requesting { address: Ipv4Addr, server: Ipv4Addr },
    /// It has a lease.
    Leased { lease: Lease, times: Times, phase: Phase },
}

/// What becomes of the lease.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    /// Nothing has to be done about it (BOUND).
    Bound,
    /// Its server is asked to renew it (RENEWING).
    Renewing,
    /// Any server is asked to renew it (REBINDING).
    Rebinding,
    /// Any server is asked whether it still holds (REBOOTING).
    Rebooting,
}

/// Whom a message goes to, from port 68 to port 67.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Outgoing {
    /// The address of this host, or none.
    pub source: Ipv4Addr,
    /// The server, or everybody.
    pub destination: Ipv4Addr,
}

impl Client {
    /// A client that has no lease and has asked nobody. Its first message is due at once: the random wait of up to ten
    /// seconds that RFC 2131, 4.4.1 proposes would be the longest part of a boot.
    pub const fn new(hardware: [u8; 6], hostname: Option<Hostname>) -> Self {
        Client {
            hardware,
            hostname,
            state: State::Selecting,
            transaction: 0,
            tries: 0,
            asked: Instant::ZERO,
            seconds: 0,
            due: Instant::ZERO,
        }
    }

    /// The lease in force. It comes with [`Client::receive`], and changes or ends with that or with [`Client::poll`].
    pub const fn lease(&self) -> Option<&Lease> {
        match &self.state {
            State::Leased { lease, .. } => Some(lease),
            _ => None,
        }
    }

    /// When the lease in force is looked after.
    pub const fn times(&self) -> Option<Times> {
        match &self.state {
            State::Leased { times, .. } => Some(*times),
            _ => None,
        }
    }

    /// When to call [`Client::poll`] next, after each call of anything else.
    pub fn due(&self) -> Option<Instant> {
        (self.due != Instant::MAX).then_some(self.due)
    }

    /// Does what is due: writes the next message, if there is one, and says whom it goes to. `random` is a source of
    /// numbers that nobody can guess.
    pub fn poll(
        &mut self,
        now: Instant,
        random: &mut dyn FnMut() -> u64,
        out: &mut [u8; LENGTH],
    ) -> Option<Outgoing> {
        if self.due > now {
            return None;
        }
        self.proceed(now);
        let (mut source, mut destination) = (Ipv4Addr::UNSPECIFIED, Ipv4Addr::BROADCAST);
        let (mut kind, mut requested, mut chosen) = (REQUEST, None, None);
        match &self.state {
            State::Selecting => kind = DISCOVER,
            State::Requesting { address, server } => (requested, chosen) = (Some(*address), Some(*server)),
            State::Leased { lease, times, phase } => match phase {
                Phase::Bound => {
                    self.due = times.renew;
                    return None;
                }
                Phase::Renewing => (source, destination) = (lease.address, lease.server),
                Phase::Rebinding => source = lease.address,
                Phase::Rebooting => requested = Some(lease.address),
            },
        }
        if self.tries == 0 {
            self.asked = now;
        }
        // A request for what was offered belongs to the question that was answered (RFC 2131, 3.1 and 4.4.1).
        if chosen.is_none() {
            if self.tries == 0 {
                self.transaction = random() as u32;
            }
            self.seconds = now.duration_since(self.asked).as_secs().min(u16::MAX.into()) as u16;
        }
        self.due = self.next(now, random());
        self.tries = self.tries.saturating_add(1);
        let Client { transaction, seconds, hardware, .. } = *self;
        let hostname = self.hostname.as_ref();
        let question = Question {
            kind,
            transaction,
            seconds,
            hardware,
            own: source,
            requested,
            server: chosen,
            hostname,
        };
        question.write(out);
        Some(Outgoing { source, destination })
    }

    /// Takes a message that came from port 67 to port 68. False when it is no answer to what was asked, or one that no
    /// host can believe: nothing changes then. Whoever brought it does not count, for it may be a relay.
    pub fn receive(&mut self, now: Instant, message: &[u8]) -> bool {
        if self.tries == 0 {
            return false;
        }
        let Some(reply) = Reply::parse(message, self.hardware, self.transaction) else { return false };
        // The address that was asked for, and from whom; a server that is asked alone is the only one that can answer.
        let (wanted, asked) = match &self.state {
            State::Selecting if reply.kind != OFFER => return false,
            State::Selecting => (None, None),
            State::Requesting { address, server } => (Some(*address), Some(*server)),
            State::Leased { lease, phase: Phase::Renewing, .. } => (Some(lease.address), Some(lease.server)),
            State::Leased { lease, .. } => (Some(lease.address), None),
        };
        if asked.is_some_and(|server| server != reply.server) {
            return false;
        }
        if reply.kind == REFUSAL {
            let is_offer = matches!(self.state, State::Requesting { .. });
            self.begin(State::Selecting, if is_offer { now + REFUSAL_PAUSE } else { now });
            return true;
        }
        let (Some(lease), Some(times)) = (Lease::read(&reply), Times::read(&reply, self.asked)) else {
            return false;
        };
        match wanted {
            None => {
                self.begin(State::Requesting { address: lease.address, server: lease.server }, now);
                true
            }
            Some(address) if address == lease.address && reply.kind == ACKNOWLEDGEMENT => {
                self.begin(State::Leased { lease, times, phase: Phase::Bound }, times.renew);
                true
            }
            _ => false,
        }
    }

    /// The link has come back, perhaps to another network: asks whether the lease still holds (INIT-REBOOT, RFC 2131,
    /// 3.2). It stays in force meanwhile, until a server refuses it or it runs out; without any answer it holds. Without a
    /// lease the search for one begins anew.
    pub fn link_returned(&mut self, now: Instant) {
        match &mut self.state {
            State::Leased { phase, .. } => *phase = Phase::Rebooting,
            state => *state = State::Selecting,
        }
        (self.tries, self.due) = (0, now);
    }

    /// Goes over to another state, which has something to do at `due`.
    fn begin(&mut self, state: State, due: Instant) {
        (self.state, self.tries, self.due) = (state, 0, due);
    }

    /// Goes over to the state that the time and the number of tries demand.
    fn proceed(&mut self, now: Instant) {
        let is_exhausted = self.tries >= TRIES;
        match &mut self.state {
            State::Selecting => {}
            State::Requesting { .. } if is_exhausted => self.begin(State::Selecting, now),
            State::Requesting { .. } => {}
            State::Leased { times, .. } if now >= times.expire => self.begin(State::Selecting, now),
            State::Leased { phase: Phase::Rebooting, .. } if !is_exhausted => {}
            State::Leased { times, phase, .. } => {
                let next = match now {
                    _ if now >= times.rebind => Phase::Rebinding,
                    _ if now >= times.renew => Phase::Renewing,
                    _ => Phase::Bound,
                };
                if *phase != next {
                    (*phase, self.tries) = (next, 0);
                }
            }
        }
    }

    /// When the message that is sent now is sent again, or given up.
    ///
    /// Pauses double up to 64 seconds, spread by a second to both sides, as RFC 2131, 4.1 proposes; but they begin with one
    /// second instead of four, spread by a quarter. It is at boot that frames get lost, where a bridge does not forward
    /// yet, and there a second is much; that makes two messages more than the RFC has for each client that finds no server.
    fn next(&self, now: Instant, random: u64) -> Instant {
        let half = |end: Instant| Instant::from_nanos(now.as_nanos().midpoint(end.as_nanos()));
        let halved = |end: Instant| half(end).max(now + RENEWAL_PAUSE).min(end);
        let limit = match &self.state {
            State::Leased { times, phase: Phase::Renewing, .. } => return halved(times.rebind),
            State::Leased { times, phase: Phase::Rebinding, .. } => return halved(times.expire),
            State::Leased { times, .. } => times.expire,
            _ => Instant::MAX,
        };
        let pause = 1_000 << self.tries.min(LONGEST);
        let spread = SPREAD.min(pause / 4);
        (now + Duration::from_millis(pause - spread + random % (2 * spread + 1))).min(limit)
    }
}
