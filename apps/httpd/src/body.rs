//! The body of a request, which is read to its end and forgotten, unless it is to be echoed (RFC 9112, 6 and 7).
//!
//! Each chunk must be what it has to be: where a body ends, the next request begins. Neighbour: `session.rs`
//! hands over what arrives. Invariant: what a body takes is bounded, and found the same however it is cut.

use crate::request::Framing;
use crate::scan::{Bounds, Found, Scan};
use crate::status::Status;
use crate::text::{TOKEN, hexadecimal, push, run};
use alloc::vec::Vec;
use core::cmp::min;

/// Bytes of a body that are read, with what frames its chunks.
pub const BODY_LIMIT: u64 = 64 * 1024;
/// The line in front of a chunk, and the fields behind the last one.
const CHUNK: Bounds = Bounds { line: 256, section: 256 };
const TRAILER: Bounds = Bounds { line: 1024, section: 1024 };
/// The most digits of a chunk's size: more than [`BODY_LIMIT`] needs.
const SIZE_DIGITS: usize = 8;

/// What is left of a body.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Body {
    part: Part,
    /// Bytes that are still read.
    room: u64,
    /// Its contents are kept.
    keeps: bool,
}

#[derive(Clone, Copy, Debug)]
enum Part {
    /// So many bytes, and then the end.
    Bytes(u64),
    /// The line with the size of a chunk.
    Size(Scan),
    /// So many bytes of a chunk, and the end of a line.
    Chunk(u64),
    /// Fields behind the last chunk.
    Trailer(Scan),
    /// It was read to its end.
    End,
}

/// What came of reading a body.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Read {
    /// So many bytes are done with, and more are to come.
    Some(usize),
    /// So many bytes were the last.
    All(usize),
    /// It is not what it must be, or too long.
    Refused(Status),
}

impl Body {
    /// The body of a request, which keeps its contents or does not. `None` if it is longer than is read.
    pub(crate) fn new(framing: Framing, keeps: bool) -> Option<Self> {
        let part = match framing {
            Framing::Length(length) if length > BODY_LIMIT => return None,
            Framing::Length(length) => Part::Bytes(length),
            Framing::Chunked => Part::Size(Scan::default()),
        };
        Some(Self { part, room: BODY_LIMIT, keeps })
    }

    /// Reads on in `bytes`, which begin where the last call ended. What is to be kept of it is added to `kept`.
    pub(crate) fn read(&mut self, bytes: &[u8], kept: &mut Vec<u8>) -> Read {
        let mut done = 0;
        loop {
            if let Part::End | Part::Bytes(0) = self.part {
                return Read::All(done);
            }
            let rest = bytes.get(done..).unwrap_or_default();
            let is_kept = self.keeps && matches!(self.part, Part::Bytes(_) | Part::Chunk(1..));
            let taken = match self.step(rest) {
                Ok(taken) => taken,
                Err(status) => return Read::Refused(status),
            };
            if taken == 0 {
                return Read::Some(done);
            }
            if is_kept && push(kept, rest.get(..taken).unwrap_or_default()).is_none() {
                return Read::Refused(Status::SERVICE_UNAVAILABLE);
            }
            let Some(room) = self.room.checked_sub(taken as u64) else {
                return Read::Refused(Status::CONTENT_TOO_LARGE);
            };
            (self.room, done) = (room, done + taken);
        }
    }

    /// Reads what comes next, if it is there; gives the bytes that it had.
    fn step(&mut self, bytes: &[u8]) -> Result<usize, Status> {
        let room = self.room;
        match &mut self.part {
            Part::Bytes(left) => {
                let taken = min(*left, bytes.len() as u64);
                *left -= taken;
                Ok(taken as usize)
            }
            Part::Size(scan) => {
                let Some(end) = scan.one_line(bytes, CHUNK)? else { return Ok(0) };
                let line = bytes.get(..end).unwrap_or_default();
                self.part = match chunk_size(line).ok_or(Status::BAD_REQUEST)? {
                    0 => Part::Trailer(Scan::default()),
                    // Nobody needs to send it to hear that it is too long.
                    size if size > room => return Err(Status::CONTENT_TOO_LARGE),
                    size => Part::Chunk(size),
                };
                Ok(end + 2)
            }
            Part::Chunk(left @ 1..) => {
                let taken = min(*left, bytes.len() as u64);
                *left -= taken;
                Ok(taken as usize)
            }
            Part::Chunk(0) => match bytes {
                [b'\r', b'\n', ..] => {
                    self.part = Part::Size(Scan::default());
                    Ok(2)
                }
                [] | [b'\r'] => Ok(0),
                _ => Err(Status::BAD_REQUEST),
            },
            Part::Trailer(scan) => match scan.section(bytes, TRAILER) {
                Found::Incomplete => Ok(0),
                Found::End(end) if is_trailer(bytes.get(..end).unwrap_or_default()) => {
                    self.part = Part::End;
                    Ok(end)
                }
                Found::LongFirstLine | Found::TooLong => Err(Status::FIELDS_TOO_LARGE),
                _ => Err(Status::BAD_REQUEST),
            },
            Part::End => Ok(0),
        }
    }
}

/// The size in front of a chunk (RFC 9112, 7.1).
fn chunk_size(line: &[u8]) -> Option<u64> {
    let end = line.iter().position(|byte| !byte.is_ascii_hexdigit()).unwrap_or(line.len());
    let (digits, extensions) = line.split_at_checked(end)?;
    if digits.is_empty() || digits.len() > SIZE_DIGITS || !are_extensions(extensions) {
        return None;
    }
    digits.iter().try_fold(0, |size, &digit| Some(size << 4 | u64::from(hexadecimal(digit)?)))
}

/// Whether these are extensions of a chunk, each with a name and perhaps a value (RFC 9112, 7.1.1). They mean nothing here.
fn are_extensions(mut text: &[u8]) -> bool {
    loop {
        if text.is_empty() {
            return true;
        }
        let Some(rest) = skip_space(text).strip_prefix(b";").map(skip_space) else { return false };
        let Some(rest) = skip_token(rest) else { return false };
        text = match skip_space(rest).strip_prefix(b"=").map(skip_space) {
            None => rest,
            Some([b'"', quoted @ ..]) => match skip_quoted(quoted) {
                Some(rest) => rest,
                None => return false,
            },
            Some(value) => match skip_token(value) {
                Some(rest) => rest,
                None => return false,
            },
        };
    }
}

fn skip_space(text: &[u8]) -> &[u8] {
    let end = text.iter().position(|byte| !b" \t".contains(byte)).unwrap_or(text.len());
    text.get(end..).unwrap_or_default()
}

/// What follows a token; `None` if there is none.
fn skip_token(text: &[u8]) -> Option<&[u8]> {
    let end = run(TOKEN, text);
    if end == 0 { None } else { text.get(end..) }
}

/// What follows the rest of a quoted string (RFC 9110, 5.6.4).
fn skip_quoted(mut text: &[u8]) -> Option<&[u8]> {
    loop {
        match text {
            [b'"', rest @ ..] => return Some(rest),
            [b'\\', _, rest @ ..] | [_, rest @ ..] => text = rest,
            [] => return None,
        }
    }
}

/// Whether each line has a name, a colon, and anything.
fn is_trailer(lines: &[u8]) -> bool {
    let mut lines = lines.split(|&byte| byte == b'\n');
    lines
        .all(|line| matches!(line, [] | b"\r") || skip_token(line).is_some_and(|rest| rest.starts_with(b":")))
}
