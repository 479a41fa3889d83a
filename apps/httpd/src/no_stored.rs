//! All contents are in memory: what would be said of others cannot exist, and nothing of it is linked.

use crate::output::Output;
use crate::site::Form;
use core::convert::Infallible;
use core::marker::PhantomData;
use core::ops::Range;

/// Contents that are not in memory: there are none.
#[derive(Clone, Copy)]
pub(crate) enum Stored {}
/// Octets of such contents.
pub(crate) type Section = Infallible;

impl Stored {
    pub(crate) fn length(self) -> usize {
        match self {}
    }

    pub(crate) fn tag(self) -> u128 {
        match self {}
    }
}

#[derive(Clone, Copy)]
pub(crate) struct Storage<'s>(PhantomData<&'s ()>);

impl Storage<'_> {
    pub(crate) const NONE: Self = Self(PhantomData);

    #[inline]
    pub(crate) fn of(self, _: usize) -> Option<Stored> {
        None
    }
}

/// Nothing is counted of what cannot be.
pub(crate) struct Ledger;

impl Ledger {
    pub(crate) const fn new() -> Self {
        Self
    }

    #[inline]
    pub(crate) fn visit(&self, _: &mut dyn FnMut(&'static str, u64)) {}
}

pub(crate) type Part<'a> = (&'a [u8], Option<Section>);

impl<'a> Form<'a> {
    #[inline]
    pub(crate) fn length(&self) -> usize {
        self.contents.len()
    }

    #[inline]
    pub(crate) fn part(&self, part: Range<usize>) -> Option<Part<'a>> {
        if let Some(stored) = self.stored {
            match stored {}
        }
        Some((self.contents.get(part)?, None))
    }
}

#[inline]
pub(crate) fn length(part: &Part<'_>) -> usize {
    part.0.len()
}

impl Output<'_> {
    #[inline]
    pub(crate) fn look_first(&mut self) {}

    #[inline]
    pub(crate) fn is_due(&self, section: &Section) -> bool {
        match *section {}
    }

    #[inline]
    pub(crate) fn section_sent(&mut self, _: usize) {}
}
