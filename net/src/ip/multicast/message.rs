//! Messages about groups: IGMPv2 (RFC 2236) and MLDv1 (RFC 2710), in packets with the option that makes routers look at them
//! (RFC 2113, RFC 2711).
//!
//! The newer versions, IGMPv3 and MLDv2, can name whose datagrams a group is wanted for, which nobody here does. Their
//! routers understand these reports (RFC 3376, 7.3; RFC 3810, 8.3), and their queries begin like the ones here. Reports that
//! each hold one group are also what others of these versions hold their own back for.

use crate::{
    checksum::{fold, sum},
    glance::{ETHERNET, IPV4_HEAD, IPV6_HEAD, TYPE_IPV4, TYPE_IPV6},
    ip::address::Address,
    ip::icmp::{Header, ICMPV6, ends, start},
    link::Link,
};

/// All hosts and all routers of the link, of version 4 (RFC 2236, 9).
pub(super) const ALL_SYSTEMS: Address = Address::v4([224, 0, 0, 1]);
const ALL_ROUTERS: Address = Address::v4([224, 0, 0, 2]);

/// The protocol of IGMP, and the header in front of messages of MLD.
const IGMP: u8 = 2;
const HOP_BY_HOP: u8 = 0;
/// Only packets that no router has passed on are heard.
const HOP_LIMIT: u8 = 1;

/// Messages, of one version and of the other. A report of IGMPv1 counts as much.
const QUERY: [u8; 2] = [0x11, 130];
const REPORT: [u8; 2] = [0x16, 131];
const LEAVE: [u8; 2] = [0x17, 132];
const OLD_REPORT: u8 = 0x12;

/// The options; that of version 6 with what fills its header up.
const ALERT: [u8; 4] = [0x94, 4, 0, 0];
const ALERT_OF_SIX: [u8; 4] = [5, 2, 0, 0];
const EXTENSION: [u8; 8] = [ICMPV6, 0, 5, 2, 0, 0, 1, 0];

/// Bytes of the frame with a message of IGMP, and where that begins in it.
const FRAME: usize = MESSAGE + 8;
const MESSAGE: usize = IPV4_HEAD + ALERT.len();

/// What others say.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Message {
    /// Who is in this group, or in any of the version where it is none, says so within so many milliseconds.
    Query { group: Address, within: u32 },
    /// Another host is in the group.
    Report(Address),
}

/// Reads the message in a frame that the gate refuses for its destination or its extension header alone: sent to the group
/// that such messages are for, by a neighbour, with the option, and unspoilt. `None` for anything else.
pub(super) fn read(frame: &[u8]) -> Option<Message> {
    let (_, destination) = ends(frame)?;
    let kind = [*frame.get(12)?, *frame.get(13)?];
    let (version, message, all) = match kind {
        TYPE_IPV4 => (0, message_of_four(frame)?, ALL_SYSTEMS),
        TYPE_IPV6 => (1, message_of_six(frame)?, Address::ALL_NODES),
        _ => return None,
    };
    let (group, within) = if version == 0 {
        let [_, tenths, _, _, a, b, c, d] = *message.first_chunk()?;
        (Address::v4([a, b, c, d]), u32::from(tenths) * 100)
    } else {
        let (head, group) = message.split_first_chunk::<8>()?;
        (Address::v6(*group.first_chunk()?), u16::from_be_bytes([head[4], head[5]]).into())
    };
    let is_sent_to = frame.get(..6)? == destination.group_hardware();
    let kind = *message.first()?;
    let is_report = kind == REPORT[version] || version == 0 && kind == OLD_REPORT;
    if is_sent_to && is_report && group == destination {
        return Some(Message::Report(group));
    }
    let asked = if group.is_unspecified() { all } else { group };
    (is_sent_to && kind == QUERY[version] && asked == destination).then_some(Message::Query { group, within })
}

/// The message of IGMP in a frame. One without the option is of IGMPv1, or of nobody (RFC 3376, 9.1).
fn message_of_four(frame: &[u8]) -> Option<&[u8]> {
    let head: &[u8; IPV4_HEAD] = frame.first_chunk()?;
    let total = usize::from(u16::from_be_bytes([head[16], head[17]]));
    let start = start(frame);
    let (options, _) = frame.get(IPV4_HEAD..start)?.as_chunks::<4>();
    let message = frame.get(start..ETHERNET + total)?;
    let is_link = head[22] == HOP_LIMIT && head[23] == IGMP && options.contains(&ALERT);
    (is_link && fold(sum(message)) == 0xffff).then_some(message)
}

/// The message of MLD in a frame (RFC 2710, 3 and 5).
fn message_of_six(frame: &[u8]) -> Option<&[u8]> {
    let head: &[u8; IPV6_HEAD] = frame.first_chunk()?;
    let (source, _) = ends(frame)?;
    let length = usize::from(u16::from_be_bytes([head[18], head[19]]));
    let payload = frame.get(IPV6_HEAD..IPV6_HEAD + length)?;
    let (extension, message) = payload.split_first_chunk::<8>()?;
    // What fills the header up may stand on either side of the option.
    let is_alert = extension[..2] == EXTENSION[..2]
        && (extension[2..6] == ALERT_OF_SIX || extension[4..] == ALERT_OF_SIX);
    let is_link = head[20] == HOP_BY_HOP && head[21] == HOP_LIMIT && source.is_link_local();
    let sum = sum(message) + pseudo(&head[22..], message.len());
    (is_link && is_alert && fold(sum) == 0xffff).then_some(message)
}

/// The sum of the pseudo header of a message of MLD between two addresses (RFC 8200, 8.1).
fn pseudo(addresses: &[u8], length: usize) -> u64 {
    sum(addresses) + u64::from(u16::from(ICMPV6).swap_bytes()) + u64::from((length as u16).swap_bytes())
}

impl Link {
    /// Says that this host is in a group, or is in it no longer. False without an address of the version.
    pub(super) fn tell_of_group(&mut self, group: &Address, is_in: bool) -> bool {
        match (group.as_v4(), self.host.v4().and_then(|network| network.address.as_v4())) {
            (Some(group), Some(source)) => self.tell_of_four(source, group, is_in),
            (None, _) => return self.tell_of_six(group, is_in),
            _ => return false,
        }
        true
    }

    /// The same of version 4 (RFC 2236, 2).
    fn tell_of_four(&mut self, source: [u8; 4], group: [u8; 4], is_in: bool) {
        let destination = if is_in { Address::v4(group) } else { ALL_ROUTERS };
        let mut frame = [0; FRAME];
        frame[..6].copy_from_slice(&destination.group_hardware());
        frame[6..12].copy_from_slice(&self.host.hardware);
        frame[12..14].copy_from_slice(&TYPE_IPV4);
        let length = (FRAME - ETHERNET) as u8;
        frame[14..24].copy_from_slice(&[0x46, 0, 0, length, 0, 0, 0x40, 0, HOP_LIMIT, IGMP]);
        frame[26..30].copy_from_slice(&source);
        frame[30..34].copy_from_slice(&destination.as_v4().unwrap_or(group));
        frame[IPV4_HEAD..MESSAGE].copy_from_slice(&ALERT);
        frame[MESSAGE] = if is_in { REPORT[0] } else { LEAVE[0] };
        frame[MESSAGE + 4..].copy_from_slice(&group);
        let header = !fold(sum(&frame[ETHERNET..MESSAGE]));
        frame[24..26].copy_from_slice(&header.to_le_bytes());
        let message = !fold(sum(&frame[MESSAGE..]));
        frame[MESSAGE + 2..MESSAGE + 4].copy_from_slice(&message.to_le_bytes());
        self.send_reply(&frame);
    }

    /// The same of version 6 (RFC 2710, 3), from the address of the link.
    fn tell_of_six(&mut self, group: &Address, is_in: bool) -> bool {
        let Some(source) = self.host.source(&Address::ALL_NODES).filter(Address::is_link_local) else {
            return false;
        };
        let destination = if is_in { *group } else { Address::ALL_ROUTERS };
        let mut message = [0; 24];
        message[0] = if is_in { REPORT[1] } else { LEAVE[1] };
        message[8..].copy_from_slice(group.octets());
        let pseudo = pseudo(source.octets(), message.len()) + sum(destination.octets());
        let checksum = !fold(sum(&message) + pseudo);
        message[2..4].copy_from_slice(&checksum.to_le_bytes());
        let header = Header { source, destination, protocol: HOP_BY_HOP, hop_limit: HOP_LIMIT };
        self.emit(&header, &EXTENSION, &message, None)
    }
}
