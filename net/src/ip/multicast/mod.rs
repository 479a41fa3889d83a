//! Groups that sockets have joined (RFC 1112, RFC 2236, RFC 2710): who hears datagrams to them, and what routers and switches
//! are told.
//!
//! A report is sent when the first socket joins, once more within ten seconds, and when a router asks, at a moment drawn by
//! lot: unless another host has reported the group by then. When the last socket leaves, that is said, whoever has reported
//! last. Where nothing is joined, nothing about groups is heard: the gate's refusals stand.

mod message;

use alloc::vec::Vec;
use core::net::IpAddr;

use unik_sched::time::{Duration, Instant};

use crate::{
    error::Error,
    glance::{TYPE_IPV4, TYPE_IPV6, UDP},
    ip::address::Address,
    ip::icmp::{ends, is_six, start},
    link::Link,
    net::Random,
    stack::{PAUSE, Stack, earlier},
    udp::UdpSocket,
};
use message::{ALL_SYSTEMS, Message, read};

/// Groups that the sockets of one stack may have joined together.
const GROUP_LIMIT: usize = 8;
/// Reports that nobody has asked for, and milliseconds between them at most (RFC 2236, 8.10; RFC 2710, 7.10).
const UNASKED: u8 = 2;
const INTERVAL: u32 = 10_000;
/// The least time between two reports of a group, however often it is asked for.
const APART: Duration = Duration::from_secs(1);

/// A group, and who has joined it.
struct Membership {
    group: Address,
    /// The ports of the sockets: at least one.
    ports: Vec<u16>,
    /// Reports that are still to be sent unasked.
    unasked: u8,
    /// When the next report is sent.
    due: Option<Instant>,
    /// When the last one was.
    reported: Instant,
}

impl Membership {
    /// Whether it is reported at all (RFC 2236, 6; RFC 2710, 5): that of all hosts is not.
    fn is_reported(&self) -> bool {
        self.group != ALL_SYSTEMS && self.group != Address::ALL_NODES
    }

    /// Whether a query for `group` is about it: for that one, or for any of its version.
    fn is_asked_for(&self, group: &Address) -> bool {
        let is_any = group.is_unspecified() && group.is_v4() == self.group.is_v4();
        self.is_reported() && (is_any || self.group == *group)
    }

    /// Has it reported so many times unasked, from now on.
    fn announce(&mut self, now: Instant) {
        (self.unasked, self.due) = (UNASKED, Some(now).filter(|_| self.is_reported()));
    }
}

/// The groups of a stack.
pub(crate) struct Groups(Vec<Membership>);

impl Groups {
    /// None.
    pub(crate) const fn new() -> Self {
        Self(Vec::new())
    }

    /// When a report is to be sent.
    pub(crate) fn due(&self) -> Option<Instant> {
        self.0.iter().fold(None, |due, membership| earlier(due, membership.due))
    }

    /// Whether the frame in hand, which the gate refuses for its destination, is a datagram to a group that the socket of
    /// its port has joined: in both layers, and from somebody.
    pub(crate) fn admit(&self, link: &Link) -> bool {
        !self.0.is_empty() && link.frame().and_then(|frame| self.joined(frame)).is_some()
    }

    fn joined(&self, frame: &[u8]) -> Option<&Membership> {
        let (source, destination) = ends(frame)?;
        let protocol = *frame.get(if is_six(frame) { 20 } else { 23 })?;
        let is_packet = [TYPE_IPV4, TYPE_IPV6].contains(frame.get(12..14)?.first_chunk()?);
        let header: &[u8; 8] = frame.get(start(frame)..)?.first_chunk()?;
        let port = u16::from_be_bytes([header[2], header[3]]);
        let is_sent_to = frame.get(..6)? == destination.group_hardware();
        if !is_packet || protocol != UDP || !is_sent_to || source.is_unspecified() {
            return None;
        }
        self.0.iter().find(|membership| membership.group == destination && membership.ports.contains(&port))
    }

    /// Hears the frame in hand, which the gate refuses, if it is a message about groups. False when it is none.
    pub(crate) fn hear(&mut self, link: &mut Link, random: &mut Random) -> bool {
        if self.0.is_empty() {
            return false;
        }
        let Some(message) = link.frame().and_then(read) else { return false };
        if link.check() {
            self.heed(message, link.now, random);
        }
        true
    }

    fn heed(&mut self, message: Message, now: Instant, random: &mut Random) {
        match message {
            Message::Report(group) => {
                for membership in self.0.iter_mut().filter(|membership| membership.group == group) {
                    (membership.unasked, membership.due) = (0, None);
                }
            }
            Message::Query { group, within } => {
                for membership in self.0.iter_mut().filter(|membership| membership.is_asked_for(&group)) {
                    let due = (now + by_lot(within, random)).max(membership.reported + APART);
                    // One that is sent in time anyway answers it (RFC 2236, 3).
                    if membership.due.is_none_or(|known| known > now + millis(within)) {
                        membership.due = Some(due);
                    }
                }
            }
        }
    }

    /// Sends the reports that are due.
    pub(crate) fn follow(&mut self, link: &mut Link, random: &mut Random) {
        let now = link.now;
        for membership in &mut self.0 {
            if membership.due.is_none_or(|due| due > now) {
                continue;
            }
            if !link.reserve() {
                membership.due = Some(now + PAUSE);
            } else if !link.tell_of_group(&membership.group, true) {
                // Without an address there is nobody to speak for.
                membership.due = Some(now + APART);
            } else {
                membership.reported = now;
                membership.unasked = membership.unasked.saturating_sub(1);
                let again = (membership.unasked > 0).then(|| APART.max(by_lot(INTERVAL, random)));
                membership.due = again.map(|pause| now + pause);
            }
        }
    }

    /// Reports all groups as if they were new: the link may be another one.
    pub(crate) fn return_to_link(&mut self, now: Instant) {
        self.0.iter_mut().for_each(|membership| membership.announce(now));
    }

    /// Lets the socket of `port` hear what is sent to a group.
    fn join(&mut self, group: Address, port: u16, now: Instant) -> Result<(), Error> {
        if let Some(known) = self.0.iter_mut().find(|membership| membership.group == group) {
            if !known.ports.contains(&port) {
                known.ports.try_reserve(1).map_err(|_| Error::NoMemory)?;
                known.ports.push(port);
            }
            return Ok(());
        }
        if self.0.len() >= GROUP_LIMIT {
            return Err(Error::TooManySockets);
        }
        self.0.try_reserve(1).map_err(|_| Error::NoMemory)?;
        let mut ports = Vec::new();
        ports.try_reserve(1).map_err(|_| Error::NoMemory)?;
        ports.push(port);
        let mut membership = Membership { group, ports, unasked: 0, due: None, reported: Instant::ZERO };
        membership.announce(now);
        self.0.push(membership);
        Ok(())
    }

    /// Ends that for one group, or for all of them. False when it had joined none of these.
    pub(crate) fn leave(&mut self, group: Option<Address>, port: u16, link: &mut Link) -> bool {
        let mut has_left = false;
        self.0.retain_mut(|membership| {
            let is_one = group.is_none_or(|group| membership.group == group);
            if !is_one || !membership.ports.contains(&port) {
                return true;
            }
            has_left = true;
            membership.ports.retain(|known| *known != port);
            let is_over = membership.ports.is_empty();
            if is_over && membership.is_reported() {
                // Without room for it routers find out by asking.
                link.tell_of_group(&membership.group, false);
            }
            !is_over
        });
        has_left
    }
}

impl UdpSocket {
    /// Lets the socket receive what is sent to its port in `group`, until it leaves the group or is dropped. What this host
    /// itself sends to the group does not come back. Joining again changes nothing.
    ///
    /// # Errors
    /// [`Error::InvalidAddress`] for what is no group, or one that no link has (`ff01::`); [`Error::NotConfigured`] without
    /// an address of that version; [`Error::TooManySockets`] when the sockets of the stack have joined eight others;
    /// [`Error::NoMemory`].
    pub fn join(&mut self, group: IpAddr) -> Result<(), Error> {
        let group = Address::from(group);
        // RFC 4291, 2.7: scopes 0 and 1 are not those of links.
        let is_inside = !group.is_v4() && group.octets()[1] & 0xf <= 1;
        if !group.is_multicast() || is_inside {
            return Err(Error::InvalidAddress);
        }
        let stack = &mut *self.stack.borrow_mut();
        if stack.link.host.source(&group).is_none() {
            return Err(Error::NotConfigured);
        }
        stack.groups.join(group, self.port, self.time.now())?;
        stack.request();
        Ok(())
    }

    /// Ends what [`UdpSocket::join`] began. What has come in already can still be received.
    ///
    /// # Errors
    /// [`Error::InvalidAddress`] if the socket has not joined the group.
    pub fn leave(&mut self, group: IpAddr) -> Result<(), Error> {
        let stack = &mut *self.stack.borrow_mut();
        let Stack { groups, link, .. } = stack;
        link.now = self.time.now();
        let has_left = groups.leave(Some(group.into()), self.port, link);
        stack.request();
        has_left.then_some(()).ok_or(Error::InvalidAddress)
    }
}

/// So many of them.
fn millis(count: u32) -> Duration {
    Duration::from_millis(count.into())
}

/// A time of so many milliseconds at most.
fn by_lot(most: u32, random: &mut Random) -> Duration {
    Duration::from_millis(random() % (u64::from(most) + 1))
}
