//! Who is still to be told of a new version (RFC 1996).

use alloc::vec::Vec;
use core::net::SocketAddr;
use unik_sched::time::{Duration, Instant};

/// How long an answer is waited for the first time; it doubles with each further one.
const FIRST_WAIT: Duration = Duration::from_secs(3);
/// The longest.
const MOST_WAIT: Duration = Duration::from_secs(600);
/// The most who are still to be told: with more than that nobody else is.
const MOST: usize = 4096;

/// Somebody who is to be told.
pub(crate) struct Notice {
    /// The place of the zone.
    pub(crate) zone: usize,
    /// Which of those who are told of that zone.
    pub(crate) target: usize,
    pub(crate) to: SocketAddr,
    /// The identifier of the last message, if there was one.
    id: Option<u16>,
    /// How often it is still told.
    left: u16,
    due: Instant,
    wait: Duration,
}

/// All who are still to be told.
#[derive(Default)]
pub(crate) struct Notices(Vec<Notice>);

impl Notices {
    /// Tells `to`, the one with the number `target`, of the zone at `zone`, and again so often until there is an answer. Gives `false`
    /// where there is no room.
    pub(crate) fn add(
        &mut self,
        now: Instant,
        zone: usize,
        target: usize,
        to: SocketAddr,
        times: u8,
    ) -> bool {
        self.0.retain(|notice| (notice.zone, notice.target) != (zone, target));
        let has_room = self.0.len() < MOST && self.0.try_reserve(1).is_ok();
        if has_room {
            self.0.push(Notice {
                zone,
                target,
                to,
                id: None,
                left: u16::from(times) + 1,
                due: now,
                wait: FIRST_WAIT,
            });
        }
        has_room
    }

    /// When the next message is to be sent.
    pub(crate) fn wakes(&self) -> Option<Instant> {
        self.0.iter().map(|notice| notice.due).min()
    }

    /// Who is to be told now, by a message with the identifier `id`; `Err` with whom there is no answer from, who is told no more.
    pub(crate) fn next(&mut self, now: Instant, id: u16) -> Option<Result<&Notice, Notice>> {
        let place = self.0.iter().position(|notice| notice.due <= now)?;
        if self.0.get(place)?.left == 0 {
            return Some(Err(self.0.swap_remove(place)));
        }
        let notice = self.0.get_mut(place)?;
        notice.due = now + notice.wait;
        notice.wait = (notice.wait * 2).min(MOST_WAIT);
        notice.left -= 1;
        notice.id = Some(id);
        Some(Ok(notice))
    }

    /// Takes out what a message with the identifier `id` from `from` answers, if it answers one. Whoever answers is
    /// not told again, whatever the answer is.
    pub(crate) fn answered(&mut self, from: SocketAddr, id: u16) -> Option<Notice> {
        let is_it = |notice: &Notice| notice.to == from && notice.id == Some(id);
        let place = self.0.iter().position(is_it)?;
        Some(self.0.swap_remove(place))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use core::net::{IpAddr, Ipv4Addr};

    const TO: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1)), 53);

    fn at(seconds: u64) -> Instant {
        Instant::ZERO + Duration::from_secs(seconds)
    }

    #[test]
    fn whoever_does_not_answer_is_told_so_often_and_then_no_more() {
        let mut notices = Notices::default();
        assert!(notices.add(at(0), 0, 0, TO, 5));
        let mut told = Vec::new();
        while let Some(wakes) = notices.wakes() {
            match notices.next(wakes, 7).unwrap() {
                Ok(_) => told.push(wakes.duration_since(at(0)).as_secs()),
                Err(notice) => assert_eq!((notice.to, wakes), (TO, at(189))),
            }
        }
        assert_eq!(told, [0, 3, 9, 21, 45, 93]);
    }

    #[test]
    fn an_answer_counts_if_address_and_identifier_are_right() {
        let mut notices = Notices::default();
        notices.add(at(0), 4, 2, TO, 5);
        assert!(notices.answered(TO, 0).is_none(), "nobody was told");
        assert!(notices.next(at(0), 9).unwrap().is_ok());
        assert!(notices.next(at(0), 9).is_none());
        assert!(notices.answered(TO, 8).is_none());
        assert!(notices.answered(SocketAddr::new(TO.ip(), 54), 9).is_none());
        let notice = notices.answered(TO, 9).unwrap();
        assert_eq!((notice.zone, notice.target), (4, 2));
        assert_eq!(notices.wakes(), None);
    }

    #[test]
    fn news_begin_anew_and_take_no_second_place() {
        let mut notices = Notices::default();
        notices.add(at(0), 0, 0, TO, 5);
        assert!(notices.next(at(0), 1).unwrap().is_ok());
        notices.add(at(1), 0, 0, TO, 5);
        assert!(notices.next(at(1), 2).unwrap().is_ok());
        assert!(notices.next(at(1), 3).is_none());
        for target in 1..MOST {
            assert!(notices.add(at(1), 0, target, TO, 5));
        }
        assert!(!notices.add(at(1), 1, 0, TO, 5), "there is an end");
    }
    #[test]
    fn without_retries_one_is_told_once() {
        let mut notices = Notices::default();
        notices.add(at(0), 0, 0, TO, 0);
        assert!(notices.next(at(0), 1).unwrap().is_ok());
        assert!(notices.next(at(3), 1).unwrap().is_err());
    }
}
