//! Zones that come and go while the server answers.

use super::{Duplicate, Server, Slot};
use crate::configuration::{Configuration, ZoneOptions};
use crate::transfer::Difference;
use crate::tsig::Key;
use crate::zone::{NameText, Zone};
use alloc::rc::Rc;
use core::fmt;
use core::net::IpAddr;

/// Differences that are kept of a zone, for secondaries that ask for them, take at most this part of what it takes itself.
const DIFFERENCES: usize = 2;
/// However small the zone is, so many octets of differences are kept.
const LEAST_DIFFERENCES: usize = 4096;

impl Server {
    /// The places of zones of which the configuration says something, and what it says.
    pub(crate) fn with_options(&self) -> impl Iterator<Item = (usize, &ZoneOptions<'static>)> {
        self.slots.iter().enumerate().filter_map(|(place, slot)| Some((place, self.options_of(slot)?)))
    }

    /// What is said of the zone at `place`.
    pub(crate) fn options(&self, place: usize) -> Option<&ZoneOptions<'static>> {
        self.options_of(self.slots.get(place)?)
    }

    /// What is said of the zone in `slot`.
    pub(super) fn options_of(&self, slot: &Slot) -> Option<&ZoneOptions<'static>> {
        self.options.get(slot.options?)
    }

    /// Whether there are keys.
    pub(crate) fn has_keys(&self) -> bool {
        !self.keys.is_empty()
    }

    /// The key with the number `index`.
    pub(crate) fn key(&self, index: Option<usize>) -> Option<&Key> {
        self.keys.get(index?)
    }

    /// The zone at `place`, if there is one now.
    pub(crate) fn zone_at(&self, place: usize) -> Option<Rc<Zone>> {
        self.slots.get(place)?.zone.clone()
    }

    /// Keeps to `configuration` from now on: who may have which zone, and where zones come from. Zones that it names and that are
    /// not there are awaited: questions for them get SERVFAIL.
    ///
    /// # Errors
    /// [`Duplicate`] where there is no memory for it.
    pub fn follow(&mut self, configuration: Configuration<'static>) -> Result<(), Duplicate> {
        let (keys, zones) = configuration.into_parts();
        self.slots.iter_mut().for_each(|slot| slot.options = None);
        for (number, options) in zones.iter().enumerate() {
            let place = self.place_called(options.name())?;
            if let Some(slot) = self.slots.get_mut(place) {
                slot.options = Some(number);
            }
        }
        (self.keys, self.options) = (keys, zones);
        Ok(())
    }

    /// The names of the zones that the configuration speaks of and that are nowhere: in no file, and nobody is asked for them.
    pub fn wanting(&self) -> impl Iterator<Item = &str> {
        let is_nowhere = |(place, options): &(usize, &ZoneOptions<'static>)| {
            options.request().is_empty() && self.zone_at(*place).is_none()
        };
        let name = |(_, options): (usize, &'_ ZoneOptions<'static>)| options.name();
        self.with_options().filter(is_nowhere).filter_map(move |entry| core::str::from_utf8(name(entry)).ok())
    }

    /// Serves `zone` in the place of the version before, or too, and keeps what changed for those who may ask for it.
    ///
    /// # Errors
    /// [`Duplicate`] where there is no memory for another zone.
    pub fn replace(&mut self, zone: Zone) -> Result<(), Duplicate> {
        let place = self.place_of(&mut zone.labels())?;
        if self.replace_at(place, zone) { Ok(()) } else { Err(Duplicate) }
    }

    /// Serves `zone` at `place` from now on, and keeps what changed if somebody may ask for that. Gives `false` where there is no
    /// memory for it.
    #[inline(never)]
    pub(crate) fn replace_at(&mut self, place: usize, zone: Zone) -> bool {
        let is_provided = self.options(place).is_some_and(|options| !options.provide().is_empty());
        // What is counted by references cannot be had by halves.
        let has_memory = unik_sched::has_memory(size_of::<Zone>() + size_of::<Difference>(), 2);
        let Some(slot) = self.slots.get_mut(place).filter(|_| has_memory) else {
            self.counters.no_memory.increment();
            return false;
        };
        let limit = (zone.octets() / DIFFERENCES).max(LEAST_DIFFERENCES);
        let old = slot.zone.take().filter(|_| is_provided);
        match old.and_then(|old| Difference::between(&old, &zone, limit)) {
            Some(difference) => slot.journal.push(difference, limit),
            None => slot.journal.clear(),
        }
        slot.zone = Some(Rc::new(zone));
        true
    }

    /// Answers questions for the zone at `place` with SERVFAIL until there is another version of it.
    pub(crate) fn withdraw(&mut self, place: usize) {
        if let Some(slot) = self.slots.get_mut(place) {
            slot.zone = None;
            slot.journal.clear();
            self.transfers.expired.increment();
        }
    }

    /// Places of zones there are.
    pub(crate) fn places(&self) -> usize {
        self.slots.len()
    }

    /// The name of the zone at `place`, the zone if there is one now, and how many queries were for it.
    pub(crate) fn describe(&self, place: usize) -> Option<(impl fmt::Display, Option<Rc<Zone>>, u64)> {
        let slot = self.slots.get(place)?;
        Some((NameText { tree: &self.tree, node: slot.node }, slot.zone.clone(), slot.queries.get()))
    }

    /// Whether somebody told of a new version since [`Server::take_news`].
    pub(crate) fn has_news(&self) -> bool {
        self.has_news.get()
    }

    /// The zones of which somebody told, by their places, and who it was last.
    pub(crate) fn take_news(&self) -> impl Iterator<Item = (usize, IpAddr)> {
        self.has_news.set(false);
        let told = |(place, slot): (usize, &Slot)| Some((place, slot.told_by.take()?));
        self.slots.iter().enumerate().filter_map(told)
    }
}
