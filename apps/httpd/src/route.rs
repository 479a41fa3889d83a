//! The host that a request is for, and where the site leads it instead.

use crate::configuration::{NAME_LENGTH, Redirect};
use crate::site::Site;
use crate::text::is_like;

impl<'a> Site<'a> {
    /// The number of the host with the name in `authority`, or of that which has all other names; `None` where those are refused.
    /// A name goes before those with a `*`, and of these the longest.
    #[inline(never)]
    pub(crate) fn host_of(&self, authority: &[u8]) -> Option<usize> {
        let name = name(authority);
        let mut best = (0, None);
        for &(known, number) in &self.configuration.names {
            let known = known.as_bytes();
            // With its dot, and behind something.
            let (end, weight, is_whole) = match known.strip_prefix(b"*") {
                Some(end) => (end, end.len(), false),
                None => (known, usize::MAX, true),
            };
            if let Some(start) = name.len().checked_sub(end.len())
                && (start == 0) == is_whole
                && weight > best.0
                && is_like(name.get(start..).unwrap_or_default(), end)
            {
                best = (weight, Some(number));
            }
        }
        let others = Some(0).filter(|_| !self.configuration.refuses_unknown);
        best.1.or(others)
    }

    /// The first redirect for `path` of a host, and what of the path is put behind it.
    pub(crate) fn redirect<'p>(&self, host: usize, path: &'p [u8]) -> Option<(Redirect<'a>, &'p [u8])> {
        let redirects = self.configuration.redirects.iter();
        redirects.copied().find_map(|redirect| Some((redirect, redirect.scope.rest(host, path)?)))
    }
}

/// The name in an authority, without a port and the dot of the root (RFC 3986, 3.2.2); empty for one that nobody can have.
fn name(authority: &[u8]) -> &[u8] {
    let end = match authority {
        [b'[', ..] => authority.iter().position(|&byte| byte == b']').map_or(0, |end| end + 1),
        _ => authority.iter().position(|&byte| byte == b':').unwrap_or(authority.len()),
    };
    let name = authority.get(..end).unwrap_or_default();
    let name = name.strip_suffix(b".").unwrap_or(name);
    if name.len() > NAME_LENGTH { b"" } else { name }
}
