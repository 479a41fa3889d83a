//! The head of a request: its first line and its fields (RFC 9112, 2 to 6).
//!
//! [`Request::parse`] takes a head that [`Scan`](crate::scan::Scan) has found whole, and refuses what two recipients could
//! understand differently, whatever the method. Neighbours: `body.rs` reads what follows, `response.rs` answers. Invariant:
//! a [`Request`] has one host, one framing, and fields whose names and values are what they seem.

use crate::status::Status;
use crate::text::{NAME, TARGET, TOKEN, elements, hexadecimal, is_like, number, run, run_of_text, trim};
use crate::tls::Scheme;

/// What is asked for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Method {
    Get,
    Head,
    Options,
    /// POST, which is allowed where a body is echoed, and nowhere else.
    Post,
    /// One that this server knows of and does not allow.
    NotAllowed,
    /// One that it does not know.
    Unknown,
}

/// How the end of the request's body is told (RFC 9112, 6.3).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Framing {
    /// By its length in bytes, 0 where there is none.
    Length(u64),
    /// By its last chunk.
    Chunked,
}

/// What becomes of the connection behind the response.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Persistence {
    /// It stays, as connections do since HTTP/1.1.
    Stays,
    /// It stays because a client of HTTP/1.0 asked for it, and is to be told.
    StaysAsAsked,
    /// It is closed.
    Ends,
}

/// The fields that mean something here; each has its bit in [`Request::present`].
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u8)]
pub(crate) enum Field {
    Host,
    Connection,
    AcceptEncoding,
    IfNoneMatch,
    IfModifiedSince,
    Range,
    IfRange,
    IfMatch,
    IfUnmodifiedSince,
    ContentLength,
    TransferEncoding,
    Expect,
    UserAgent,
    Referer,
}

const FIELDS: [(&str, Field); 14] = [
    ("host", Field::Host),
    ("connection", Field::Connection),
    ("accept-encoding", Field::AcceptEncoding),
    ("if-none-match", Field::IfNoneMatch),
    ("if-modified-since", Field::IfModifiedSince),
    ("range", Field::Range),
    ("if-range", Field::IfRange),
    ("if-match", Field::IfMatch),
    ("if-unmodified-since", Field::IfUnmodifiedSince),
    ("content-length", Field::ContentLength),
    ("transfer-encoding", Field::TransferEncoding),
    ("expect", Field::Expect),
    ("user-agent", Field::UserAgent),
    ("referer", Field::Referer),
];

/// The head of a request.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Request<'a> {
    pub(crate) method: Method,
    /// As it came, with its query: `/a?b`, `*`, or an authority.
    pub(crate) target: &'a [u8],
    /// The host that it is for, with or without a port; empty where it names none.
    pub(crate) authority: &'a [u8],
    pub(crate) framing: Framing,
    pub(crate) persistence: Persistence,
    /// The body waits for an interim response (RFC 9110, 10.1.1).
    pub(crate) expects_continue: bool,
    /// There is an expectation that is not known.
    pub(crate) expects_else: bool,
    present: u16,
    lines: &'a [u8],
}

impl<'a> Request<'a> {
    /// Reads a head, of which each line ends with CR LF, the last of them empty.
    ///
    /// # Errors
    /// The status to refuse it with. Where it ends is not certain then, so the connection must be closed.
    #[inline(never)]
    pub(crate) fn parse(head: &'a [u8], scheme: Scheme) -> Result<Self, Status> {
        let (line, lines) = split_line(head).ok_or(Status::BAD_REQUEST)?;
        let mut words = line.splitn(3, |&byte| byte == b' ');
        let (name, target) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
        let minor = version(words.next().unwrap_or_default())?;
        if name.is_empty() || run(TOKEN, name) != name.len() || run(TARGET, target) != target.len() {
            return Err(Status::BAD_REQUEST);
        }
        let (target, authority, is_secure) = match target {
            [b'/', ..] => (target, &[][..], None),
            _ => other_form(name, target)?,
        };
        let mut request = Self {
            method: method(name),
            target,
            authority: &[],
            framing: Framing::Length(0),
            persistence: Persistence::Ends,
            expects_continue: false,
            expects_else: false,
            present: 0,
            lines,
        };
        request.read_fields(minor)?;
        // It goes before that of the field (RFC 9112, 3.2.2).
        if !authority.is_empty() {
            request.authority = authority;
        }
        // Another scheme than that which it came over (RFC 9110, 7.4).
        if is_secure.is_some_and(|is_secure| is_secure != scheme.is_secure()) {
            return Err(Status::MISDIRECTED_REQUEST);
        }
        Ok(request)
    }

    /// Reads the fields, of which those that frame the message decide.
    fn read_fields(&mut self, minor: u8) -> Result<(), Status> {
        let (mut closes, mut keeps) = (false, false);
        let (mut length, mut coding) = (None, None);
        let mut rest = self.lines;
        while let Some((line, behind)) = split_line(rest).filter(|(line, _)| !line.is_empty()) {
            rest = behind;
            let (name, value) = field(line).ok_or(Status::BAD_REQUEST)?;
            let Some(field) = known(name) else { continue };
            let is_again = self.has(field);
            self.present |= 1 << field as u8;
            match field {
                // RFC 9112, 3.2
                Field::Host => {
                    if is_again || !is_authority(value) {
                        return Err(Status::BAD_REQUEST);
                    }
                    self.authority = value;
                }
                // Several that agree may be taken for one (RFC 9110, 8.6), but need not be.
                Field::ContentLength => length = Some(number(value).filter(|_| !is_again)),
                Field::TransferEncoding => coding = Some(transfer_coding(value, coding)?),
                Field::Connection => {
                    closes |= elements(value).any(|word| is_like(word, b"close"));
                    keeps |= elements(value).any(|word| is_like(word, b"keep-alive"));
                }
                Field::Expect if minor > 0 => {
                    let is_known = is_like(value, b"100-continue");
                    (self.expects_continue, self.expects_else) = (is_known, self.expects_else || !is_known);
                }
                _ => {}
            }
        }
        if minor > 0 && !self.has(Field::Host) {
            return Err(Status::BAD_REQUEST);
        }
        self.persistence = match (minor, closes, keeps) {
            (_, true, _) | (0, _, false) => Persistence::Ends,
            (0, false, true) => Persistence::StaysAsAsked,
            _ => Persistence::Stays,
        };
        self.framing = match (length, coding) {
            // Both, or codings that a server of HTTP/1.0 would not see (RFC 9112, 6.1).
            (Some(_), Some(_)) | (Some(None), None) => return Err(Status::BAD_REQUEST),
            (None, Some(_)) if minor == 0 => return Err(Status::BAD_REQUEST),
            (None, Some(Coding::Other)) => return Err(Status::BAD_REQUEST),
            (None, Some(Coding::Chunked { of_other: true })) => return Err(Status::NOT_IMPLEMENTED),
            (None, Some(Coding::Chunked { .. })) => Framing::Chunked,
            (Some(Some(length)), None) => Framing::Length(length),
            (None, None) => Framing::Length(0),
        };
        Ok(())
    }

    /// Whether there is such a field.
    #[inline]
    pub(crate) fn has(&self, field: Field) -> bool {
        self.present & (1 << field as u8) != 0
    }

    /// Whether anything may keep the whole contents from being sent.
    #[inline]
    pub(crate) fn is_conditional(&self) -> bool {
        const CONDITIONS: u16 = 1 << Field::IfNoneMatch as u8
            | 1 << Field::IfModifiedSince as u8
            | 1 << Field::Range as u8
            | 1 << Field::IfMatch as u8
            | 1 << Field::IfUnmodifiedSince as u8;
        self.present & CONDITIONS != 0
    }

    /// The values of a field, one for each line that has it, without the spaces around them.
    pub(crate) fn values(&self, field: Field) -> Values<'a> {
        Values { lines: if self.has(field) { self.lines } else { &[] }, field }
    }

    /// The value of a field that is to come once; `None` if it comes never, or more often.
    pub(crate) fn value(&self, field: Field) -> Option<&'a [u8]> {
        let mut values = self.values(field);
        values.next().filter(|_| values.next().is_none())
    }

    /// The target without its query.
    pub(crate) fn path(&self) -> &'a [u8] {
        self.target.split(|&byte| byte == b'?').next().unwrap_or_default()
    }
}

/// The first values of fields behind the first line of what need not be a head, where they are there: for the log.
#[inline(never)]
pub(crate) fn fields<const N: usize>(head: &[u8], wanted: [Field; N]) -> [Option<&[u8]>; N] {
    let mut found = [None; N];
    let mut rest = split_line(head).map(|(_, rest)| rest).unwrap_or_default();
    while let Some((line, behind)) = split_line(rest).filter(|(line, _)| !line.is_empty()) {
        rest = behind;
        let known = field(line).and_then(|(name, value)| Some((known(name)?, value)));
        for (wanted, place) in wanted.iter().zip(&mut found) {
            if let (Some((known, value)), None) = (known, *place)
                && known == *wanted
            {
                *place = Some(value);
            }
        }
    }
    found
}

/// Goes through the values of a field.
pub(crate) struct Values<'a> {
    lines: &'a [u8],
    field: Field,
}

impl<'a> Iterator for Values<'a> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<&'a [u8]> {
        loop {
            let (line, rest) = split_line(self.lines)?;
            self.lines = rest;
            let (name, value) = field(line)?;
            if known(name) == Some(self.field) {
                return Some(value);
            }
        }
    }
}

/// The codings of all fields so far.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Coding {
    /// The last one is chunked.
    Chunked {
        /// Others are below it.
        of_other: bool,
    },
    /// The last one is another: nobody knows where the body ends (RFC 9112, 6.3).
    Other,
}

/// Adds the codings of a field to those of the fields before.
fn transfer_coding(value: &[u8], mut before: Option<Coding>) -> Result<Coding, Status> {
    for name in elements(value) {
        before = Some(match (is_like(name, b"chunked"), before) {
            // Chunked is the last one, and comes once (RFC 9112, 6.1).
            (_, Some(Coding::Chunked { .. })) => return Err(Status::BAD_REQUEST),
            _ if name.is_empty() => return Err(Status::BAD_REQUEST),
            (true, before) => Coding::Chunked { of_other: before.is_some() },
            (false, _) => Coding::Other,
        });
    }
    before.ok_or(Status::BAD_REQUEST)
}

/// Path and query of a target, the authority in it, and whether its scheme is that of TLS, if there are such.
type Parts<'a> = (&'a [u8], &'a [u8], Option<bool>);

/// The parts of a target that does not begin with its path (RFC 9112, 3.2).
fn other_form<'a>(method: &[u8], target: &'a [u8]) -> Result<Parts<'a>, Status> {
    match target {
        _ if method == b"CONNECT" => return Ok((target, &[], None)),
        b"*" if method == b"OPTIONS" => return Ok((target, &[], None)),
        _ => {}
    }
    let colon = target.iter().position(|&byte| byte == b':').ok_or(Status::BAD_REQUEST)?;
    let (scheme, rest) = target.split_at(colon);
    let rest = rest.strip_prefix(b"://").ok_or(Status::BAD_REQUEST)?;
    let is_secure = is_like(scheme, b"https");
    if !is_secure && !is_like(scheme, b"http") {
        return Err(Status::BAD_REQUEST);
    }
    let end = rest.iter().position(|byte| b"/?".contains(byte)).unwrap_or(rest.len());
    let (authority, path) = rest.split_at(end);
    if !is_authority(authority) {
        return Err(Status::BAD_REQUEST);
    }
    match path {
        [b'/', ..] => Ok((path, authority, Some(is_secure))),
        // RFC 9112, 3.2.4
        [] if method == b"OPTIONS" => Ok((b"*", authority, Some(is_secure))),
        // A query without a path would need one in front; nobody sends it.
        [] => Ok((b"/", authority, Some(is_secure))),
        _ => Err(Status::BAD_REQUEST),
    }
}

/// Whether this is a host, which is not empty in HTTP (RFC 9110, 4.2.1), with or without a port (RFC 3986, 3.2).
fn is_authority(text: &[u8]) -> bool {
    // Most are names without escapes.
    let (name, port) = text.split_at_checked(run(NAME, text)).unwrap_or_default();
    !name.is_empty() && is_port(port) || is_rare_authority(text)
}

/// The same for one with an address of IPv6, or with escapes.
#[inline(never)]
fn is_rare_authority(text: &[u8]) -> bool {
    let end = match text {
        [b'[', ..] => text.iter().position(|&byte| byte == b']').map_or(0, |end| end + 1),
        _ => text.iter().position(|&byte| byte == b':').unwrap_or(text.len()),
    };
    let (host, port) = text.split_at(end);
    let is_host = match host {
        [b'[', literal @ .., b']'] => {
            !literal.is_empty() && literal.iter().all(|byte| byte.is_ascii_hexdigit() || b":.".contains(byte))
        }
        _ => !host.is_empty() && is_name(host),
    };
    is_host && is_port(port)
}

fn is_port(port: &[u8]) -> bool {
    match port {
        [] => true,
        [b':', digits @ ..] => digits.len() <= 5 && digits.iter().all(u8::is_ascii_digit),
        _ => false,
    }
}

/// Whether this is a registered name or an address of IPv4: characters that need no escape, or escapes (RFC 3986, 3.2.2).
fn is_name(mut name: &[u8]) -> bool {
    loop {
        name = match name.get(run(NAME, name)..) {
            None | Some([]) => return true,
            Some([b'%', high, low, rest @ ..]) if hexadecimal(*high).and(hexadecimal(*low)).is_some() => rest,
            Some(_) => return false,
        };
    }
}

/// The minor version, at most 1, of which a higher one is understood (RFC 9110, 2.5).
fn version(text: &[u8]) -> Result<u8, Status> {
    match text {
        b"HTTP/1.0" => Ok(0),
        [b'H', b'T', b'T', b'P', b'/', b'1', b'.', b'1'..=b'9'] => Ok(1),
        [b'H', b'T', b'T', b'P', b'/', b'0'..=b'9', b'.', b'0'..=b'9'] => Err(Status::VERSION_NOT_SUPPORTED),
        _ => Err(Status::BAD_REQUEST),
    }
}

fn method(name: &[u8]) -> Method {
    match name {
        b"GET" => Method::Get,
        b"HEAD" => Method::Head,
        b"OPTIONS" => Method::Options,
        b"POST" => Method::Post,
        b"PUT" | b"DELETE" | b"CONNECT" | b"TRACE" | b"PATCH" => Method::NotAllowed,
        _ => Method::Unknown,
    }
}

/// Name and value of a field. `None` where a name is not followed by its colon at once (RFC 9112, 5.1), and for a line that
/// continues another one (5.2).
fn field(line: &[u8]) -> Option<(&[u8], &[u8])> {
    let (name, value) = line.split_at_checked(run(TOKEN, line))?;
    let value = value.strip_prefix(b":")?;
    (!name.is_empty()).then(|| (name, trim(value)))
}

fn known(name: &[u8]) -> Option<Field> {
    // Letters and hyphens have the bit that makes letters small, and no other character of a token becomes one of them by it.
    let is_small = |(&byte, &small): (&u8, &u8)| byte | 0x20 == small;
    let is_it = |known: &&(&str, Field)| {
        known.0.len() == name.len() && name.iter().zip(known.0.as_bytes()).all(is_small)
    };
    FIELDS.iter().find(is_it).map(|known| known.1)
}

/// The first line without its end, and what follows.
#[inline]
fn split_line(text: &[u8]) -> Option<(&[u8], &[u8])> {
    let mut end = run_of_text(text);
    // What is no head may have other control characters in its lines.
    while *text.get(end)? != b'\r' {
        end += 1 + run_of_text(text.get(end + 1..)?);
    }
    Some((text.get(..end)?, text.get(end + 2..)?))
}
