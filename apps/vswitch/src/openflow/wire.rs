//! Numbers off the front of octets, and onto the end of others.

use alloc::vec::Vec;

/// Octets that are read from the front.
#[derive(Clone, Copy)]
pub(crate) struct Reader<'a>(pub(crate) &'a [u8]);

impl<'a> Reader<'a> {
    pub(crate) fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (array, rest) = self.0.split_first_chunk()?;
        self.0 = rest;
        Some(*array)
    }

    pub(crate) fn take(&mut self, count: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(count)?;
        self.0 = rest;
        Some(taken)
    }

    pub(crate) fn skip(&mut self, count: usize) -> Option<()> {
        self.take(count).map(drop)
    }

    pub(crate) fn u8(&mut self) -> Option<u8> {
        self.array().map(|[octet]| octet)
    }

    pub(crate) fn u16(&mut self) -> Option<u16> {
        self.array().map(u16::from_be_bytes)
    }

    pub(crate) fn u32(&mut self) -> Option<u32> {
        self.array().map(u32::from_be_bytes)
    }

    pub(crate) fn u64(&mut self) -> Option<u64> {
        self.array().map(u64::from_be_bytes)
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// A message at the end of what is to be sent. Without memory, or when it is longer than any message, it is taken back.
pub(crate) struct Writer<'a> {
    out: &'a mut Vec<u8>,
    start: usize,
    is_failed: bool,
}

/// The most octets of a message.
pub(crate) const LONGEST: usize = u16::MAX as usize;

impl<'a> Writer<'a> {
    /// Begins a message.
    pub(crate) fn new(out: &'a mut Vec<u8>, version: u8, kind: u8, xid: u32) -> Writer<'a> {
        let start = out.len();
        let mut writer = Writer { out, start, is_failed: false };
        writer.put(&[version, kind, 0, 0]);
        writer.u32(xid);
        writer
    }

    #[inline(never)]
    pub(crate) fn put(&mut self, octets: &[u8]) {
        if self.out.try_reserve(octets.len()).is_err() {
            self.is_failed = true;
        } else {
            self.out.extend_from_slice(octets);
        }
    }

    #[inline(never)]
    pub(crate) fn u8(&mut self, number: u8) {
        self.put(&[number]);
    }

    #[inline(never)]
    pub(crate) fn u16(&mut self, number: u16) {
        self.put(&number.to_be_bytes());
    }

    #[inline(never)]
    pub(crate) fn u32(&mut self, number: u32) {
        self.put(&number.to_be_bytes());
    }

    #[inline(never)]
    pub(crate) fn u64(&mut self, number: u64) {
        self.put(&number.to_be_bytes());
    }

    #[inline(never)]
    pub(crate) fn zeros(&mut self, count: usize) {
        self.put([0; 64].get(..count).unwrap_or_default());
    }

    /// Octets with zeros behind them, up to `count`.
    pub(crate) fn padded(&mut self, octets: &[u8], count: usize) {
        let octets = octets.get(..count).unwrap_or(octets);
        self.put(octets);
        (octets.len()..count).for_each(|_| self.u8(0));
    }

    /// Octets of the message so far.
    pub(crate) fn len(&self) -> usize {
        self.out.len() - self.start
    }

    /// Zeros up to a multiple of eight from `from` on.
    pub(crate) fn align(&mut self, from: usize) {
        let length = self.len() - from;
        self.zeros(length.next_multiple_of(8) - length);
    }

    /// Writes over what stands at `at`.
    pub(crate) fn set_u16(&mut self, at: usize, number: usize) {
        let place = self.out.get_mut(self.start + at..).and_then(|rest| rest.first_chunk_mut());
        match (place, u16::try_from(number)) {
            (Some(place), Ok(number)) => *place = number.to_be_bytes(),
            _ => self.is_failed = true,
        }
    }

    /// The length of what began at `from` stands `offset` octets behind that.
    #[inline(never)]
    pub(crate) fn close(&mut self, from: usize, offset: usize) {
        let length = self.len() - from;
        self.set_u16(from + offset, length);
    }

    /// Takes back what is behind `to`.
    pub(crate) fn truncate(&mut self, to: usize) {
        self.out.truncate(self.start + to);
        self.is_failed = false;
    }

    pub(crate) fn is_failed(&self) -> bool {
        self.is_failed
    }

    /// Ends the message. False if it was taken back.
    pub(crate) fn finish(mut self) -> bool {
        self.close(0, 2);
        if self.is_failed {
            self.out.truncate(self.start);
        }
        !self.is_failed
    }
}
