//! How messages travel: each in a frame of its own, so that either side can begin in the middle of a stream.
//!
//! A message is its number and then itself, in postcard's wire format; a frame is that in COBS (Cheshire and Baker,
//! Consistent Overhead Byte Stuffing, IEEE/ACM Transactions on Networking 7(2), 1999) with a zero byte behind it. No zero
//! occurs inside a frame: whoever joins late, or loses its place, skips to the next zero.

use postcard::ser_flavors::Flavor;
use postcard::{Error, Result};
use serde::{Deserialize, Serialize};

/// The most bytes of an encoded request.
pub const REQUEST_LIMIT: usize = 256;
/// The most bytes of an encoded reply: a captured frame and what belongs to it.
pub const REPLY_LIMIT: usize = 1600;

/// Writes a message and its number as a frame to the beginning of `room`; the length of the frame. `None` where there is
/// too little room.
pub fn encode<M: Serialize>(number: u32, message: &M, room: &mut [u8]) -> Option<usize> {
    postcard::serialize_with_flavor(&(number, message), Stuffed::new(room)?).ok()
}

/// A frame that is being written: bytes without a zero, each block of them behind its length. Most bytes come one by one,
/// from many places, so what takes one stands in the image once, and whether all found room is said at the end.
pub(crate) struct Stuffed<'a> {
    room: &'a mut [u8],
    length: usize,
    /// Where the length of the current block will stand.
    block: usize,
    full: bool,
}

impl<'a> Stuffed<'a> {
    /// At the beginning of `room`. `None` where there is none.
    pub(crate) fn new(room: &'a mut [u8]) -> Option<Self> {
        *room.first_mut()? = 0;
        Some(Self { room, length: 1, block: 0, full: false })
    }

    fn put(&mut self, byte: u8) {
        match self.room.get_mut(self.length) {
            Some(place) => {
                *place = byte;
                self.length += 1;
            }
            None => self.full = true,
        }
    }

    /// Ends the current block. The zero behind it is where the next one's length will stand, or the end of the frame.
    fn end_block(&mut self) {
        if let Some(place) = self.room.get_mut(self.block) {
            *place = (self.length - self.block) as u8;
        }
        self.block = self.length;
        self.put(0);
    }

    #[inline(never)]
    pub(crate) fn byte(&mut self, byte: u8) {
        if byte != 0 {
            self.put(byte);
        }
        // A block has a zero behind it, unless it is of the greatest length.
        if byte == 0 || self.length - self.block == 255 {
            self.end_block();
        }
    }

    #[cfg(feature = "guest")]
    #[inline(never)]
    pub(crate) fn bytes(&mut self, bytes: &[u8]) {
        bytes.iter().for_each(|byte| self.byte(*byte));
    }

    /// Ends the frame; its length, if all of it found room.
    pub(crate) fn finish(mut self) -> Option<usize> {
        self.end_block();
        (!self.full).then_some(self.length)
    }
}

impl Flavor for Stuffed<'_> {
    type Output = usize;

    fn try_push(&mut self, byte: u8) -> Result<()> {
        self.byte(byte);
        Ok(())
    }

    fn finalize(self) -> Result<usize> {
        self.finish().ok_or(Error::SerializeBufferFull)
    }
}

/// Reads the contents of a frame: the number, and the message where it is one. `None` where not even the number can be
/// read.
pub fn decode<'a, M: Deserialize<'a>>(contents: &'a [u8]) -> Option<(u32, Option<M>)> {
    let (number, rest) = postcard::take_from_bytes::<u32>(contents).ok()?;
    let message = postcard::take_from_bytes::<M>(rest).ok();
    Some((number, message.filter(|(_, rest)| rest.is_empty()).map(|(message, _)| message)))
}

/// Cuts a stream of bytes into frames of at most `LIMIT` encoded bytes, and undoes their encoding.
pub struct Decoder<const LIMIT: usize> {
    contents: [u8; LIMIT],
    length: usize,
    /// Bytes of the current block still to come, and whether a zero follows it.
    block: u8,
    zero: bool,
    /// What has come since the last zero is no frame; it is skipped.
    broken: bool,
    begun: bool,
}

impl<const LIMIT: usize> Decoder<LIMIT> {
    /// At the beginning of a stream.
    pub const fn new() -> Self {
        Self { contents: [0; LIMIT], length: 0, block: 0, zero: false, broken: false, begun: false }
    }

    /// Takes bytes up to the end of the next frame: how many it took, and the frame's contents if it is complete. An
    /// empty frame is none. Contents that were no frame come as an empty slice, which no message is.
    pub fn feed(&mut self, bytes: &[u8]) -> (usize, Option<&[u8]>) {
        for (index, byte) in bytes.iter().enumerate() {
            if *byte != 0 {
                self.take(*byte);
                continue;
            }
            let (begun, whole) = (self.begun, !self.broken && self.block == 0);
            let length = if whole { self.length } else { 0 };
            self.restart();
            if begun {
                return (index + 1, self.contents.get(..length));
            }
        }
        (bytes.len(), None)
    }

    /// Forgets what has come since the last frame.
    pub fn restart(&mut self) {
        (self.length, self.block, self.zero, self.broken, self.begun) = (0, 0, false, false, false);
    }

    /// Takes one byte that is not zero.
    fn take(&mut self, byte: u8) {
        self.begun = true;
        if self.block > 0 {
            self.block -= 1;
            self.push(byte);
            return;
        }
        // A block's code is its length and one; all but the longest have a zero behind them, and so has no last one.
        if self.zero {
            self.push(0);
        }
        self.block = byte - 1;
        self.zero = byte != u8::MAX;
    }

    fn push(&mut self, byte: u8) {
        match self.contents.get_mut(self.length) {
            Some(place) => {
                *place = byte;
                self.length += 1;
            }
            None => self.broken = true,
        }
    }
}

impl<const LIMIT: usize> Default for Decoder<LIMIT> {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Direction, Frame, Reply, Request};
    use std::vec;
    use std::vec::Vec;

    fn frames<const LIMIT: usize>(decoder: &mut Decoder<LIMIT>, mut bytes: &[u8]) -> Vec<Vec<u8>> {
        let mut found = Vec::new();
        while !bytes.is_empty() {
            let (used, frame) = decoder.feed(bytes);
            found.extend(frame.map(<[u8]>::to_vec));
            bytes = &bytes[used..];
        }
        found
    }

    fn encoded(number: u32, message: &impl Serialize) -> Vec<u8> {
        let mut room = [0; REPLY_LIMIT];
        let length = encode(number, message, &mut room).unwrap();
        room[..length].to_vec()
    }

    #[test]
    fn a_message_arrives_as_it_was_sent_whatever_the_pieces() {
        for length in [0, 1, 253, 254, 255, 508, 509, 1536] {
            let bytes: Vec<u8> = (0..length).map(|index| (index % 7) as u8).collect();
            let frame = Frame { time: 1 << 40, direction: Direction::Sent, length: 9000, bytes: &bytes };
            let stream = encoded(u32::MAX, &Reply::Frame(frame));
            for piece in [1, 7, stream.len()] {
                let mut decoder = Decoder::<REPLY_LIMIT>::new();
                let found: Vec<_> =
                    stream.chunks(piece).flat_map(|piece| frames(&mut decoder, piece)).collect();
                assert_eq!(found.len(), 1, "{length} bytes in pieces of {piece}");
                assert_eq!(decode(&found[0]), Some((u32::MAX, Some(Reply::Frame(frame)))));
            }
        }
    }

    #[test]
    fn the_longest_message_of_either_side_fits() {
        let bytes = [1; crate::CAPTURE_LIMIT as usize];
        let frame = Frame { time: u64::MAX, direction: Direction::Sent, length: u32::MAX, bytes: &bytes };
        assert!(encode(u32::MAX, &Reply::Frame(frame), &mut [0; REPLY_LIMIT]).is_some());
        let target = core::str::from_utf8(&[b'm'; 200]).unwrap();
        let request = Request::SetLevel { target, level: Some(crate::Level::Trace) };
        assert!(encode(u32::MAX, &request, &mut [0; REQUEST_LIMIT]).is_some());
        let words = "w".repeat(crate::ASK_LIMIT);
        let request = Request::Ask { words: &words };
        assert!(encode(u32::MAX, &request, &mut [0; REQUEST_LIMIT]).is_some());
        let line = "l".repeat(crate::LINE_LIMIT);
        let line = Reply::Line { text: &line, cut: true };
        assert!(encode(u32::MAX, &line, &mut [0; REPLY_LIMIT]).is_some());
    }

    #[test]
    fn whoever_joins_late_finds_the_next_frame() {
        let stream = [encoded(1, &Request::Tasks), encoded(2, &Request::Facts)].concat();
        let mut decoder = Decoder::<REQUEST_LIMIT>::new();
        let found = frames(&mut decoder, &stream[2..]);
        assert_eq!(found.len(), 2);
        assert_ne!(decode::<Request<'_>>(&found[0]), Some((1, Some(Request::Tasks))));
        assert_eq!(decode(&found[1]), Some((2, Some(Request::Facts))));
    }

    #[test]
    fn a_frame_that_is_too_long_or_cut_is_nothing_and_the_next_one_is_read() {
        let next = encoded(3, &Request::Levels);
        for broken in [vec![1; 1000], vec![9, 1], vec![0xff; 300], vec![1, 1, 1, 200]] {
            let mut decoder = Decoder::<REQUEST_LIMIT>::new();
            let found = frames(&mut decoder, &[&broken[..], &[0], &next[..]].concat());
            assert_eq!(found.len(), 2, "{broken:?}");
            assert_eq!(decode(&found[1]), Some((3, Some(Request::Levels))));
        }
    }

    #[test]
    fn zeros_between_frames_are_nothing() {
        let mut decoder = Decoder::<REQUEST_LIMIT>::new();
        assert!(frames(&mut decoder, &[0, 0, 0]).is_empty());
    }

    #[test]
    fn a_number_with_an_unknown_request_keeps_its_number() {
        assert_eq!(decode::<Request<'_>>(&[5, 200]), Some((5, None)));
        assert_eq!(decode::<Request<'_>>(&[5, 2, 0]), Some((5, None)), "something behind the request");
        assert_eq!(decode::<Request<'_>>(&[]), None);
    }
}
