//! Messages of DHCP on the wire: one writer of what a client asks, one reader of what servers say (RFC 2131, 2; RFC 2132).

use core::net::Ipv4Addr;

use super::Hostname;
use crate::config::is_host;

/// The port of servers (RFC 2131, 4.1).
pub const SERVER_PORT: u16 = 67;
/// The port of clients.
pub const CLIENT_PORT: u16 = 68;

/// Bytes of every message that a client sends: the longest one that it has to say. Relays expect 300 at least (RFC 1542,
/// 2.1), and padding costs less than counting.
pub const LENGTH: usize = 334;

/// Where fields of the header stand, and the options behind it (RFC 2131, 2).
const TRANSACTION: usize = 4;
const SECONDS: usize = 8;
const OWN_ADDRESS: usize = 12;
const GRANTED_ADDRESS: usize = 16;
const HARDWARE: usize = 28;
const SERVER_NAME: usize = 44;
const FILE: usize = 108;
const COOKIE: usize = 236;
const OPTIONS: usize = 240;

/// What messages from clients and from servers begin with: who speaks, Ethernet, the length of its addresses (RFC 1700).
const FROM_CLIENT: [u8; 3] = [1, 1, 6];
const FROM_SERVER: [u8; 3] = [2, 1, 6];
/// What options begin with (RFC 2131, 3).
const MAGIC: [u8; 4] = [99, 130, 83, 99];

/// The kinds of messages (RFC 2132, 9.6).
pub(super) const DISCOVER: u8 = 1;
pub(super) const OFFER: u8 = 2;
pub(super) const REQUEST: u8 = 3;
pub(super) const ACKNOWLEDGEMENT: u8 = 5;
pub(super) const REFUSAL: u8 = 6;

/// The options that are written or read (RFC 2132; the last: RFC 3442).
const PAD: u8 = 0;
pub(super) const MASK: u8 = 1;
pub(super) const ROUTERS: u8 = 3;
pub(super) const NAME_SERVERS: u8 = 6;
const HOST_NAME: u8 = 12;
pub(super) const MTU: u8 = 26;
const REQUESTED_ADDRESS: u8 = 50;
pub(super) const LEASE_TIME: u8 = 51;
const OVERLOAD: u8 = 52;
const KIND: u8 = 53;
const SERVER: u8 = 54;
const WISHES: u8 = 55;
const LONGEST_MESSAGE: u8 = 57;
pub(super) const RENEWAL_TIME: u8 = 58;
pub(super) const REBINDING_TIME: u8 = 59;
pub(super) const ROUTES: u8 = 121;
const END: u8 = 255;

/// The longest message that a server may send, in bytes: what fits one frame on every Ethernet, within tunnels too, since
/// fragments are not put together here.
const ANSWER_LIMIT: u16 = 1024;

/// What the options of every question begin with: its kind, the seven that a server is asked for, and how long it may be in
/// that. The routes stand before the routers, as RFC 3442 wants it.
const OPENING: [[u8; 4]; 5] = [
    MAGIC,
    [KIND, 1, 0, WISHES],
    [7, MASK, ROUTES, ROUTERS],
    [NAME_SERVERS, MTU, RENEWAL_TIME, REBINDING_TIME],
    [LONGEST_MESSAGE, 2, ANSWER_LIMIT.to_be_bytes()[0], ANSWER_LIMIT.to_be_bytes()[1]],
];
/// Where the kind of the message stands.
const KIND_AT: usize = OPTIONS + 2;
/// Where the other options begin: two addresses and the host's name at most, and the end.
const REST: usize = COOKIE + OPENING.as_flattened().len();
const _: () = assert!(REST + 6 + 6 + (2 + Hostname::LIMIT) < LENGTH);

/// What a client asks.
pub(super) struct Question<'a> {
    pub(super) kind: u8,
    pub(super) transaction: u32,
    /// Since the client began to ask.
    pub(super) seconds: u16,
    pub(super) hardware: [u8; 6],
    /// The address that it has and can be reached at, or none.
    pub(super) own: Ipv4Addr,
    /// The address that it would like to have.
    pub(super) requested: Option<Ipv4Addr>,
    /// The server whose offer it takes.
    pub(super) server: Option<Ipv4Addr>,
    pub(super) hostname: Option<&'a Hostname>,
}

impl Question<'_> {
    /// Writes it. The broadcast flag is not set: answers to an address that the client does not have yet are heard. There
    /// is no client identifier either: servers then know the client by its hardware address (RFC 2131, 4.2).
    pub(super) fn write(&self, out: &mut [u8; LENGTH]) {
        out.fill(0);
        out[..3].copy_from_slice(&FROM_CLIENT);
        out[TRANSACTION..SECONDS].copy_from_slice(&self.transaction.to_be_bytes());
        out[SECONDS..SECONDS + 2].copy_from_slice(&self.seconds.to_be_bytes());
        out[OWN_ADDRESS..OWN_ADDRESS + 4].copy_from_slice(&self.own.octets());
        out[HARDWARE..HARDWARE + 6].copy_from_slice(&self.hardware);
        out[COOKIE..REST].copy_from_slice(OPENING.as_flattened());
        out[KIND_AT] = self.kind;
        let mut rest = &mut out[REST..];
        if let Some(address) = self.requested {
            rest = append(rest, REQUESTED_ADDRESS, &address.octets());
        }
        if let Some(address) = self.server {
            rest = append(rest, SERVER, &address.octets());
        }
        if let Some(name) = self.hostname {
            rest = append(rest, HOST_NAME, name.as_bytes());
        }
        if let Some(end) = rest.first_mut() {
            *end = END;
        }
    }
}

/// Writes an option, for which there is room, and returns what is behind it.
#[inline(never)]
fn append<'a>(out: &'a mut [u8], code: u8, data: &[u8]) -> &'a mut [u8] {
    let [first, second, rest @ ..] = out else { return out };
    (*first, *second) = (code, data.len() as u8);
    let Some((room, rest)) = rest.split_at_mut_checked(data.len()) else { return &mut [] };
    room.iter_mut().zip(data).for_each(|(to, from)| *to = *from);
    rest
}

/// What a server says.
pub(super) struct Reply<'a> {
    pub(super) kind: u8,
    /// The server by its identifier: where it can be reached, whoever brought the message.
    pub(super) server: Ipv4Addr,
    /// The address that it offers or grants.
    pub(super) address: Ipv4Addr,
    /// Where options stand, in the order in which they are looked through.
    areas: [&'a [u8]; 3],
}

impl<'a> Reply<'a> {
    /// Reads a message to the client with this hardware address about this transaction, from a server that says who it is.
    pub(super) fn parse(message: &'a [u8], hardware: [u8; 6], transaction: u32) -> Option<Self> {
        let header: &[u8; OPTIONS] = message.first_chunk()?;
        let is_ours = header.starts_with(&FROM_SERVER)
            && header[TRANSACTION..SECONDS] == transaction.to_be_bytes()
            && header[HARDWARE..HARDWARE + 6] == hardware
            && header[COOKIE..] == MAGIC;
        if !is_ours {
            return None;
        }
        let options = message.get(OPTIONS..)?;
        // RFC 2132, 9.3: the fields for file and name hold options where a server has run out of room.
        let overload = find(options, OVERLOAD).and_then(|data| data.first()).copied().unwrap_or(0);
        let file = if overload & 1 == 0 { &[] } else { &header[FILE..COOKIE] };
        let name = if overload & 2 == 0 { &[] } else { &header[SERVER_NAME..FILE] };
        let mut reply = Reply {
            kind: 0,
            server: Ipv4Addr::UNSPECIFIED,
            address: address(header[GRANTED_ADDRESS..].first_chunk()?),
            areas: [options, file, name],
        };
        reply.kind = *reply.option(KIND).first()?;
        reply.server = reply.hosts(SERVER).next()?;
        Some(reply)
    }

    /// The data of the first option with this code, empty when there is none. Options that were cut into several
    /// (RFC 3396) are read as far as the first piece goes: a server with more than 255 bytes to say of one thing says more
    /// than has room in a lease.
    pub(super) fn option(&self, code: u8) -> &'a [u8] {
        self.areas.iter().find_map(|area| find(area, code)).unwrap_or_default()
    }

    /// An option that is a number of four bytes, zero when there is none.
    pub(super) fn number(&self, code: u8) -> u32 {
        self.option(code).try_into().map_or(0, u32::from_be_bytes)
    }

    /// An option that is a list of addresses, as far as hosts can have them.
    pub(super) fn hosts(&self, code: u8) -> impl Iterator<Item = Ipv4Addr> + use<'a> {
        self.option(code).as_chunks().0.iter().map(address).filter(|address| is_host(*address))
    }
}

fn address(octets: &[u8; 4]) -> Ipv4Addr {
    Ipv4Addr::from(*octets)
}

/// The data of the first option with this code. What stands behind an option that is cut off is not looked at.
fn find(mut area: &[u8], code: u8) -> Option<&[u8]> {
    while let [found, rest @ ..] = area {
        area = rest;
        match *found {
            PAD => continue,
            END => break,
            _ => {}
        }
        let (length, rest) = area.split_first()?;
        let (data, rest) = rest.split_at_checked(usize::from(*length))?;
        if *found == code {
            return Some(data);
        }
        area = rest;
    }
    None
}
