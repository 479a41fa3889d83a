//! Ethernet frames: what fields they have, and how these are rewritten.
//!
//! [`parse`] reads a frame once, [`rewrite`] changes it in place, [`tags`] puts tags in and takes them out. All of them look at
//! the first [`HEAD`] octets alone.

mod checksum;
pub mod parse;
pub mod rewrite;
pub mod tags;

pub(crate) use checksum::complete;

/// Octets at the start of a frame within which headers are looked for and rewritten.
pub const HEAD: usize = 256;

/// A frame in a buffer with room in front of it.
///
/// It begins at its destination address and ends without a frame check sequence. Who implements it for a buffer with work left
/// to do (a checksum, segments) moves the places that this names when the front moves.
pub trait Frame {
    /// Its octets, at least the first [`HEAD`] of them; those of further buffers may be missing.
    fn bytes(&self) -> &[u8];

    /// The same, to be written.
    fn bytes_mut(&mut self) -> &mut [u8];

    /// Takes `count` octets of the room in front, with whatever they held. False, and nothing changes, if there is less.
    fn grow_front(&mut self, count: usize) -> bool;

    /// Drops the first `count` octets. False, and nothing changes, if there are fewer.
    fn trim_front(&mut self, count: usize) -> bool;

    /// Makes [`Frame::bytes`] so long; what comes in holds whatever was there. False, and nothing changes, if there is no room.
    fn set_len(&mut self, length: usize) -> bool;

    /// Its length, with what [`Frame::bytes`] does not show.
    fn total_len(&self) -> usize {
        self.bytes().len()
    }

    /// Where a checksum stands, in octets from the start, that is only that of a pseudo header, not inverted, and to which the rest is
    /// added when it is sent. Of a packet in a tunnel that is the inner one: the outer one is complete.
    fn unfinished(&self) -> Option<usize> {
        None
    }

    /// Whether [`Frame::bytes`] shows all of it, and nothing is left to do about that.
    fn is_whole(&self) -> bool {
        true
    }

    /// Writes all its octets into `out`, in place of what is there, as they would be on a wire. False without memory for it.
    fn write_whole(&self, out: &mut alloc::vec::Vec<u8>) -> bool {
        refill(out, core::iter::once(self.bytes()), self.total_len())
    }

    /// What it is, for whoever knows more of it than this: the octets that [`Frame::bytes`] does not show, and the work left to do.
    fn as_any(&self) -> Option<&dyn core::any::Any> {
        None
    }
}

/// Holds what the parts hold, `length` octets in all, in place of what `out` held. False without memory for it.
pub(crate) fn refill<'p>(
    out: &mut alloc::vec::Vec<u8>,
    parts: impl Iterator<Item = &'p [u8]>,
    length: usize,
) -> bool {
    out.clear();
    let has_room = out.try_reserve(length).is_ok();
    if has_room {
        parts.for_each(|part| out.extend_from_slice(part));
    }
    has_room
}

/// A frame in memory of its own, for those that come from a controller.
#[derive(Debug, Default)]
pub struct Copied {
    octets: alloc::vec::Vec<u8>,
    start: usize,
}

impl Copied {
    /// Room in front: some tags of the largest kind.
    const ROOM: usize = 128;

    /// Holds a copy of `bytes` in place of what it held. False, and it is empty, without memory for it.
    pub fn fill(&mut self, bytes: &[u8]) -> bool {
        self.octets.clear();
        self.start = 0;
        if self.octets.try_reserve(Self::ROOM + bytes.len()).is_err() {
            return false;
        }
        self.octets.resize(Self::ROOM, 0);
        self.octets.extend_from_slice(bytes);
        self.start = Self::ROOM;
        true
    }
}

impl Frame for Copied {
    fn bytes(&self) -> &[u8] {
        self.octets.get(self.start..).unwrap_or_default()
    }

    fn bytes_mut(&mut self) -> &mut [u8] {
        self.octets.get_mut(self.start..).unwrap_or_default()
    }

    fn grow_front(&mut self, count: usize) -> bool {
        let start = self.start.checked_sub(count);
        self.start = start.unwrap_or(self.start);
        start.is_some()
    }

    fn trim_front(&mut self, count: usize) -> bool {
        let fits = count <= self.bytes().len();
        self.start += if fits { count } else { 0 };
        fits
    }

    fn set_len(&mut self, length: usize) -> bool {
        let end = self.start + length;
        let has_room = self.octets.try_reserve(end.saturating_sub(self.octets.len())).is_ok();
        if has_room {
            self.octets.resize(end, 0);
        }
        has_room
    }
}
