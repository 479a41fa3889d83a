//! Frames on a stream of bytes: the length in 4 bytes, most significant first, then the frame.
//!
//! That is how QEMU carries Ethernet over stream sockets (`-netdev stream`, `-netdev socket`; net/net.c,
//! `net_fill_rstate`). Nothing here does input or output: [`Decoder`] is given bytes and asked for frames.

/// The bytes in front of a frame.
pub(crate) const PREFIX: usize = 4;

/// The longest frame that a peer may announce, as in QEMU (net/net.h, `NET_BUFSIZE`): beyond it the stream is no longer
/// understood.
pub(crate) const FRAME_LIMIT: usize = 4096 + 65536;

/// The bytes kept at once; a frame of any use is much shorter.
const SIZE: usize = 65536;

/// Takes a stream apart into frames.
pub(crate) struct Decoder {
    bytes: Box<[u8]>,
    /// What was put in and not taken out lies here.
    start: usize,
    end: usize,
    /// Bytes of a frame that is passed over which are still to come.
    to_skip: usize,
    /// The longest frame wanted.
    limit: usize,
}

/// What comes next on a stream.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Next<'a> {
    /// A whole frame.
    Frame(&'a [u8]),
    /// A frame begins here that is longer than wanted. It is passed over.
    TooLong,
    /// More bytes are needed.
    Nothing,
    /// No frame can be that long: what follows cannot be understood.
    Broken,
}

impl Decoder {
    /// For frames of at most `limit` bytes.
    pub(crate) fn new(limit: usize) -> Self {
        let limit = limit.min(SIZE - PREFIX);
        Self { bytes: vec![0; SIZE].into(), start: 0, end: 0, to_skip: 0, limit }
    }

    /// Where the next bytes of the stream go; never empty while [`next`](Self::next) answers `Nothing`.
    pub(crate) fn space(&mut self) -> &mut [u8] {
        if self.start > 0 {
            self.bytes.copy_within(self.start..self.end, 0);
            self.end -= self.start;
            self.start = 0;
        }
        &mut self.bytes[self.end..]
    }

    /// `count` bytes were put at the front of [`space`](Self::space).
    pub(crate) fn put(&mut self, count: usize) {
        self.end = (self.end + count).min(self.bytes.len());
    }

    /// Whether [`next`](Self::next) would answer something else than `Nothing`.
    pub(crate) fn has_next(&self) -> bool {
        let available = self.end - self.start;
        if self.to_skip >= available {
            return false;
        }
        let rest = &self.bytes[self.start + self.to_skip..self.end];
        length(rest).is_some_and(|length| length > self.limit || length <= rest.len() - PREFIX)
    }

    pub(crate) fn next(&mut self) -> Next<'_> {
        let skipped = self.to_skip.min(self.end - self.start);
        self.start += skipped;
        self.to_skip -= skipped;
        let rest = &self.bytes[self.start..self.end];
        let Some(length) = length(rest) else { return Next::Nothing };
        if length > FRAME_LIMIT {
            return Next::Broken;
        }
        if length > self.limit {
            self.to_skip = PREFIX + length;
            // What is here already goes at once, so that a prefix is not read twice.
            let skipped = self.to_skip.min(rest.len());
            self.start += skipped;
            self.to_skip -= skipped;
            return Next::TooLong;
        }
        match rest.get(PREFIX..PREFIX + length) {
            Some(frame) => {
                self.start += PREFIX + length;
                Next::Frame(frame)
            }
            None => Next::Nothing,
        }
    }
}

/// What goes in front of a frame of that length.
pub(crate) fn prefix(length: usize) -> [u8; PREFIX] {
    u32::try_from(length).unwrap_or(u32::MAX).to_be_bytes()
}

fn length(bytes: &[u8]) -> Option<usize> {
    bytes.first_chunk().map(|prefix| u32::from_be_bytes(*prefix) as usize)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn feed(decoder: &mut Decoder, bytes: &[u8]) {
        decoder.space()[..bytes.len()].copy_from_slice(bytes);
        decoder.put(bytes.len());
    }

    fn framed(frame: &[u8]) -> Vec<u8> {
        [&prefix(frame.len())[..], frame].concat()
    }

    /// All that comes when the stream arrives in pieces of `step` bytes, too-long frames as `None`.
    fn frames(stream: &[u8], step: usize, limit: usize) -> Vec<Option<Vec<u8>>> {
        let mut decoder = Decoder::new(limit);
        let mut frames = Vec::new();
        for piece in stream.chunks(step) {
            feed(&mut decoder, piece);
            loop {
                let has_next = decoder.has_next();
                let next = decoder.next();
                assert_eq!(has_next, next != Next::Nothing);
                match next {
                    Next::Frame(frame) => frames.push(Some(frame.to_vec())),
                    Next::TooLong => frames.push(None),
                    Next::Nothing => break,
                    Next::Broken => panic!("the stream is sound"),
                }
            }
            assert!(!decoder.space().is_empty());
        }
        frames
    }

    #[test]
    fn frames_come_whole_however_the_stream_is_cut() {
        let sent: Vec<Vec<u8>> = [60, 0, 1514, 1, 1984].map(|length| vec![length as u8; length]).into();
        let stream: Vec<u8> = sent.iter().flat_map(|frame| framed(frame)).collect();
        for step in [1, 2, 3, 4, 5, 7, 64, 1000, stream.len()] {
            let expected: Vec<_> = sent.iter().cloned().map(Some).collect();
            assert_eq!(frames(&stream, step, 1984), expected, "in pieces of {step}");
        }
    }

    #[test]
    fn a_frame_that_is_too_long_is_passed_over() {
        let stream = [framed(&[1; 10]), framed(&[2; 65_000]), framed(&[3; 11]), framed(&[4; 10])].concat();
        for step in [1, 3, 100, 4096, 65_536 / 2] {
            let expected = [Some(vec![1; 10]), None, None, Some(vec![4; 10])];
            assert_eq!(frames(&stream, step, 10), expected, "in pieces of {step}");
        }
    }

    #[test]
    fn a_length_beyond_all_frames_breaks_the_stream() {
        let mut decoder = Decoder::new(1984);
        feed(&mut decoder, &prefix(FRAME_LIMIT + 1));
        assert!(decoder.has_next());
        assert_eq!(decoder.next(), Next::Broken);
        assert_eq!(decoder.next(), Next::Broken);
        let mut decoder = Decoder::new(1984);
        feed(&mut decoder, &prefix(FRAME_LIMIT));
        assert_eq!(decoder.next(), Next::TooLong);
    }
}
