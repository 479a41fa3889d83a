//! The meter of the connection in hand, while the link has it to measure the segments that pass.
//!
//! A meter is large, as values go, and changes hands twice for each segment: what moves is where it lies ([`Owned`]).

use alloc::{boxed::Box, vec::Vec};
use core::{
    mem::swap,
    ops::{Deref, DerefMut},
};

use crate::tcp::meter::Meter;

/// A meter in a place of its own.
pub(crate) struct Owned(Box<[Meter; 1]>);

impl Owned {
    /// A new one. `None` when memory lacks.
    pub(crate) fn try_new() -> Option<Self> {
        let mut place = Vec::new();
        place.try_reserve_exact(1).ok()?;
        place.push(Meter::default());
        place.try_into().ok().map(Self)
    }
}

impl Deref for Owned {
    type Target = Meter;

    #[inline]
    fn deref(&self) -> &Meter {
        let [meter] = &*self.0;
        meter
    }
}

impl DerefMut for Owned {
    #[inline]
    fn deref_mut(&mut self) -> &mut Meter {
        let [meter] = &mut *self.0;
        meter
    }
}

/// The place of a meter that is lent; where there is none, one that nobody reads lies there.
pub(crate) struct Lent {
    meter: Owned,
    is_there: bool,
}

impl Lent {
    /// An empty place.
    pub(crate) fn new() -> Self {
        Self { meter: Owned(Box::default()), is_there: false }
    }

    /// Takes the meter of a connection, which has one that nobody reads until it is given back.
    #[inline]
    pub(crate) fn lend(&mut self, meter: &mut Owned) {
        swap(&mut self.meter, meter);
        self.is_there = true;
    }

    /// Gives it back.
    #[inline]
    pub(crate) fn give_back(&mut self, meter: &mut Owned) {
        swap(&mut self.meter, meter);
        self.is_there = false;
    }

    /// The meter, if there is one.
    #[inline]
    pub(crate) fn as_ref(&self) -> Option<&Meter> {
        self.is_there.then_some(&*self.meter)
    }

    /// The same, to tell it of a segment.
    #[inline]
    pub(crate) fn as_mut(&mut self) -> Option<&mut Meter> {
        self.is_there.then_some(&mut *self.meter)
    }
}
