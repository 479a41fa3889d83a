//! Who is served at the same time, and who has to go for others.
//!
//! Each connection has a seat. When all are taken, the one that has kept its connection waiting longest is asked to leave for
//! a new one: an idle client, one that sends its request by the octet, one that does not take what it is sent. Invariant: a
//! client has no more seats than it may have, and there are never more connections than seats.

use alloc::vec::Vec;
use core::fmt;
use core::net::IpAddr;
use core::task::Waker;
use unik_sched::Pace;
use unik_sched::time::{Duration, Instant};

/// Seats beyond the limit: for those that were asked to leave and have not done it.
const SPARE: usize = 16;

/// The least time between two lines of the log about connections that are refused.
const COMPLAINT: Duration = Duration::from_secs(1);

/// A connection as the others see it.
struct Seat {
    client: u64,
    /// `None` while the client is what is waited for by nobody.
    waits_since: Option<Instant>,
    /// It was asked to leave for another one.
    is_leaving: bool,
    waker: Option<Waker>,
}

/// Seats for connections.
///
/// ```
/// use core::task::Waker;
/// use unik::{Refusal, Seats};
/// use unik::time::Instant;
///
/// let mut seats = Seats::try_new(2, None).expect("there is memory");
/// let client = [192, 0, 2, 1].into();
/// let first = seats.admit(client, Some(Instant::ZERO)).expect("there are two");
/// assert!(!seats.admit(client, Some(Instant::from_millis(1))).expect("there are two").displaces);
/// // The third one takes the place of the first, which hears of it.
/// assert!(seats.admit(client, Some(Instant::from_millis(2))).expect("one leaves").displaces);
/// assert!(seats.wait(first.place, Some(Instant::ZERO), Waker::noop()));
/// ```
pub struct Seats {
    seats: Vec<Option<Seat>>,
    limit: usize,
    /// Seats of one client, if clients can be told apart.
    client_limit: Option<usize>,
    /// When to say next that connections are refused.
    complaint: Pace,
}

/// Why a connection has no seat.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Refusal {
    /// Its client has as many as it may have.
    Client,
    /// All are taken; nobody waits, or those that were asked to leave have not done it.
    Full,
    /// There is no memory to serve it.
    NoMemory,
}

impl Refusal {
    fn text(self) -> &'static str {
        match self {
            Self::Client => "the limit on connections of one client is reached",
            Self::Full => "the limit on connections is reached",
            Self::NoMemory => "there is no memory for it",
        }
    }
}

/// A connection was given a seat.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Admitted {
    /// Its number.
    pub place: usize,
    /// Another one was asked to leave for it.
    pub displaces: bool,
}

impl Seats {
    /// Seats for so many connections, of which one client has so many if clients can be told apart. `None` if there is no memory
    /// for them.
    pub fn try_new(limit: usize, client_limit: Option<usize>) -> Option<Self> {
        let mut seats = Vec::new();
        seats.try_reserve_exact(limit + SPARE).ok()?;
        seats.resize_with(limit + SPARE, || None);
        Some(Self { seats, limit, client_limit, complaint: Pace::new(COMPLAINT) })
    }

    /// A seat for a connection of the client at `address`, which waits since then, if it does; and one less for another one where all
    /// are taken.
    ///
    /// # Errors
    /// Why there is none.
    pub fn admit(&mut self, address: IpAddr, since: Option<Instant>) -> Result<Admitted, Refusal> {
        let client = number(address);
        let (mut staying, mut own) = (0, 0);
        let (mut free, mut longest) = (None, None::<(Instant, usize)>);
        for (place, seat) in self.seats.iter().enumerate() {
            match seat {
                None => free = free.or(Some(place)),
                Some(seat) if seat.is_leaving => {}
                Some(seat) => {
                    staying += 1;
                    own += usize::from(seat.client == client);
                    if let Some(waits) = seat.waits_since
                        && longest.is_none_or(|(since, _)| waits < since)
                    {
                        longest = Some((waits, place));
                    }
                }
            }
        }
        if self.client_limit.is_some_and(|limit| own >= limit) {
            return Err(Refusal::Client);
        }
        let place = free.ok_or(Refusal::Full)?;
        let displaced = match longest {
            _ if staying < self.limit => None,
            Some((_, place)) => Some(place),
            None => return Err(Refusal::Full),
        };
        if let Some(Some(seat)) = displaced.and_then(|place| self.seats.get_mut(place)) {
            seat.is_leaving = true;
            if let Some(waker) = seat.waker.take() {
                waker.wake();
            }
        }
        if let Some(seat) = self.seats.get_mut(place) {
            *seat = Some(Seat { client, waits_since: since, is_leaving: false, waker: None });
        }
        Ok(Admitted { place, displaces: displaced.is_some() })
    }

    /// The connection in `place` waits, if it does, since then, and is woken when it is asked to leave. Whether it was.
    pub fn wait(&mut self, place: usize, since: Option<Instant>, waker: &Waker) -> bool {
        let Some(Some(seat)) = self.seats.get_mut(place) else { return false };
        seat.waits_since = since;
        if !seat.waker.as_ref().is_some_and(|known| known.will_wake(waker)) {
            seat.waker = Some(waker.clone());
        }
        seat.is_leaving
    }

    /// The connection in `place` is closed.
    pub fn leave(&mut self, place: usize) {
        if let Some(place) = self.seats.get_mut(place) {
            *place = None;
        }
    }

    /// Wakes all that wait.
    pub fn wake(&mut self) {
        for seat in self.seats.iter_mut().flatten() {
            if let Some(waker) = seat.waker.take() {
                waker.wake();
            }
        }
    }

    /// Says at the moment `now`, not too often, why a connection of `client` is refused.
    #[inline(never)]
    pub fn complain(&self, now: Instant, client: &dyn fmt::Display, why: Refusal) {
        if let Some(held_back) = self.complaint.admit(now) {
            log::warn!("connection of {client} refused, after {held_back} others: {}", why.text());
        }
    }

    /// Whether there is no connection.
    pub fn is_empty(&self) -> bool {
        self.seats.iter().all(Option::is_none)
    }
}

/// A client: an IPv4 address, or the 64 bits of an IPv6 address that one network has.
fn number(address: IpAddr) -> u64 {
    match address {
        IpAddr::V4(address) => u32::from(address).into(),
        IpAddr::V6(address) => (u128::from(address) >> 64) as u64,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SEATS: usize = 4;

    fn seats(client_limit: Option<usize>) -> Seats {
        Seats::try_new(SEATS, client_limit).expect("there is memory")
    }

    fn host(number: u8) -> IpAddr {
        IpAddr::from([192, 0, 2, number])
    }

    fn moment(seconds: u64) -> Option<Instant> {
        Some(Instant::from_millis(1000 * seconds))
    }

    #[test]
    fn one_client_has_a_share_of_the_seats() {
        let mut seats = seats(Some(2));
        for place in 0..2 {
            let admitted = seats.admit(host(1), moment(0));
            assert_eq!(admitted, Ok(Admitted { place, displaces: false }));
        }
        assert_eq!(seats.admit(host(1), moment(0)), Err(Refusal::Client));
        assert!(seats.admit(host(2), moment(0)).is_ok());
        seats.leave(0);
        assert_eq!(seats.admit(host(1), moment(0)), Ok(Admitted { place: 0, displaces: false }));
        // All addresses of one network of IPv6 are one client's.
        let six = |network, host| IpAddr::from([0x2001, 0xdb8, 0, network, 0, 0, 0, host]);
        let mut seats = self::seats(Some(2));
        assert!(seats.admit(six(0, 1), moment(0)).is_ok() && seats.admit(six(0, 2), moment(0)).is_ok());
        assert_eq!(seats.admit(six(0, 3), moment(0)), Err(Refusal::Client));
        assert!(seats.admit(six(1, 3), moment(0)).is_ok());
    }

    #[test]
    fn the_connection_that_waits_longest_leaves_for_a_new_one() {
        let mut seats = seats(None);
        for place in 0..SEATS {
            let admitted = seats.admit(host(1), moment(place as u64));
            assert_eq!(admitted, Ok(Admitted { place, displaces: false }));
        }
        // The first has done something since.
        assert!(!seats.wait(0, moment(10), Waker::noop()));
        let admitted = seats.admit(host(1), moment(11));
        assert_eq!(admitted, Ok(Admitted { place: SEATS, displaces: true }));
        let leaving: [bool; SEATS] =
            core::array::from_fn(|place| seats.wait(place, moment(10), Waker::noop()));
        assert_eq!(leaving, [false, true, false, false]);
        seats.leave(1);
        assert!(!seats.is_empty());
    }

    #[test]
    fn when_those_that_were_asked_to_leave_stay_nobody_is_admitted() {
        let mut seats = seats(None);
        for _ in 0..SEATS + SPARE {
            assert!(seats.admit(host(1), moment(0)).is_ok());
        }
        assert_eq!(seats.admit(host(1), moment(0)), Err(Refusal::Full));
        (0..SEATS + SPARE).for_each(|place| seats.leave(place));
        assert!(seats.is_empty());
    }

    #[test]
    fn who_is_being_answered_stays() {
        let mut seats = seats(None);
        for place in 0..SEATS {
            assert_eq!(seats.admit(host(1), None), Ok(Admitted { place, displaces: false }));
        }
        assert_eq!(seats.admit(host(1), None), Err(Refusal::Full));
        assert!(!seats.wait(2, moment(7), Waker::noop()));
        assert_eq!(seats.admit(host(1), None), Ok(Admitted { place: SEATS, displaces: true }));
        // A client at its limit has nobody leave.
        let mut seats = self::seats(Some(1));
        assert!(seats.admit(host(1), moment(0)).is_ok());
        for number in 2..=SEATS as u8 {
            assert!(seats.admit(host(number), moment(0)).is_ok());
        }
        assert_eq!(seats.admit(host(1), moment(1)), Err(Refusal::Client));
        assert!(!(0..SEATS).any(|place| seats.wait(place, moment(0), Waker::noop())));
    }
}
