//! Zones of other servers on a disk: what was fetched is there after a restart.
//!
//! Under the name of each zone stand its messages, as [`kept`] makes and takes them, and under another key the version that a
//! primary has last called current, and the date of that. Both change together, so a zone is there whole or as it was before.

use super::{Error, SharedServer};
use crate::configuration::WireName;
use crate::transfer::kept::{self, Verdict};
use crate::transfer::{Incoming, TransferError};
use crate::zone::{Timers, Zone};
use alloc::rc::Rc;
use alloc::vec::Vec;
use core::fmt;
pub use unik::Disk;
pub use unik::store::StoreError as Broken;
use unik::store::{Flush, KEY, Store, StoreError, Value};
use unik::sync::Mutex;
use unik::time::Duration;
use unik::{Clock, Counters, Entropy, log, yield_now};

/// What the disk is called: it is the first.
const DISK: &str = "disk0";
/// The longest message.
const MOST: usize = 65_535;
/// Octets of a message's length.
const PREFIX: usize = 2;
/// Octets of a date and a version.
const CONFIRMED: usize = 12;

unik::counters! {
    /// What became of zones and the disk.
    struct StorageCounters {
        /// Zones that were taken from the disk.
        restored,
        /// Versions that were kept on it.
        kept,
        /// Times that a primary called the version on it current.
        confirmed,
        /// Zones that could not be taken from it or kept on it.
        storage_failed,
    }
}

/// Zones on a disk.
pub struct Storage {
    store: Mutex<Store>,
    /// How long ago a primary confirmed the zones that came from it, by their places.
    ages: Vec<(usize, Duration)>,
    counters: Rc<StorageCounters>,
}

/// Why a zone is not taken or not kept.
enum Failure {
    Store(StoreError),
    Transfer(TransferError),
    /// What is kept ends before the zone does.
    Short,
    NoMemory,
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Store(error) => return error.fmt(f),
            Self::Transfer(TransferError::Malformed) => "what is kept is no messages of the zone",
            Self::Transfer(error) => return error.fmt(f),
            Self::Short => "what is kept ends before the zone does",
            Self::NoMemory => "there is no memory for it",
        })
    }
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

impl From<TransferError> for Failure {
    fn from(error: TransferError) -> Self {
        Self::Transfer(error)
    }
}

/// What is stored under a key.
#[derive(Clone, Copy)]
enum Kind {
    /// The messages of a zone.
    Zone = b'z' as isize,
    /// When a primary has called it current, in seconds since 1970, and its version.
    Confirmed = b'c' as isize,
}

/// The key of something of the zone `name`, and its length: a letter, and the name without the root's octet.
fn key(kind: Kind, name: &WireName) -> ([u8; KEY], usize) {
    let mut key = [0; KEY];
    let octets = name.octets().split_last().map_or(&[][..], |(_, octets)| octets);
    // The length of a label is no letter.
    let letters = octets.iter().map(u8::to_ascii_lowercase);
    for (place, octet) in key.iter_mut().zip([kind as u8].into_iter().chain(letters)) {
        *place = octet;
    }
    (key, 1 + octets.len())
}

/// Room for a message.
fn message() -> Result<Vec<u8>, Failure> {
    let mut message = Vec::new();
    message.try_reserve_exact(MOST).map_err(|_| Failure::NoMemory)?;
    message.resize(MOST, 0);
    Ok(message)
}

impl Storage {
    /// Opens the store on `disk`, made there if that is blank, and lets `server` serve the zones that it has of other servers.
    ///
    /// # Errors
    /// [`Error::Storage`]: there is something else on the disk, or what is there is damaged, or it cannot be used.
    pub async fn open(
        disk: Disk,
        server: &SharedServer,
        clock: Option<&Clock>,
        entropy: &Entropy,
        registry: &Counters,
    ) -> Result<Self, Error> {
        let opened = Store::open_or_format(disk, Flush::Required, entropy.next_u64()).await;
        let mut store = opened.map_err(Error::Storage)?;
        let counters = Rc::new(StorageCounters::new());
        registry.register("dns", counters.clone());
        let date = clock.and_then(|clock| clock.since_epoch()).map(|since| since.as_secs());
        if date.is_none() {
            log::warn!(
                "this machine does not know the date, which tells how old zones are: none is taken from {DISK} or kept on it"
            );
        }
        if let Err(error) = forget(&mut store, server).await {
            log::warn!("zones that this server has no more are not removed from {DISK}: {error}");
        }
        let mut storage = Self { store: Mutex::new(store), ages: Vec::new(), counters };
        let places = server.borrow().places();
        for place in 0..places {
            storage.restore(server, place, date).await;
        }
        Ok(storage)
    }

    /// How long ago a primary called the zone at `place` current, if it came from the disk.
    pub(super) fn age(&self, place: usize) -> Option<Duration> {
        self.ages.iter().find(|(known, _)| *known == place).map(|(_, age)| *age)
    }

    /// Serves the zone at `place` as it is on the disk, if it is there and good for that.
    async fn restore(&mut self, server: &SharedServer, place: usize, date: Option<u64>) {
        let Some((name, limit)) = wanted(server, place) else { return };
        let read = {
            let store = self.store.lock().await;
            read(&store, &name, limit).await
        };
        let (zone, confirmed) = match read {
            Ok(Some(found)) => found,
            Ok(None) => return,
            Err(failure) => {
                self.counters.storage_failed.increment();
                log::error!("zone {} is not taken from {DISK}: {failure}", Text(server, place));
                return;
            }
        };
        let (serial, name, records) = (zone.serial(), Text(server, place), zone.records());
        let file = server.borrow().zone_at(place).map(|file| file.serial());
        let timers = {
            let Timers { refresh, retry, expire } = zone.timers();
            let server = server.borrow();
            let limited = server.options(place).map(|options| options.limit([refresh, retry, expire]));
            let [refresh, retry, expire] = limited.unwrap_or([refresh, retry, expire]);
            Timers { refresh, retry, expire }
        };
        match kept::judge(serial, timers, file, confirmed, date) {
            Verdict::Serve(age) => {
                if self.ages.try_reserve(1).is_err() || !server.borrow_mut().replace_at(place, zone) {
                    self.counters.storage_failed.increment();
                    log::error!("zone {name} is not taken from {DISK}: there is no memory for it");
                    return;
                }
                self.ages.push((place, age));
                self.counters.restored.increment();
                let seconds = age.as_secs();
                log::info!(
                    "zone {name} taken from {DISK}, serial {serial}, {records} records, confirmed {seconds} s ago"
                );
            }
            Verdict::Older => {
                log::info!("zone {name} on {DISK}, serial {serial}, is not newer than in its file")
            }
            Verdict::Expired => {
                log::error!(
                    "zone {name} on {DISK}, serial {serial}, has expired: no primary has confirmed it in time"
                );
            }
            Verdict::Undated => {
                log::error!(
                    "zone {name} on {DISK}, serial {serial}, is of unknown age, and is not served before a primary is asked"
                );
            }
        }
    }

    /// Keeps the zone at `place`, which a primary has called current at `date`.
    pub(super) async fn keep(&self, server: &SharedServer, place: usize, date: Option<u64>) {
        let (Some((name, _)), Some(date)) = (wanted(server, place), date) else { return };
        let Some(zone) = server.borrow().zone_at(place) else { return };
        let mut store = self.store.lock().await;
        let serial = zone.serial();
        let kept = match confirmed(&store, &name).await {
            Ok(found) => {
                let zone = Some(zone).filter(|_| found.is_none_or(|(_, known)| known != serial));
                let counter = if zone.is_some() { &self.counters.kept } else { &self.counters.confirmed };
                write(&mut store, &name, zone, date, serial).await.map(|()| counter.increment())
            }
            Err(failure) => Err(failure),
        };
        if let Err(failure) = kept {
            self.counters.storage_failed.increment();
            log::error!("zone {} is not kept on {DISK}: {failure}", Text(server, place));
        }
    }
}

/// The name of the zone at `place` of `server`, as it stands in the configuration.
struct Text<'s>(&'s SharedServer, usize);

impl fmt::Display for Text<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let server = self.0.borrow();
        let name = server.options(self.1).map(|options| options.name()).unwrap_or_default();
        f.write_str(core::str::from_utf8(name).unwrap_or_default())
    }
}

/// The name of the zone at `place`, and the most octets that it may have, if it comes from another server.
fn wanted(server: &SharedServer, place: usize) -> Option<(WireName, usize)> {
    let server = server.borrow();
    let options = server.options(place).filter(|options| !options.request().is_empty())?;
    Some((options.wire_name()?, options.size_limit().unwrap_or(u32::MAX) as usize))
}

/// Removes what is stored of zones that do not come from other servers any more.
async fn forget(store: &mut Store, server: &SharedServer) -> Result<(), StoreError> {
    loop {
        let is_foreign = |stored: &&[u8]| {
            let places = 0..server.borrow().places();
            let names = places.filter_map(|place| wanted(server, place));
            let keys = names.flat_map(|(name, _)| [key(Kind::Zone, &name), key(Kind::Confirmed, &name)]);
            keys.into_iter().all(|(key, length)| key.get(..length) != Some(*stored))
        };
        let mut foreign = [0; KEY];
        let length = match store.keys().map(|(key, _)| key).find(is_foreign) {
            None => return Ok(()),
            Some(found) => {
                foreign.iter_mut().zip(found).for_each(|(place, octet)| *place = *octet);
                found.len()
            }
        };
        let mut transaction = store.begin(0).await?;
        transaction.delete(foreign.get(..length).unwrap_or_default()).await?;
        transaction.commit().await?;
    }
}

/// When a primary has called which version of the zone `name` current.
async fn confirmed(store: &Store, name: &WireName) -> Result<Option<(u64, u32)>, Failure> {
    let (key, length) = key(Kind::Confirmed, name);
    let Some(mut value) = store.get(key.get(..length).unwrap_or_default())? else { return Ok(None) };
    let mut octets = [0; CONFIRMED];
    fill(&mut value, &mut octets).await?;
    let [a, b, c, d, e, f, g, h, serial @ ..] = octets;
    Ok(Some((u64::from_be_bytes([a, b, c, d, e, f, g, h]), u32::from_be_bytes(serial))))
}

/// The zone called `name`, and when a primary has called it current.
async fn read(store: &Store, name: &WireName, limit: usize) -> Result<Option<(Zone, u64)>, Failure> {
    let (key, length) = key(Kind::Zone, name);
    let Some(mut value) = store.get(key.get(..length).unwrap_or_default())? else { return Ok(None) };
    let (mut message, mut incoming) = (message()?, Incoming::new(None, limit));
    let zone = loop {
        let mut prefix = [0; PREFIX];
        fill(&mut value, &mut prefix).await?;
        let message = message.get_mut(..usize::from(u16::from_be_bytes(prefix))).unwrap_or_default();
        fill(&mut value, message).await?;
        if let Some(zone) = kept::take(&mut incoming, name.octets(), message)? {
            break zone;
        }
        yield_now().await;
    };
    match confirmed(store, name).await? {
        Some((date, serial)) if serial == zone.serial() => Ok(Some((zone, date))),
        _ => Err(Failure::Short),
    }
}

/// Fills `out` with what comes next of `value`.
async fn fill(value: &mut Value<'_>, out: &mut [u8]) -> Result<(), Failure> {
    if value.read(out).await? == out.len() { Ok(()) } else { Err(Failure::Short) }
}

/// Stores that a primary has called version `serial` of the zone `name` current at `date`, with the zone itself where it is given.
async fn write(
    store: &mut Store,
    name: &WireName,
    zone: Option<Rc<Zone>>,
    date: u64,
    serial: u32,
) -> Result<(), Failure> {
    let (key_of_zone, length) = key(Kind::Zone, name);
    let key_of_zone = key_of_zone.get(..length).unwrap_or_default();
    let mut octets = 0;
    let mut message = if zone.is_some() { message()? } else { Vec::new() };
    // Once to see how long it is, and once more to write it.
    for writes in [false, true] {
        let mut transaction = if writes { Some(store.begin(octets).await?) } else { None };
        if let Some(zone) = &zone {
            let mut messages = kept::messages(zone.clone()).ok_or(Failure::NoMemory)?;
            if let Some(transaction) = &mut transaction {
                transaction.put(key_of_zone).await?;
            }
            while !messages.is_done() {
                let length = messages.message(&mut message, 0).ok_or(Failure::NoMemory)?;
                octets += (PREFIX + length) as u64;
                if let Some(transaction) = &mut transaction {
                    transaction.write(&(length as u16).to_be_bytes()).await?; // as long as a message is
                    transaction.write(message.get(..length).unwrap_or_default()).await?;
                }
                yield_now().await;
            }
        }
        if let Some(mut transaction) = transaction {
            let (key, length) = key(Kind::Confirmed, name);
            transaction.put(key.get(..length).unwrap_or_default()).await?;
            transaction.write(&date.to_be_bytes()).await?;
            transaction.write(&serial.to_be_bytes()).await?;
            transaction.commit().await?;
        }
    }
    Ok(())
}
