//! Neighbour discovery for IPv6 (RFC 4861): who has an address, and who is a router.

use unik_sched::time::Instant;

use crate::{
    glance::IPV6_HEAD,
    ip::address::Address,
    ip::gate::Refusal,
    ip::icmp::{Header, ICMPV6, ends},
    ip::neighbor::Hardware,
    link::Link,
    stack::Stack,
};

/// Messages (RFC 4861, 4).
const ROUTER_SOLICITATION: u8 = 133;
const ROUTER_ADVERTISEMENT: u8 = 134;
const SOLICITATION: u8 = 135;
const ADVERTISEMENT: u8 = 136;
/// Options with a hardware address: the sender's, and that of the target.
const SOURCE_OPTION: u8 = 1;
const TARGET_OPTION: u8 = 2;
/// Flags of an advertisement: it answers a question, and its hardware address replaces another one.
const SOLICITED: u8 = 0x40;
const OVERRIDE: u8 = 0x20;
/// The hop limit that only packets of the link have (RFC 4861, 3.1).
const HOP_LIMIT: u8 = 255;

/// Where a message begins in its frame, where the target stands in it, and where options begin behind that.
const MESSAGE: usize = IPV6_HEAD;
const TARGET: usize = MESSAGE + 8;
const OPTIONS: usize = TARGET + 16;

/// Whether a packet of ICMPv6 is a message of this protocol, sent on this link.
pub(crate) fn is_neighborly(frame: &[u8]) -> bool {
    let is_ours = |kind| matches!(kind, ROUTER_ADVERTISEMENT | SOLICITATION | ADVERTISEMENT);
    frame.get(21) == Some(&HOP_LIMIT)
        && frame.get(MESSAGE).is_some_and(|kind| is_ours(*kind))
        && frame.get(MESSAGE + 1) == Some(&0)
}

/// The message in a frame.
pub(crate) fn message(frame: &[u8]) -> Option<&[u8]> {
    let length = usize::from(u16::from_be_bytes(*frame.get(18..)?.first_chunk()?));
    frame.get(MESSAGE..MESSAGE + length)
}

/// A solicitation or advertisement of a neighbour in its frame.
struct Notice {
    source: Address,
    destination: Address,
    target: Address,
    flags: u8,
    /// What the option says that belongs to the message, or else who has sent the frame.
    hardware: Option<Hardware>,
}

impl Notice {
    /// Reads one (RFC 4861, 7.1). `None` where it contradicts the rules.
    fn parse(frame: &[u8]) -> Option<Self> {
        let (source, destination) = ends(frame)?;
        let length = usize::from(u16::from_be_bytes(*frame.get(18..)?.first_chunk()?));
        let frame = frame.get(..MESSAGE + length)?;
        let target = Address::v6(*frame.get(TARGET..)?.first_chunk()?);
        let wanted = if frame.get(MESSAGE) == Some(&SOLICITATION) { SOURCE_OPTION } else { TARGET_OPTION };
        let (mut options, mut hardware) = (frame.get(OPTIONS..)?, None);
        while let [kind, units, ..] = *options {
            let (option, rest) = options.split_at_checked(usize::from(units) * 8).filter(|_| units > 0)?;
            if kind == wanted {
                hardware = option.get(2..).and_then(|bytes| bytes.first_chunk()).copied();
            }
            options = rest;
        }
        let is_one = hardware.is_none_or(|hardware: Hardware| hardware[0] & 1 == 0 && hardware != [0; 6]);
        let flags = *frame.get(MESSAGE + 4)?;
        (options.is_empty() && is_one && target.is_host() && !target.is_v4()).then_some(Notice {
            source,
            destination,
            target,
            flags,
            hardware,
        })
    }
}

impl Stack {
    /// Handles the message in hand, which the gate has let in.
    #[inline(never)]
    pub(crate) fn hear_neighbor(&mut self, now: Instant) {
        let kind = self.link.frame().and_then(|frame| frame.get(MESSAGE)).copied();
        if kind == Some(ROUTER_ADVERTISEMENT) {
            return self.hear_router(now);
        }
        let notice = self.link.frame().and_then(Notice::parse);
        let from = self.link.sender().unwrap_or_default();
        self.link.ignore();
        let Some(notice) = notice else { return self.counters.rx_bad_headers.increment() };
        if self.link.host.has(&notice.source) {
            self.gives_up(&notice.source, now);
            return self.note_conflict();
        }
        if kind == Some(SOLICITATION) {
            self.hear_solicitation(&notice, from, now);
        } else {
            self.hear_advertisement(&notice, from, now);
        }
    }

    /// Somebody asks for an address (RFC 4861, 7.2.3 and 7.2.4), or tries it (RFC 4862, 5.4.3).
    fn hear_solicitation(&mut self, notice: &Notice, from: Hardware, now: Instant) {
        if !self.link.host.has(&notice.target) {
            return self.counters.rx_elsewhere.increment();
        }
        let is_trial = notice.source == Address::UNSPECIFIED;
        if is_trial && !notice.destination.is_multicast() {
            // RFC 4861, 7.1.1.
            return self.counters.rx_bad_headers.increment();
        }
        if is_trial && self.gives_up(&notice.target, now) {
            return self.note_conflict();
        }
        // RFC 4429, 3.3: what may be another's does not take the place of that.
        let flags = if self.link.host.is_on_trial(&notice.target) { 0 } else { OVERRIDE };
        let (destination, to, flags) = if is_trial {
            (Address::ALL_NODES, Address::ALL_NODES.group_hardware(), flags)
        } else {
            let hardware = notice.hardware.unwrap_or(from);
            if self.link.routes.next_hop(&notice.source) == Some(notice.source) {
                self.link.neighbors.learn(&notice.source, hardware, now);
            }
            (notice.source, hardware, SOLICITED | flags)
        };
        self.link.advertise(&notice.target, &destination, to, flags);
    }

    /// Somebody says who has an address (RFC 4861, 7.2.5).
    fn hear_advertisement(&mut self, notice: &Notice, from: Hardware, now: Instant) {
        if self.link.host.has(&notice.target) {
            self.gives_up(&notice.target, now);
            return self.note_conflict();
        }
        let is_answer = notice.flags & SOLICITED != 0 && !notice.destination.is_multicast();
        let hardware = notice.hardware.unwrap_or(from);
        if !is_answer || !self.link.neighbors.answered(&notice.target, hardware, now) {
            self.counters.neighbor_unasked.increment();
        }
    }

    /// Counts that another host has an address of ours, and says so, not too often.
    pub(crate) fn note_conflict(&mut self) {
        Refusal::Conflict.count(&self.counters);
        self.say(&self.conflict, "another host has our address");
    }
}

/// A message to send.
struct Message<'a> {
    kind: u8,
    flags: u8,
    target: Option<&'a Address>,
    /// The option that this host's hardware address goes with.
    option: Option<u8>,
}

impl Link {
    /// Says that this host has `target`.
    fn advertise(&mut self, target: &Address, destination: &Address, to: Hardware, flags: u8) {
        let message =
            Message { kind: ADVERTISEMENT, flags, target: Some(target), option: Some(TARGET_OPTION) };
        self.notify(target, destination, to, &message);
    }

    /// Asks who has `target` (RFC 4861, 7.2.2). `source` is an address of ours.
    pub(crate) fn solicit(&mut self, source: &Address, target: &Address) {
        // RFC 4429, 3.3: whose card an address has is not said before that is certain.
        let is_certain = *source != Address::UNSPECIFIED && !self.host.is_on_trial(source);
        let option = Some(SOURCE_OPTION).filter(|_| is_certain);
        let message = Message { kind: SOLICITATION, flags: 0, target: Some(target), option };
        let group = target.solicited_node();
        self.notify(source, &group, group.group_hardware(), &message);
    }

    /// Asks for routers (RFC 4861, 6.3.7), and says whose card asks where that is certain.
    pub(crate) fn solicit_routers(&mut self, source: &Address, is_certain: bool) {
        let option = Some(SOURCE_OPTION).filter(|_| is_certain && *source != Address::UNSPECIFIED);
        let message = Message { kind: ROUTER_SOLICITATION, flags: 0, target: None, option };
        let group = Address::ALL_ROUTERS;
        self.notify(source, &group, group.group_hardware(), &message);
    }

    /// Sends a message of this protocol.
    #[inline(never)]
    fn notify(&mut self, source: &Address, destination: &Address, to: Hardware, message: &Message<'_>) {
        let hardware = self.host.hardware;
        let header =
            Header { source: *source, destination: *destination, protocol: ICMPV6, hop_limit: HOP_LIMIT };
        let mut bytes = [0; 8 + 16 + 8];
        (bytes[0], bytes[4]) = (message.kind, message.flags);
        let mut length = 8;
        if let Some(target) = message.target {
            bytes[length..length + 16].copy_from_slice(target.octets());
            length += 16;
        }
        if let Some(option) = message.option {
            (bytes[length], bytes[length + 1]) = (option, 1);
            bytes[length + 2..length + 8].copy_from_slice(&hardware);
            length += 8;
        }
        self.emit(&header, &bytes[..length], &[], Some(to));
    }
}
