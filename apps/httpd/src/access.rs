//! The access log: a line for each response, who asked what, and what came of it.
//!
//! Lines are written into [`Lines`], which a task carries to where the operator wants them. Invariant: what strangers say ends
//! neither its quotes nor its line, and each line is shorter than [`Lines::LIMIT`], so that none is cut.

use crate::date;
use crate::request::{Field, fields};
use crate::status::Status;
use core::fmt::{self, Write as _};
use core::net::IpAddr;
use unik_sched::sync::{Line, Lines};
use unik_sched::time::Duration;

/// How the lines look.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Format {
    /// As those of most web servers.
    Combined,
    /// Each is an object (RFC 8259).
    Json,
}

impl Format {
    /// What a line is made of: text, and behind each percent sign the letter of something that is put there.
    fn template(self) -> &'static [u8] {
        match self {
            Self::Combined => b"%c - - [%d] %l %s %o %r %u",
            Self::Json => {
                b"{\"time\":%t,\"client\":\"%c\",\"host\":%h,\"method\":%m,\"target\":%p,\"referer\":%r,\"user_agent\":%u,\
                \"status\":%s,\"octets\":%o,\"duration\":%e}"
            }
        }
    }
}

/// The most octets of what strangers say, in their escapes.
fn limit(letter: u8) -> usize {
    match letter {
        b'l' => 450,
        b'p' => 300,
        b'r' => 180,
        b'u' => 150,
        b'h' => 100,
        _ => 20,
    }
}

/// What stands for the rest.
const CUT: &[u8] = b"...";
/// What stands in an object for what is not there.
const NULL: &[u8] = b"null";

/// A response, as the log tells of it.
pub(crate) struct Access<'a> {
    pub(crate) client: IpAddr,
    /// When it was sent, in seconds since the Unix epoch.
    pub(crate) wall: Option<u64>,
    /// The head of the request, or what of it has come.
    pub(crate) head: &'a [u8],
    pub(crate) status: Status,
    /// Octets of contents that were sent.
    pub(crate) octets: usize,
    /// Since the request began to arrive.
    pub(crate) duration: Duration,
}

impl Access<'_> {
    /// Writes the line.
    #[inline(never)]
    pub(crate) fn write(&self, format: Format, line: &mut Line<'_>) {
        let end = self.head.iter().position(|byte| b"\r\n".contains(byte)).unwrap_or(self.head.len());
        let first = self.head.get(..end).unwrap_or_default();
        let mut words = first.split(|&byte| byte == b' ');
        let (method, target) = (words.next(), words.next());
        let [host, referer, agent] = fields(self.head, [Field::Host, Field::Referer, Field::UserAgent]);
        for (index, part) in format.template().split(|&byte| byte == b'%').enumerate() {
            let (letter, text) = match part {
                [letter, text @ ..] if index > 0 => (*letter, text),
                text => (0, text),
            };
            match letter {
                0 => {}
                b'c' => self.write_client(line),
                b'd' | b't' => self.write_date(letter == b't', line),
                b's' => line.push(self.status.code().as_bytes()),
                b'o' => decimal(self.octets as u64, 1, line),
                b'e' => {
                    decimal(self.duration.as_secs(), 1, line);
                    line.push(b".");
                    decimal(self.duration.subsec_micros().into(), 6, line);
                }
                _ => {
                    let value = match letter {
                        b'l' => Some(first),
                        b'm' => method,
                        b'p' => target,
                        b'h' => host,
                        b'r' => referer,
                        _ => agent,
                    };
                    match (value, format) {
                        (None, Format::Combined) => line.push(b"\"-\""),
                        (None, Format::Json) => line.push(NULL),
                        (Some(value), Format::Combined) => quote(value, limit(letter), b"\\x", line),
                        (Some(value), Format::Json) => quote(value, limit(letter), b"\\u00", line),
                    }
                }
            }
            line.push(text);
        }
    }

    /// Writes when it was sent.
    fn write_date(&self, is_json: bool, line: &mut Line<'_>) {
        match self.wall {
            None => line.push(if is_json { NULL } else { b"-" }),
            Some(wall) if is_json => {
                line.push(b"\"");
                line.push(&date::write_rfc3339(wall));
                line.push(b"\"");
            }
            // Sun, 06 Nov 1994 08:49:37 GMT becomes 06/Nov/1994:08:49:37 +0000.
            Some(wall) => {
                let date = date::write(wall);
                for (part, end) in [(5..7, "/"), (8..11, "/"), (12..16, ":"), (17..25, " +0000")] {
                    line.push(date.get(part).unwrap_or_default());
                    line.push(end.as_bytes());
                }
            }
        }
    }

    fn write_client(&self, line: &mut Line<'_>) {
        match self.client {
            IpAddr::V4(address) => {
                let mut sign: &[u8] = b"";
                for octet in address.octets() {
                    line.push(sign);
                    decimal(octet.into(), 1, line);
                    sign = b".";
                }
            }
            // A line never fails.
            address @ IpAddr::V6(_) => drop(write!(line, "{}", Client(address))),
        }
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

/// Writes a number of at least so many digits.
#[inline(never)]
fn decimal(mut number: u64, least: usize, line: &mut Line<'_>) {
    let mut digits = [b'0'; 20];
    let mut start = digits.len();
    for digit in digits.iter_mut().rev() {
        *digit = b'0' + (number % 10) as u8;
        number /= 10;
        start -= 1;
        if number == 0 {
            break;
        }
    }
    line.push(digits.get(start.min(digits.len() - least)..).unwrap_or_default());
}

/// Writes the octets of a stranger in quotes, at most `limit` of them: none ends the quotes or the line, or says something to a
/// terminal. `escape` stands in front of the two digits of those that are not written as they are.
#[inline(never)]
fn quote(mut text: &[u8], limit: usize, escape: &[u8], line: &mut Line<'_>) {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let mut room = limit;
    line.push(b"\"");
    loop {
        let is_special = |byte: &u8| matches!(byte, b'"' | b'\\' | 0..b' ' | 0x7f..);
        let plain = text.iter().position(is_special).unwrap_or(text.len()).min(room);
        let (run, rest) = text.split_at(plain);
        line.push(run);
        room -= plain;
        let Some((&byte, rest)) = rest.split_first() else { break };
        if room < escape.len() + 2 {
            line.push(CUT);
            break;
        }
        line.push(escape);
        for digit in [byte >> 4, byte & 0xf] {
            line.push(DIGITS.get(usize::from(digit)).map(core::slice::from_ref).unwrap_or_default());
        }
        room -= escape.len() + 2;
        text = rest;
    }
    line.push(b"\"");
}

/// Where a response's line goes, and how it looks.
pub(crate) struct Log {
    pub(crate) lines: Lines,
    pub(crate) format: Format,
}
