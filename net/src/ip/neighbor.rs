//! The hardware addresses of the hosts on the link, for ARP (RFC 826) and neighbour discovery (RFC 4861) alike; and the
//! packets that wait until one becomes known.
//!
//! Nobody is asked for more often than once a second, and few in all beside routers, so that whoever makes us send to
//! addresses that nobody has floods nobody with questions, and holds up nobody who is known. An answer is believed when it
//! was asked for, and a question of a host on the link, as the protocols have it. A hardware address that
//! was not confirmed for a while goes on being used while its owner is asked again, and is forgotten when that does not
//! answer.
//!
//! Entries stand in small groups, which a keyed hash chooses: looking one up costs the same however many there are.

use alloc::vec::Vec;

use unik_sched::time::{Duration, Instant};

use crate::{allowance::Allowance, ip::address::Address, nic::Offload, stack::extend};

/// An Ethernet address.
pub(crate) type Hardware = [u8; 6];

/// Groups, a power of two, and neighbours in each: enough for a LAN.
const GROUPS: usize = 32;
const WAYS: usize = 8;

/// How long a hardware address is used before its owner is asked again (RFC 4861, 6.3.2: REACHABLE_TIME).
const FRESH: Duration = Duration::from_secs(30);
/// How often an owner is asked in vain, and how long after each time (RFC 4861, 10: MAX_UNICAST_SOLICIT, RETRANS_TIMER).
const ATTEMPTS: u8 = 3;
const AGAIN: Duration = Duration::from_secs(1);
/// How long an answer may take.
const ANSWER: Duration = Duration::from_secs(3);
/// Questions in a second.
const QUESTIONS: u8 = 16;

/// What is known of the hosts on the link.
pub(crate) struct Neighbors {
    secret: [u64; 2],
    /// Group by group.
    entries: Vec<Entry>,
    parked: Vec<Parked>,
    /// Somebody has become known, for whom packets may wait.
    has_answered: bool,
    questions: Allowance,
}

#[derive(Clone, Copy)]
struct Entry {
    /// [`Address::UNSPECIFIED`] where there is none.
    address: Address,
    /// Zeros while it is not known: no card has that address.
    hardware: Hardware,
    /// Questions since the last answer.
    attempts: u8,
    /// The last answer is still to come.
    is_awaited: bool,
    confirmed: Instant,
    asked: Instant,
}

const FREE: Entry = Entry {
    address: Address::UNSPECIFIED,
    hardware: [0; 6],
    attempts: 0,
    is_awaited: false,
    confirmed: Instant::ZERO,
    asked: Instant::ZERO,
};

/// A frame without hardware addresses that waits.
pub(crate) struct Parked {
    pub(crate) next_hop: Address,
    pub(crate) bytes: Vec<u8>,
    pub(crate) offload: Offload,
    attempts: u8,
    retry_at: Instant,
}

/// What is to be done about a packet.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Way {
    /// Whom it goes to, if that is known.
    pub(crate) hardware: Option<Hardware>,
    /// The owner of the address is to be asked.
    pub(crate) ask: bool,
}

impl Neighbors {
    /// Nobody is known; `secret` is the key of the hash.
    pub(crate) const fn new(secret: [u64; 2]) -> Self {
        let questions = Allowance::new(QUESTIONS);
        Neighbors { secret, entries: Vec::new(), parked: Vec::new(), has_answered: false, questions }
    }

    /// Forgets everybody, for the link may be another one.
    pub(crate) fn forget_all(&mut self) {
        self.entries.fill(FREE);
        self.parked.clear();
    }

    /// The group of an address. Empty when there was no memory for them.
    #[inline]
    fn group(&mut self, address: &Address) -> &mut [Entry] {
        let number = u128::from_be_bytes(*address.octets());
        let [first, second] = self.secret;
        let product = u128::from(number as u64 ^ first) * u128::from((number >> 64) as u64 ^ second);
        let group = ((product >> 64) as usize ^ product as usize) % GROUPS;
        self.entries.get_mut(group * WAYS..(group + 1) * WAYS).unwrap_or_default()
    }

    /// The entry of an address, in place of the one that was confirmed before all others of its group if need be.
    #[inline(never)]
    fn claim(&mut self, address: &Address) -> Option<&mut Entry> {
        if self.entries.is_empty() && !extend(&mut self.entries, GROUPS * WAYS, FREE) {
            return None;
        }
        let group = self.group(address);
        let known = group.iter().position(|entry| entry.address == *address);
        let oldest = || {
            // Nobody who is known makes way for somebody who was only asked for.
            let worth = |entry: &Entry| (entry.hardware != [0; 6], entry.confirmed.max(entry.asked));
            group.iter().enumerate().min_by_key(|(_, entry)| worth(entry)).map(|(index, _)| index)
        };
        let entry = group.get_mut(known.or_else(oldest)?)?;
        if entry.address != *address {
            *entry = Entry { address: *address, ..FREE };
        }
        Some(entry)
    }

    /// How a packet gets to `next_hop`, which may be one of few routers: these are asked for whatever else is.
    #[inline(always)]
    pub(crate) fn way(&mut self, next_hop: &Address, is_router: bool, now: Instant) -> Way {
        let known = self.group(next_hop).iter_mut().find(|entry| entry.address == *next_hop);
        if let Some(entry) = known
            && entry.hardware != [0; 6]
            && now < entry.confirmed + FRESH
        {
            return Way { hardware: Some(entry.hardware), ask: false };
        }
        self.doubt(next_hop, is_router, now)
    }

    /// The same where the address is not known, or not for certain.
    #[inline(never)]
    fn doubt(&mut self, next_hop: &Address, is_router: bool, now: Instant) -> Way {
        let Some(entry) = self.claim(next_hop) else { return Way { hardware: None, ask: false } };
        let is_time = entry.attempts == 0 || entry.asked + AGAIN <= now;
        if is_time && entry.attempts >= ATTEMPTS {
            (entry.hardware, entry.attempts) = ([0; 6], 0);
        }
        let mut way =
            Way { hardware: Some(entry.hardware).filter(|hardware| *hardware != [0; 6]), ask: false };
        way.ask = is_time && (is_router || self.questions.take(now));
        if way.ask
            && let Some(entry) = self.claim(next_hop)
        {
            entry.attempts += 1;
            (entry.is_awaited, entry.asked) = (true, now);
        }
        way
    }

    /// Takes note of an answer. False when nobody has asked, or somebody else has answered already.
    #[inline(never)]
    pub(crate) fn answered(&mut self, address: &Address, hardware: Hardware, now: Instant) -> bool {
        let Some(entry) = self.group(address).iter_mut().find(|entry| entry.address == *address) else {
            return false;
        };
        let is_believed = entry.is_awaited && now < entry.asked + ANSWER;
        entry.is_awaited = false;
        if is_believed {
            self.learn(address, hardware, now);
        }
        is_believed
    }

    /// Takes note of a host that has shown itself by a question.
    #[inline(never)]
    pub(crate) fn learn(&mut self, address: &Address, hardware: Hardware, now: Instant) {
        if let Some(entry) = self.claim(address) {
            (entry.hardware, entry.confirmed, entry.attempts) = (hardware, now, 0);
            self.has_answered = true;
        }
    }

    /// Lets packets that wait be looked after once more.
    pub(crate) fn note_news(&mut self) {
        self.has_answered = true;
    }

    /// Whether a packet that waits can be looked after.
    #[inline]
    pub(crate) fn has_news(&mut self, now: Instant) -> bool {
        let has_answered = core::mem::take(&mut self.has_answered);
        !self.parked.is_empty() && (has_answered || self.due().is_some_and(|due| due <= now))
    }

    /// Lets a frame wait for `next_hop`, of at most `limit` that do; the half of these for one next hop, and the oldest of all
    /// makes way. False when one is given up for want of room or memory.
    pub(crate) fn park(
        &mut self,
        next_hop: Address,
        frame: &[u8],
        offload: Offload,
        limit: usize,
        now: Instant,
    ) -> bool {
        let mut bytes = Vec::new();
        let alike = self.parked.iter().filter(|parked| parked.next_hop == next_hop).count();
        if alike >= limit.div_ceil(2)
            || self.parked.try_reserve(1).is_err()
            || bytes.try_reserve_exact(frame.len()).is_err()
        {
            return false;
        }
        let is_full = self.parked.len() >= limit;
        if is_full {
            self.parked.remove(0);
        }
        bytes.extend_from_slice(frame);
        self.parked.push(Parked { next_hop, bytes, offload, attempts: 1, retry_at: now + AGAIN });
        !is_full
    }

    /// Gives up the frames that wait and are not to be kept.
    pub(crate) fn keep_parked(&mut self, is_kept: &dyn Fn(&[u8]) -> bool) {
        self.parked.retain(|parked| is_kept(&parked.bytes));
    }

    /// Frames that wait.
    pub(crate) fn parked(&self) -> impl Iterator<Item = &Parked> {
        self.parked.iter()
    }

    /// The first frame from `index` on whose next hop has become known, whose time has come, or who waits in vain: it is
    /// taken out in the first and the last of these cases.
    pub(crate) fn next_parked(&mut self, index: &mut usize, now: Instant) -> Option<Waited> {
        loop {
            let parked = self.parked.get(*index)?;
            let (next_hop, is_due) = (parked.next_hop, parked.retry_at <= now);
            let known = self.group(&next_hop).iter().find(|entry| entry.address == next_hop);
            let hardware = known.map_or([0; 6], |entry| entry.hardware);
            if hardware != [0; 6] {
                return Some(Waited::Found(hardware, self.parked.remove(*index)));
            }
            let parked = self.parked.get_mut(*index)?;
            if is_due && parked.attempts >= ATTEMPTS {
                self.parked.remove(*index);
                return Some(Waited::InVain);
            }
            *index += 1;
            if is_due {
                parked.attempts += 1;
                parked.retry_at = now + AGAIN;
                return Some(Waited::Again(next_hop));
            }
        }
    }

    /// When a frame that waits is to be looked after.
    pub(crate) fn due(&self) -> Option<Instant> {
        self.parked.iter().map(|parked| parked.retry_at).min()
    }
}

/// What has become of a frame that waited.
pub(crate) enum Waited {
    /// It can be sent.
    Found(Hardware, Parked),
    /// Its next hop is to be asked for again.
    Again(Address),
    /// Its next hop does not answer.
    InVain,
}

#[cfg(test)]
mod tests {
    use super::*;

    const CARD: Hardware = [2, 0, 0, 0, 0, 9];

    fn host(number: usize) -> Address {
        Address::v4([10, 0, (number >> 8) as u8, number as u8])
    }

    fn nobody() -> Neighbors {
        Neighbors::new([0x9e37_79b9_7f4a_7c15, 0xd1b5_4a32_d192_ed03])
    }

    fn at(millis: u64) -> Instant {
        Instant::from_millis(10_000 + millis)
    }

    fn knows(neighbors: &mut Neighbors, address: &Address) -> bool {
        neighbors.group(address).iter().any(|entry| entry.address == *address && entry.hardware != [0; 6])
    }

    fn way(hardware: Option<Hardware>, ask: bool) -> Way {
        Way { hardware, ask }
    }

    #[test]
    fn an_answer_is_believed_once_and_not_for_long() {
        let mut neighbors = nobody();
        assert!(!neighbors.answered(&host(1), CARD, at(0)), "nobody has asked");
        assert_eq!(neighbors.way(&host(1), false, at(0)), way(None, true));
        assert_eq!(neighbors.way(&host(1), false, at(999)), way(None, false), "once a second");
        assert!(!neighbors.answered(&host(2), CARD, at(999)));
        assert!(neighbors.answered(&host(1), CARD, at(999)));
        assert!(!neighbors.answered(&host(1), [9; 6], at(1000)), "somebody else is later");
        assert_eq!(neighbors.way(&host(1), false, at(1000)), way(Some(CARD), false));
        assert_eq!(neighbors.way(&host(3), false, at(1000)), way(None, true));
        assert!(!neighbors.answered(&host(3), CARD, at(4000)));
    }

    #[test]
    fn who_is_not_confirmed_is_asked_again_and_used_until_it_does_not_answer() {
        let mut neighbors = nobody();
        neighbors.learn(&host(1), CARD, at(0));
        assert_eq!(neighbors.way(&host(1), false, at(29_999)), way(Some(CARD), false));
        for (millis, ask) in
            [(30_000, true), (30_500, false), (31_000, true), (32_500, true), (33_000, false)]
        {
            assert_eq!(neighbors.way(&host(1), false, at(millis)), way(Some(CARD), ask), "{millis}");
        }
        assert_eq!(neighbors.way(&host(1), false, at(33_500)), way(None, true), "three times in vain");
        neighbors.learn(&host(1), CARD, at(33_600));
        assert_eq!(neighbors.way(&host(1), false, at(33_700)), way(Some(CARD), false));
    }

    #[test]
    fn few_are_asked_for_in_a_second() {
        let mut neighbors = nobody();
        let ask = |neighbors: &mut Neighbors, millis, from| {
            (from..from + 100).filter(|number| neighbors.way(&host(*number), false, at(millis)).ask).count()
        };
        assert_eq!(ask(&mut neighbors, 0, 0), usize::from(QUESTIONS));
        assert_eq!(ask(&mut neighbors, 999, 100), 0);
        assert_eq!(ask(&mut neighbors, 1000, 200), usize::from(QUESTIONS));
    }

    #[test]
    fn those_who_are_known_and_routers_come_before_strangers_who_are_not_there() {
        let mut neighbors = nobody();
        for number in 0..100 {
            neighbors.learn(&host(number), CARD, at(0));
        }
        for number in 1000..9000 {
            neighbors.way(&host(number), false, at(number as u64));
        }
        assert!((0..100).filter(|number| knows(&mut neighbors, &host(*number))).count() > 95);
        assert!(neighbors.way(&host(10_000), true, at(8999)).ask, "a router is asked for in any case");
    }

    #[test]
    fn many_neighbours_are_known_and_newer_ones_take_the_place_of_older_ones() {
        let mut neighbors = nobody();
        for number in 0..150 {
            neighbors.learn(&host(number), CARD, at(number as u64));
        }
        let known = |neighbors: &mut Neighbors, range: core::ops::Range<usize>| {
            range.filter(|number| knows(neighbors, &host(*number))).count()
        };
        assert!(known(&mut neighbors, 0..150) > 130);
        for number in 150..5000 {
            neighbors.learn(&host(number), CARD, at(number as u64));
        }
        assert!(known(&mut neighbors, 4800..5000) > 150);
        assert!(neighbors.entries.len() == GROUPS * WAYS);
        neighbors.forget_all();
        assert_eq!(known(&mut neighbors, 0..5000), 0);
    }

    #[test]
    fn frames_wait_for_an_answer_for_three_questions() {
        let mut neighbors = nobody();
        for number in [9, 1, 2, 1] {
            assert!(neighbors.park(host(number), &[number as u8], Offload::default(), 4, at(0)));
        }
        assert!(
            !neighbors.park(host(1), &[1], Offload::default(), 4, at(0)),
            "half of the places are for one"
        );
        assert!(!neighbors.park(host(3), &[3], Offload::default(), 4, at(0)), "the oldest makes way");
        assert_eq!(neighbors.due(), Some(at(1000)));
        neighbors.learn(&host(1), CARD, at(10));
        let mut happened = Vec::new();
        for millis in [10, 999, 1000, 2000, 3000] {
            let mut index = 0;
            while let Some(waited) = neighbors.next_parked(&mut index, at(millis)) {
                happened.push((
                    millis,
                    match waited {
                        Waited::Found(hardware, parked) => {
                            assert_eq!((hardware, parked.next_hop), (CARD, host(1)));
                            "found"
                        }
                        Waited::Again(_) => "again",
                        Waited::InVain => "in vain",
                    },
                ));
            }
        }
        let expected = [
            (10, "found"),
            (10, "found"),
            (1000, "again"),
            (1000, "again"),
            (2000, "again"),
            (2000, "again"),
            (3000, "in vain"),
            (3000, "in vain"),
        ];
        assert_eq!(happened, expected);
        assert_eq!((neighbors.due(), neighbors.parked().count()), (None, 0));
    }
}
