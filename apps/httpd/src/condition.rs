//! Conditions on a request (RFC 9110, 13): whether the client has what it asks for, or believes something else to be here.

use crate::date;
use crate::request::{Field, Request, Values};

/// What tells one state of a representation from another.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Validators<'a> {
    /// A strong entity tag, in its quotes.
    pub(crate) etag: &'a [u8],
    /// When it was modified, in seconds since the Unix epoch, if that is known.
    pub(crate) modified: Option<u32>,
}

/// What becomes of a request with conditions.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Outcome {
    /// It is answered as if there were none.
    Proceed,
    /// The client has it already.
    NotModified,
    /// It is not to be answered.
    Failed,
}

/// Evaluates the conditions of a GET or HEAD in their order (RFC 9110, 13.2.2).
pub(crate) fn evaluate(request: &Request<'_>, validators: Validators<'_>) -> Outcome {
    let moment = |field| request.value(field).and_then(date::parse);
    let modified = validators.modified.map(u64::from);
    if request.has(Field::IfMatch) {
        if !is_among(request.values(Field::IfMatch), validators.etag, Comparison::Strong) {
            return Outcome::Failed;
        }
    } else if let Some((modified, since)) = modified.zip(moment(Field::IfUnmodifiedSince))
        && modified > since
    {
        return Outcome::Failed;
    }
    if request.has(Field::IfNoneMatch) {
        if is_among(request.values(Field::IfNoneMatch), validators.etag, Comparison::Weak) {
            return Outcome::NotModified;
        }
    } else if let Some((modified, since)) = modified.zip(moment(Field::IfModifiedSince))
        && modified <= since
    {
        return Outcome::NotModified;
    }
    Outcome::Proceed
}

/// Whether a range may be sent at this second, as far as `If-Range` has something to say (RFC 9110, 13.1.5). A date says nothing
/// where contents may have changed twice in the second that it names (8.8.2.2).
pub(crate) fn allows_range(request: &Request<'_>, validators: Validators<'_>, wall: Option<u64>) -> bool {
    if !request.has(Field::IfRange) {
        return true;
    }
    let Some(value) = request.value(Field::IfRange) else { return false };
    match date::parse(value) {
        Some(moment) => validators.modified.map(u64::from) == Some(moment) && wall > Some(moment),
        None => value == validators.etag,
    }
}

/// How entity tags are compared (RFC 9110, 8.8.3.2).
#[derive(Clone, Copy, PartialEq, Eq)]
enum Comparison {
    Strong,
    Weak,
}

/// Whether `etag` is in a list, or the list stands for everything. One that cannot be read ends there.
fn is_among(values: Values<'_>, etag: &[u8], comparison: Comparison) -> bool {
    values.into_iter().any(|value| value == b"*" || is_in(value, etag, comparison))
}

fn is_in(mut list: &[u8], etag: &[u8], comparison: Comparison) -> bool {
    loop {
        list = match list {
            [b' ' | b'\t' | b',', rest @ ..] => rest,
            [b'W', b'/', rest @ ..] => match split_quoted(rest) {
                Some((tag, _)) if tag == etag && comparison == Comparison::Weak => return true,
                Some((_, rest)) => rest,
                None => return false,
            },
            _ => match split_quoted(list) {
                Some((tag, _)) if tag == etag => return true,
                Some((_, rest)) => rest,
                None => return false,
            },
        };
    }
}

/// What stands in quotes at the start, with them, and what follows.
fn split_quoted(text: &[u8]) -> Option<(&[u8], &[u8])> {
    let end = text.strip_prefix(b"\"")?.iter().position(|&byte| byte == b'"')?;
    text.split_at_checked(end + 2)
}
