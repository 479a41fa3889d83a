//! The line of the log that a response is: who asked what, and what came of it, in the combined format of web servers.

use crate::date;
use crate::request::{Field, Request};
use crate::status::Status;
use core::fmt::{self, Write as _};
use core::net::IpAddr;

/// A response, as the log tells of it.
pub(crate) struct Access<'a> {
    pub(crate) client: IpAddr,
    pub(crate) wall: Option<u64>,
    /// The first line as it came; empty where none came.
    pub(crate) line: &'a [u8],
    pub(crate) request: Option<&'a Request<'a>>,
    pub(crate) status: Status,
    /// Bytes of contents.
    pub(crate) length: usize,
}

impl fmt::Display for Access<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        Client(self.client).fmt(f)?;
        f.write_str(" - - [")?;
        match self.wall.map(date::write).as_ref().map(|date| core::str::from_utf8(date)) {
            // Sun, 06 Nov 1994 08:49:37 GMT becomes 06/Nov/1994:08:49:37 +0000.
            Some(Ok(date)) => {
                for (part, end) in [(5..7, "/"), (8..11, "/"), (12..16, ":"), (17..25, " +0000")] {
                    f.write_str(date.get(part).unwrap_or_default())?;
                    f.write_str(end)?;
                }
            }
            _ => f.write_str("-")?,
        }
        f.write_str("] \"")?;
        Escaped(self.line).fmt(f)?;
        f.write_str("\" ")?;
        f.write_str(self.status.code())?;
        write!(f, " {}", self.length)?;
        for field in [Field::Referer, Field::UserAgent] {
            let value = self.request.and_then(|request| request.value(field));
            f.write_str(" \"")?;
            Escaped(value.unwrap_or(b"-")).fmt(f)?;
            f.write_str("\"")?;
        }
        Ok(())
    }
}

/// A client as the log names it: all groups of an IPv6 address, because what leaves out zeros takes more than a kilobyte.
pub(crate) struct Client(pub(crate) IpAddr);

impl fmt::Display for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            IpAddr::V4(address) => address.fmt(f),
            IpAddr::V6(address) => {
                let mut sign = "";
                for group in address.segments() {
                    write!(f, "{sign}{group:x}")?;
                    sign = ":";
                }
                Ok(())
            }
        }
    }
}

/// Bytes of a stranger, of which none ends its quotes or its line, or says something to a terminal.
struct Escaped<'a>(&'a [u8]);

impl fmt::Display for Escaped<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for &byte in self.0 {
            match byte {
                b'"' | b'\\' | 0..b' ' | 0x7f.. => {
                    f.write_str("\\x")?;
                    for digit in [byte >> 4, byte & 0xf] {
                        f.write_char(char::from_digit(digit.into(), 16).unwrap_or('?'))?;
                    }
                }
                _ => f.write_char(byte.into())?,
            }
        }
        Ok(())
    }
}
