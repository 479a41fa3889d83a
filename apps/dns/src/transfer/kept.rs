//! A zone as it is kept on a disk: the messages by which it would be transferred whole (RFC 5936, 2.2), and when a primary said
//! that it is current.
//!
//! What reads them is what takes a transfer, so a zone that comes back is held to the same.

use super::{Incoming, Outgoing, Progress, TransferError, ask, is_newer};
use crate::kind::Kind;
use crate::zone::{Timers, Zone};
use alloc::rc::Rc;
use unik_sched::time::Duration;

/// The identifier of the messages, which nobody asks.
const ID: u16 = 0;
/// How far the date may be behind the one at which a zone was kept: clocks are set back a little.
const MOST_BEHIND: u64 = 3600;

/// The messages of `zone`. `None` where there is no memory for it.
pub(crate) fn messages(zone: Rc<Zone>) -> Option<Outgoing> {
    let mut question = [0; ask::ROOM];
    let name = zone.wire_name.get(..zone.length)?;
    let length = ask::question(&mut question, ID, name, Kind::AXFR, None).ok()?;
    Outgoing::try_new(zone, None, question.get(..length)?, None)
}

/// Takes the next of the messages of the zone called `name`, a name on the wire, and gives the zone with the last.
///
/// # Errors
/// They are none of it.
pub(crate) fn take(
    incoming: &mut Incoming,
    name: &[u8],
    message: &[u8],
) -> Result<Option<Zone>, TransferError> {
    ask::check(message, ID, name, Kind::AXFR)?;
    match incoming.take(name, message)? {
        Progress::More => Ok(None),
        Progress::Zone(zone) => Ok(Some(zone)),
        Progress::Current => Err(TransferError::Malformed),
    }
}

/// What is to be done with a zone that was kept.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Verdict {
    /// It is served; so long ago a primary said that it is current.
    Serve(Duration),
    /// A file holds a version that is as new.
    Older,
    /// No primary has said so for longer than the zone allows (RFC 1035, 3.3.13).
    Expired,
    /// Nobody knows how long ago that was.
    Undated,
}

/// Judges the version `serial` with these `timers`, which a primary called current at the date `confirmed`, now that the date is
/// `date`, both in seconds since 1970. A file holds the version `file`.
pub(crate) fn judge(
    serial: u32,
    timers: Timers,
    file: Option<u32>,
    confirmed: u64,
    date: Option<u64>,
) -> Verdict {
    if file.is_some_and(|file| !is_newer(serial, file)) {
        return Verdict::Older;
    }
    let Some(date) = date.filter(|date| confirmed <= date.saturating_add(MOST_BEHIND)) else {
        return Verdict::Undated;
    };
    let age = date.saturating_sub(confirmed);
    if age >= timers.expire.into() { Verdict::Expired } else { Verdict::Serve(Duration::from_secs(age)) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::vec;
    use std::vec::Vec;

    const TIMERS: Timers = Timers { refresh: 3600, retry: 600, expire: 86_400 };

    fn kept(zone: Zone) -> Vec<Vec<u8>> {
        let mut messages = messages(Rc::new(zone)).expect("memory");
        let (mut out, mut kept) = (vec![0; 65_535], Vec::new());
        while !messages.is_done() {
            let length = messages.message(&mut out, 0).expect("it fits");
            kept.push(out[..length].to_vec());
        }
        kept
    }

    fn zone(hosts: usize) -> Zone {
        let mut text = std::string::String::from(
            "$ORIGIN example.org.\n$TTL 60\n@ SOA ns h 7 3600 600 86400 5\n@ NS ns\nns A 192.0.2.1\n",
        );
        for host in 0..hosts {
            text += &std::format!("host{host} A 192.0.2.{}\n", host % 250);
        }
        Zone::parse("example.org.zone", text.as_bytes()).unwrap_or_else(|error| panic!("{error}"))
    }

    #[test]
    fn a_zone_that_was_kept_is_the_same_zone() {
        for hosts in [0, 3, 5000] {
            let (name, first) = (b"\x07example\x03org\0", kept(zone(hosts)));
            let (mut incoming, mut back) = (Incoming::new(None, usize::MAX), None);
            for message in &first {
                assert!(back.is_none(), "it ends with the last message");
                back = take(&mut incoming, name, message).expect("it is one");
            }
            let back = back.expect("it is whole");
            assert_eq!((back.serial(), back.records()), (7, hosts + 3));
            assert_eq!(kept(back), first);
        }
    }

    #[test]
    fn what_is_no_message_of_it_is_refused() {
        let first = kept(zone(3));
        let take = |name: &[u8], message: &[u8]| take(&mut Incoming::new(None, 1 << 20), name, message).err();
        assert_eq!(take(b"\x07example\x03net\0", &first[0]), Some(TransferError::Malformed));
        assert_eq!(take(b"\x07example\x03org\0", &first[0][..40]), Some(TransferError::Malformed));
        let mut other = first[0].clone();
        other[3] |= 5;
        assert_eq!(take(b"\x07example\x03org\0", &other), Some(TransferError::Code(5)));
    }

    #[test]
    fn a_zone_is_as_old_as_the_date_says() {
        let judge = |file, confirmed, date| judge(7, TIMERS, file, confirmed, date);
        let served = |seconds| Verdict::Serve(Duration::from_secs(seconds));
        assert_eq!(judge(None, 1000, Some(1000)), served(0));
        assert_eq!(judge(None, 1000, Some(87_399)), served(86_399));
        assert_eq!(judge(None, 1000, Some(87_400)), Verdict::Expired);
        assert_eq!(judge(None, 1000, None), Verdict::Undated);
        assert_eq!(judge(None, 5000, Some(1400)), served(0), "the clock was set back a little");
        assert_eq!(judge(None, 5001, Some(1400)), Verdict::Undated);
        assert_eq!(judge(None, u64::MAX, Some(u64::MAX)), served(0));
    }

    #[test]
    fn the_newer_of_file_and_disk_is_served() {
        assert_eq!(judge(7, TIMERS, Some(6), 0, Some(0)), Verdict::Serve(Duration::ZERO));
        assert_eq!(judge(7, TIMERS, Some(7), 0, Some(0)), Verdict::Older);
        assert_eq!(judge(7, TIMERS, Some(8), 0, Some(0)), Verdict::Older);
        // RFC 1982: serial numbers come round.
        assert_eq!(judge(7, TIMERS, Some(u32::MAX), 0, Some(0)), Verdict::Serve(Duration::ZERO));
    }
}
