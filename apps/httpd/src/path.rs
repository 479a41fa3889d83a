//! From the path of a target to the path of a file: escapes undone once, `.` and `..` resolved.
//!
//! What comes out only ever names something in the tree of files, or nothing: it is looked up, not walked.

use crate::status::Status;
use crate::text::hexadecimal;
use alloc::vec::Vec;

/// The path of a file, without the leading slash, that `raw` stands for; empty for the root, and with a slash at its end where
/// a directory is asked for. It is written into `space` unless `raw` has it as it is.
///
/// # Errors
/// [`Status::BAD_REQUEST`] for what is no escape, and for what lies above the root; [`Status::NOT_FOUND`] for a name with a slash in it,
/// which no file has; [`Status::SERVICE_UNAVAILABLE`] if there is no memory.
#[inline(always)]
pub(crate) fn resolve<'a>(raw: &'a [u8], space: &'a mut Vec<u8>) -> Result<&'a [u8], Status> {
    let path = raw.strip_prefix(b"/").ok_or(Status::NOT_FOUND)?;
    if is_plain(path) {
        return Ok(path);
    }
    undo(path, space)?;
    Ok(space)
}

/// Whether nothing is to be undone: no escape, no empty segment but the last, and none that begins with a dot.
fn is_plain(path: &[u8]) -> bool {
    let mut before = b'/';
    for &byte in path {
        if byte == b'%' || before == b'/' && (byte == b'/' || byte == b'.') {
            return false;
        }
        before = byte;
    }
    true
}

#[inline(never)]
fn undo(path: &[u8], out: &mut Vec<u8>) -> Result<(), Status> {
    out.clear();
    // It only gets shorter.
    out.try_reserve(path.len()).map_err(|_| Status::SERVICE_UNAVAILABLE)?;
    let mut segments = path.split(|&byte| byte == b'/').peekable();
    while let Some(segment) = segments.next() {
        let start = out.len();
        unescape(segment, out)?;
        match out.get(start..).unwrap_or_default() {
            // RFC 3986, 5.2.4, and what is written twice is meant once.
            b"" | b"." => out.truncate(start),
            b".." => {
                let above = out.get(..start.saturating_sub(1)).filter(|_| start > 0);
                let above = above.ok_or(Status::BAD_REQUEST)?;
                let end = above.iter().rposition(|&byte| byte == b'/').map_or(0, |slash| slash + 1);
                out.truncate(end);
            }
            name if name.contains(&0) => return Err(Status::BAD_REQUEST),
            name if name.contains(&b'/') => return Err(Status::NOT_FOUND),
            _ if segments.peek().is_some() => out.push(b'/'),
            _ => {}
        }
    }
    Ok(())
}

/// Appends a segment without its escapes, for which there is room (RFC 3986, 2.1).
fn unescape(mut segment: &[u8], out: &mut Vec<u8>) -> Result<(), Status> {
    loop {
        segment = match segment {
            [] => return Ok(()),
            [b'%', high, low, rest @ ..] => {
                let byte = hexadecimal(*high).zip(hexadecimal(*low)).map(|(high, low)| high << 4 | low);
                out.push(byte.ok_or(Status::BAD_REQUEST)?);
                rest
            }
            [b'%', ..] => return Err(Status::BAD_REQUEST),
            [byte, rest @ ..] => {
                out.push(*byte);
                rest
            }
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn resolved(raw: &str) -> Result<std::string::String, Status> {
        let mut space = Vec::new();
        resolve(raw.as_bytes(), &mut space)
            .map(|path| std::string::String::from_utf8_lossy(path).into_owned())
    }

    #[test]
    fn escapes_are_undone_once() {
        for (raw, path) in [
            ("/", ""),
            ("/a.html", "a.html"),
            ("/a%20b", "a b"),
            ("/%61%2Ehtml", "a.html"),
            ("/100%2525", "100%25"),
            ("/%c3%a4", "ä"),
        ] {
            assert_eq!(resolved(raw).as_deref(), Ok(path), "{raw}");
        }
        for raw in ["/%", "/%2", "/%2x", "/%x2", "/a%", "/%%20", "/a%00b", "/%u0041"] {
            assert_eq!(resolved(raw), Err(Status::BAD_REQUEST), "{raw}");
        }
    }

    #[test]
    fn dots_and_doubled_slashes_are_resolved() {
        for (raw, path) in [
            ("/a/./b", "a/b"),
            ("/a/../b", "b"),
            ("/a/b/..", "a/"),
            ("/a/b/../..", ""),
            ("/a/b/.", "a/b/"),
            ("//a///b//", "a/b/"),
            ("/./", ""),
            ("/%2e/a", "a"),
            ("/a/%2E%2e/b", "b"),
            ("/.well-known/x", ".well-known/x"),
            ("/...", "..."),
            ("/a..b/", "a..b/"),
        ] {
            assert_eq!(resolved(raw).as_deref(), Ok(path), "{raw}");
        }
    }

    #[test]
    fn nothing_leads_out_of_the_tree() {
        for raw in ["/..", "/../a", "/a/../..", "/a/../../b", "/%2e%2e/a", "/.%2e", "//..", "/./../x"] {
            assert_eq!(resolved(raw), Err(Status::BAD_REQUEST), "{raw}");
        }
        for raw in ["/..%2fa", "/a%2f..%2f..%2fb", "/%2f", "*", "", "a"] {
            assert_eq!(resolved(raw), Err(Status::NOT_FOUND), "{raw}");
        }
        // Escaped twice it is a name like any other, which no file has.
        assert_eq!(resolved("/%252e%252e/a").as_deref(), Ok("%2e%2e/a"));
        assert_eq!(resolved("/..\\a").as_deref(), Ok("..\\a"));
    }
}
