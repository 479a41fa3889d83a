//! The OPT record: what a client tells by it, and what is told back (RFC 6891).
//!
//! [`Edns::read`] takes the record of a query apart, [`Edns::write`] writes that of the answer. Options that nobody knows
//! are passed over. Those that are known are answered: the server's identifier (RFC 5001), the time that connections are kept
//! (RFC 7828), [cookies](crate::cookie) (RFC 7873), and why there is no better answer (RFC 8914), which is told to whoever uses
//! EDNS.

use crate::cookie::{COOKIE, is_well_formed};
use crate::kind::Kind;
use crate::origin::{Transport, UDP_PAYLOAD};
use crate::query::{flag, u16_at};
use crate::session::IDLE;
use crate::writer::{Full, Writer};

/// What the OPT record of a query says (RFC 6891, 6.1).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Edns {
    /// The longest UDP message that the client takes, in octets.
    pub(crate) payload: u16,
    pub(crate) version: u8,
    pub(crate) dnssec_ok: bool,
    /// The client asks for the server's identifier.
    wants_id: bool,
    /// The client asks how long its connection is kept.
    wants_keepalive: bool,
    /// Where the data of the first COOKIE option stand in the message; 0 without one.
    cookie: u16,
}

/// Why there is no better answer (RFC 8914, 4).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Reason {
    /// The zone could not be loaded.
    NotReady = 14,
    /// It is not told to anybody.
    Prohibited = 18,
    /// No zone of this server has the name.
    NotAuthoritative = 20,
    /// The class is not served.
    NotSupported = 21,
}

/// Octets of an OPT record without options.
const OPT: usize = 11;
/// Octets in front of the data of an option.
const OPTION: usize = 4;
/// Codes of options.
const NSID: u16 = 3;
const COOKIE_OPTION: u16 = 10;
const KEEPALIVE: u16 = 11;
const EXTENDED_ERROR: u16 = 15;
/// Octets of the data of the latter two.
const NUMBER: usize = 2;
/// Octets that a cookie takes beside [`Edns::room`].
pub(crate) const COOKIE_ROOM: usize = OPTION + COOKIE;

impl Edns {
    /// Reads an OPT record whose type, class, TTL and length are `fixed`, and whose `data` end at `end` of the message. `None`
    /// unless the options fill them exactly (RFC 6891, 6.1.2), and a cookie is as long as one (RFC 7873, 5.2.2).
    pub(crate) fn read(fixed: &[u8; 10], mut data: &[u8], end: usize) -> Option<Self> {
        let [_, _, payload0, payload1, _, version, flags, ..] = *fixed;
        let mut edns = Self {
            payload: u16::from_be_bytes([payload0, payload1]),
            version,
            dnssec_ok: flags & flag::DNSSEC_OK.to_be_bytes()[0] != 0,
            wants_id: false,
            wants_keepalive: false,
            cookie: 0,
        };
        while !data.is_empty() {
            let (code, length) = (u16_at(data, 0)?, u16_at(data, 2)?);
            edns.wants_id |= code == NSID;
            // RFC 7828, 3.1: a client tells no time.
            edns.wants_keepalive |= code == KEEPALIVE && length == 0;
            // RFC 7873, 5.2: of several cookies the first one counts.
            if code == COOKIE_OPTION && edns.cookie == 0 {
                edns.cookie = cookie_data(end - data.len(), length)?;
            }
            data = data.get(OPTION + usize::from(length)..)?;
        }
        Some(edns)
    }

    /// The data of the client's cookie, for [`Secrets::answer`](crate::Secrets::answer). To be asked for before the answer is
    /// written over `message`.
    pub(crate) fn cookie(self, message: &[u8]) -> Option<&[u8]> {
        let start = usize::from(self.cookie);
        let length = u16_at(message, start.checked_sub(2)?)?; // which stands in front of the data
        message.get(start..start + usize::from(length))
    }

    /// Octets that the record of the answer takes, whatever else is in it, without a cookie.
    pub(crate) fn room(self, id: &[u8]) -> usize {
        let id = if self.wants_id { OPTION + id.len() } else { 0 };
        let keepalive = if self.wants_keepalive { OPTION + NUMBER } else { 0 };
        OPT + id + keepalive
    }

    /// Writes the record of the answer, of which the upper bits of `code` are a part. Options that do not fit are left out.
    pub(crate) fn write(
        self,
        writer: &mut Writer<'_>,
        code: u16,
        reason: Option<Reason>,
        transport: Transport,
        id: &[u8],
        cookie: Option<&[u8; COOKIE]>,
    ) -> Result<(), Full> {
        let [size0, size1] = UDP_PAYLOAD.to_be_bytes();
        // RFC 3225, 3: the DO bit comes back as it came.
        let flags = if self.dnssec_ok { flag::DNSSEC_OK } else { 0 };
        let [flags0, flags1] = flags.to_be_bytes();
        // RFC 6891, 6.1.3: the upper bits of the code, version 0.
        let upper = (code >> 4) as u8;
        writer.bytes(&[0, 0, Kind::OPT.code() as u8, size0, size1, upper, 0, flags0, flags1, 0, 0])?;
        let start = writer.at();
        if let Some(cookie) = cookie {
            option(writer, COOKIE_OPTION, cookie);
        }
        if self.wants_id && !id.is_empty() {
            option(writer, NSID, id);
        }
        // RFC 7828, 3.3.1: over UDP it means nothing. The time is told in units of 100 ms.
        if self.wants_keepalive && transport == Transport::Tcp {
            let time = (IDLE.as_millis() / 100) as u16;
            option(writer, KEEPALIVE, &time.to_be_bytes());
        }
        if let Some(reason) = reason {
            option(writer, EXTENDED_ERROR, &(reason as u16).to_be_bytes());
        }
        if writer.at() > start {
            writer.close(start);
        }
        Ok(())
    }
}

/// Where the data of the COOKIE option at `at` stand, which are so long; `None` if they are no cookie, or stand where no message of
/// a transport reaches.
#[inline(never)]
fn cookie_data(at: usize, length: u16) -> Option<u16> {
    u16::try_from(at + OPTION).ok().filter(|_| is_well_formed(length.into()))
}

/// Writes one option, if it fits.
#[inline(never)]
fn option(writer: &mut Writer<'_>, code: u16, data: &[u8]) {
    let mark = writer.mark();
    let [code0, code1] = code.to_be_bytes();
    let [length0, length1] = (data.len() as u16).to_be_bytes(); // identifiers are short
    let written = writer.bytes(&[code0, code1, length0, length1]).and_then(|()| writer.bytes(data));
    if written.is_err() {
        writer.rewind(mark);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::vec;
    use std::vec::Vec;

    /// A message of ten octets and an OPT record with `options`, each a code and its data, and what is read of it.
    fn read(options: &[(u16, &[u8])]) -> (Vec<u8>, Option<Edns>) {
        let mut message = vec![0; 10];
        for (code, data) in options {
            message.extend(code.to_be_bytes());
            message.extend((data.len() as u16).to_be_bytes());
            message.extend(*data);
        }
        let edns = Edns::read(&[0, 41, 4, 208, 0, 0, 0, 0, 0, 0], &message[10..], message.len());
        (message, edns)
    }

    #[test]
    fn the_first_cookie_is_found_wherever_it_stands() {
        type Options<'o> = &'o [(u16, &'o [u8])];
        let whole: &[u8] = &[7; 24];
        let rows: [(Options<'_>, Option<usize>); 6] = [
            (&[], None),
            (&[(NSID, &[])], None),
            (&[(COOKIE_OPTION, &whole[..8])], Some(8)),
            (&[(NSID, &[]), (COOKIE_OPTION, whole), (KEEPALIVE, &[])], Some(24)),
            (&[(COOKIE_OPTION, whole), (COOKIE_OPTION, &[1; 8])], Some(24)),
            // What is not looked at may be malformed.
            (&[(COOKIE_OPTION, &whole[..16]), (COOKIE_OPTION, &[])], Some(16)),
        ];
        for (options, expected) in rows {
            let (message, edns) = read(options);
            let cookie = edns.unwrap().cookie(&message);
            assert_eq!(cookie, expected.map(|length| &whole[..length]), "{options:?}");
        }
    }

    #[test]
    fn a_cookie_of_another_length_makes_the_record_malformed() {
        for length in 0..=64 {
            let data = vec![7; length];
            let (_, edns) = read(&[(NSID, &[]), (COOKIE_OPTION, &data)]);
            assert_eq!(edns.is_some(), length == 8 || (16..=40).contains(&length), "{length}");
        }
    }

    #[test]
    fn a_cookie_is_answered_in_the_room_that_it_is_told_to_take() {
        let (_, edns) = read(&[(COOKIE_OPTION, &[7; 8])]);
        let edns = edns.unwrap();
        let cookie = core::array::from_fn(|at| at as u8);
        let mut out = [0; 64];
        let mut writer = Writer::try_new(&mut out, 0, 64, 0).unwrap();
        edns.write(&mut writer, 0, None, Transport::UDP, b"", Some(&cookie)).unwrap();
        let head = [0, 0, 41, 4, 208, 0, 0, 0, 0, 0, 28, 0, 10, 0, 24];
        assert_eq!(writer.written(), [&head[..], &cookie].concat());
        assert_eq!(writer.at(), edns.room(b"") + COOKIE_ROOM);
    }
}
