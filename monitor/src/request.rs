//! Reading requests in an image.
//!
//! The bytes are those that postcard's reader understands, and no others; this one takes less than half the room in an image.

use crate::message::{Level, Request};

/// Reads the contents of a frame as [`frame::decode`](crate::frame::decode) does.
pub(crate) fn read(contents: &[u8]) -> Option<(u32, Option<Request<'_>>)> {
    let mut reader = Reader(contents);
    let number = reader.number(32)?;
    let request = reader.request();
    Some((number, request.filter(|_| reader.0.is_empty())))
}

/// What is not read yet.
struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn request(&mut self) -> Option<Request<'a>> {
        Some(match self.number(32)? {
            0 => Request::Hello { version: self.number(16)? as u16 },
            1 => Request::Facts,
            2 => Request::Tasks,
            3 => Request::Counters,
            4 => Request::Sockets,
            5 => Request::Interfaces,
            6 => Request::Log { follow: self.flag()? },
            7 => Request::Levels,
            8 => Request::SetLevel { target: self.text()?, level: self.level()? },
            9 => Request::Capture { interface: self.text()?, length: self.number(16)? as u16 },
            10 => Request::Stop { request: self.number(32)? },
            11 => Request::End { reboot: self.flag()? },
            12 => Request::Commands,
            13 => Request::Ask { words: self.text()? },
            _ => return None,
        })
    }

    fn byte(&mut self) -> Option<u8> {
        let (first, rest) = self.0.split_first()?;
        self.0 = rest;
        Some(*first)
    }

    /// A number of at most so many bits: seven in each byte, the lowest first, and a one above them where more follow.
    #[inline(never)]
    fn number(&mut self, bits: u32) -> Option<u32> {
        let mut value = 0_u64;
        for place in (0..bits).step_by(7) {
            let byte = self.byte()?;
            value |= u64::from(byte & 0x7f) << place;
            if byte < 0x80 {
                return (value >> bits == 0).then_some(value as u32);
            }
        }
        None
    }

    #[inline(never)]
    fn flag(&mut self) -> Option<bool> {
        let byte = self.byte()?;
        (byte < 2).then_some(byte == 1)
    }

    #[inline(never)]
    fn text(&mut self) -> Option<&'a str> {
        let length = self.number(32)?;
        let (text, rest) = self.0.split_at_checked(length as usize)?;
        self.0 = rest;
        str::from_utf8(text).ok()
    }

    /// A level or none.
    fn level(&mut self) -> Option<Option<Level>> {
        const LEVELS: [Level; 6] =
            [Level::Off, Level::Error, Level::Warn, Level::Info, Level::Debug, Level::Trace];
        if !self.flag()? {
            return Some(None);
        }
        let level = self.number(32)?;
        LEVELS.get(level as usize).copied().map(Some)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::frame::{Decoder, REQUEST_LIMIT, decode, encode};
    use std::vec::Vec;

    fn contents(request: &Request<'_>) -> Vec<u8> {
        let mut room = [0; REQUEST_LIMIT];
        let length = encode(300, request, &mut room).unwrap();
        Decoder::<REQUEST_LIMIT>::new().feed(&room[..length]).1.unwrap().to_vec()
    }

    fn requests() -> Vec<Request<'static>> {
        let mut all = std::vec![
            Request::Hello { version: u16::MAX },
            Request::Facts,
            Request::Tasks,
            Request::Counters,
            Request::Sockets,
            Request::Interfaces,
            Request::Log { follow: true },
            Request::Levels,
            Request::SetLevel { target: "", level: None },
            Request::Capture { interface: "net0", length: 1536 },
            Request::Stop { request: u32::MAX },
            Request::End { reboot: false },
            Request::Commands,
            Request::Ask { words: "reload exämple.org" },
        ];
        let levels = [Level::Off, Level::Error, Level::Warn, Level::Info, Level::Debug, Level::Trace];
        all.extend(levels.map(|level| Request::SetLevel { target: "unik_net::täg", level: Some(level) }));
        all
    }

    #[test]
    fn every_request_is_read_as_it_was_asked() {
        for request in requests() {
            assert_eq!(read(&contents(&request)), Some((300, Some(request))));
        }
    }

    #[test]
    fn whatever_the_bytes_are_they_are_read_as_postcard_reads_them() {
        for request in requests() {
            let whole = contents(&request);
            for length in 0..=whole.len() {
                assert_eq!(read(&whole[..length]), decode(&whole[..length]), "{request:?} cut at {length}");
            }
            for (index, byte) in (0..whole.len()).flat_map(|index| (0..=255).map(move |byte| (index, byte))) {
                let mut changed = whole.clone();
                changed[index] = byte;
                assert_eq!(read(&changed), decode(&changed), "{changed:?}");
                changed.insert(index, byte | 0x80);
                assert_eq!(read(&changed), decode(&changed), "{changed:?}");
            }
        }
    }
}
