//! Contents that are not in memory: what is known of them here, and which of them are to be sent.
//!
//! Where they are, and how they are read, is the caller's: a response says by a [`Section`] what belongs behind its head, and
//! [`Session::section`](crate::Session::section) hands that on. Neighbour: `no_stored.rs`, which stands here in a server without
//! such contents.

use crate::output::Output;
use crate::server::Server;
use crate::settings::Settings;
use crate::site::{File, Form, LoadError};
use core::ops::Range;

unik_sched::counters! {
    /// What is counted of contents that are not in memory.
    pub(crate) struct Ledger {
        /// Responses that could not be given, or not to their end, since contents could not be read.
        unreadable,
    }
}

/// Contents that are not in memory.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Stored {
    /// What the caller knows the file by.
    pub file: usize,
    /// Octets of it.
    pub length: usize,
    /// What tells this state of it from others, and is its entity tag.
    pub tag: u128,
}

impl Stored {
    pub(crate) fn length(self) -> usize {
        self.length
    }

    pub(crate) fn tag(self) -> u128 {
        self.tag
    }
}

/// Octets of contents that are not in memory.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Section {
    /// What the caller knows the file by.
    pub file: usize,
    /// The first octet.
    pub start: usize,
    /// What stands behind the last one.
    pub end: usize,
    /// Nothing of the response is sent: first it is to be seen whether they can be read.
    pub is_first: bool,
}

/// Finds out which files are not in memory, by their places among those that are loaded.
#[derive(Clone, Copy)]
pub(crate) struct Storage<'s>(&'s dyn Fn(usize) -> Option<Stored>);

impl Storage<'_> {
    /// All are.
    pub(crate) const NONE: Self = Self(&|_| None);

    pub(crate) fn of(self, index: usize) -> Option<Stored> {
        (self.0)(index)
    }
}

impl<'a> Server<'a> {
    /// As [`Server::load`], with files that are not in memory: their contents are empty, and `stored` tells of the file that comes
    /// at that place.
    ///
    /// # Errors
    /// [`LoadError`].
    pub fn load_stored(
        files: &mut dyn Iterator<Item = File<'a>>,
        stored: &dyn Fn(usize) -> Option<Stored>,
        settings: Settings,
    ) -> Result<Self, LoadError<'a>> {
        Self::load_with(files, Storage(stored), settings)
    }
}

/// Contents that follow a head: those in memory, or those that are not.
pub(crate) type Part<'a> = (&'a [u8], Option<Section>);

impl<'a> Form<'a> {
    pub(crate) fn length(&self) -> usize {
        self.stored.map_or(self.contents.len(), |stored| stored.length)
    }

    /// Some of the contents.
    pub(crate) fn part(&self, part: Range<usize>) -> Option<Part<'a>> {
        let Some(stored) = self.stored else { return Some((self.contents.get(part)?, None)) };
        let Range { start, end } = part;
        let section = Section { file: stored.file, start, end, is_first: false };
        (start <= end && end <= stored.length).then_some((&[], Some(section).filter(|_| start < end)))
    }
}

/// Octets of a part.
pub(crate) fn length(part: &Part<'_>) -> usize {
    part.0.len() + part.1.map_or(0, |section| section.end - section.start)
}

impl Output<'_> {
    /// Has it found out first whether the section can be read.
    pub(crate) fn look_first(&mut self) {
        if let Some(section) = &mut self.section {
            section.is_first = true;
        }
    }

    /// Whether it is the section's turn.
    pub(crate) fn is_due(&self, section: &Section) -> bool {
        section.is_first || self.next().is_empty()
    }

    /// Takes notice that so many octets of the section were sent.
    pub(crate) fn section_sent(&mut self, length: usize) {
        self.section = self.section.and_then(|section| {
            let start = section.start.saturating_add(length);
            (start < section.end).then_some(Section { start, ..section })
        });
    }
}
