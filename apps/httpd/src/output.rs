//! What a connection has to send: a head, then contents where they lie, then, of a response in parts, the next head.

use crate::range::Parts;
use crate::site::Form;
use crate::status::Status;
use crate::stored::{self, Section};
use alloc::vec::Vec;
use core::cmp::min;

/// The head's memory is kept for the next response up to this many bytes.
const KEPT: usize = 1024;

/// A response on its way.
pub(crate) struct Output<'a> {
    /// Fields of the response or of a part, and small pages.
    pub(crate) head: Vec<u8>,
    /// How much of that is sent.
    sent: usize,
    /// Contents behind it that are not sent yet.
    pub(crate) body: &'a [u8],
    /// Contents behind it that are not in memory.
    pub(crate) section: Option<Section>,
    /// Parts that follow.
    pub(crate) parts: Option<Multipart<'a>>,
    /// The body of a request that is to be echoed.
    pub(crate) kept: Vec<u8>,
    /// For the log: the status, and the bytes of contents that are to be sent.
    pub(crate) status: Status,
    pub(crate) length: usize,
}

/// The parts of a response (RFC 9110, 14.6).
#[derive(Clone, Copy)]
pub(crate) struct Multipart<'a> {
    pub(crate) form: Form<'a>,
    pub(crate) parts: Parts,
    /// The part that comes next; behind the last one, the end.
    pub(crate) next: usize,
}

impl<'a> Output<'a> {
    pub(crate) const fn new() -> Self {
        Self {
            head: Vec::new(),
            sent: 0,
            body: &[],
            section: None,
            parts: None,
            kept: Vec::new(),
            status: Status::OK,
            length: 0,
        }
    }

    /// What is to be sent next; empty behind the end of a response, and of a part.
    #[inline]
    pub(crate) fn next(&self) -> &[u8] {
        match self.head.get(self.sent..) {
            Some(head @ [_, ..]) => head,
            _ => self.body,
        }
    }

    /// Octets in front of the contents, before any was sent.
    pub(crate) fn heading(&self) -> usize {
        let rest = if self.parts.is_some() { 0 } else { self.length };
        (self.head.len() + stored::length(&(self.body, self.section))).saturating_sub(rest)
    }

    /// Whether there is nothing more to be sent, up to the next part.
    #[inline]
    pub(crate) fn is_done(&self) -> bool {
        self.next().is_empty() && self.section.is_none()
    }

    /// Takes notice that so many bytes of that were sent.
    #[inline]
    pub(crate) fn sent(&mut self, length: usize) {
        if self.sent < self.head.len() {
            self.sent = min(self.head.len(), self.sent.saturating_add(length));
        } else if self.section.is_some() {
            self.section_sent(length);
        } else {
            self.body = self.body.get(length..).unwrap_or_default();
        }
    }

    /// Makes place for another head, when all is sent.
    pub(crate) fn clear(&mut self) {
        (self.sent, self.body, self.section) = (0, &[], None);
        if self.head.capacity() > KEPT {
            self.head = Vec::new();
        } else {
            self.head.clear();
        }
    }
}
