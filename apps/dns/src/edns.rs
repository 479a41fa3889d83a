//! The OPT record: what a client tells by it, and what is told back (RFC 6891).
//!
//! [`Edns::read`] takes the record of a query apart, [`Edns::write`] writes that of the answer. Options that nobody knows
//! are passed over. Those that are known are answered: the server's identifier (RFC 5001), the time that connections are kept
//! (RFC 7828), and why there is no better answer (RFC 8914), which is told to whoever uses EDNS.

use crate::kind::Kind;
use crate::query::{flag, u16_at};
use crate::server::{Transport, UDP_PAYLOAD};
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
const KEEPALIVE: u16 = 11;
const EXTENDED_ERROR: u16 = 15;
/// Octets of the data of the latter two.
const NUMBER: usize = 2;

impl Edns {
    /// Reads an OPT record whose type, class, TTL and length are `fixed`. `None` unless the options fill its data exactly
    /// (RFC 6891, 6.1.2).
    pub(crate) fn read(fixed: &[u8; 10], mut data: &[u8]) -> Option<Self> {
        let [_, _, payload0, payload1, _, version, flags, ..] = *fixed;
        let mut edns = Self {
            payload: u16::from_be_bytes([payload0, payload1]),
            version,
            dnssec_ok: flags & flag::DNSSEC_OK.to_be_bytes()[0] != 0,
            wants_id: false,
            wants_keepalive: false,
        };
        while !data.is_empty() {
            let (code, length) = (u16_at(data, 0)?, u16_at(data, 2)?);
            edns.wants_id |= code == NSID;
            // RFC 7828, 3.1: a client tells no time.
            edns.wants_keepalive |= code == KEEPALIVE && length == 0;
            data = data.get(OPTION + usize::from(length)..)?;
        }
        Some(edns)
    }

    /// Octets that the record of the answer takes, whatever else is in it.
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
    ) -> Result<(), Full> {
        let [size0, size1] = UDP_PAYLOAD.to_be_bytes();
        // RFC 3225, 3: the DO bit comes back as it came.
        let flags = if self.dnssec_ok { flag::DNSSEC_OK } else { 0 };
        let [flags0, flags1] = flags.to_be_bytes();
        // RFC 6891, 6.1.3: the upper bits of the code, version 0.
        let upper = (code >> 4) as u8;
        writer.bytes(&[0, 0, Kind::OPT.code() as u8, size0, size1, upper, 0, flags0, flags1, 0, 0])?;
        let start = writer.at();
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
