//! Disks: blocks that outlast the image.

use crate::backend;
use crate::outcome::Failure;
use crate::resource::{Resource, at_once};
use crate::system::System;
use alloc::format;
use alloc::string::String;
use alloc::vec::{IntoIter, Vec};
use core::fmt::Display;
pub use unik_block::{Disk, DiskError, Properties, SECTOR};
use unik_virtio::Pool;

/// What disks are called, in the order of the devices.
const NAMES: [&str; 8] = ["disk0", "disk1", "disk2", "disk3", "disk4", "disk5", "disk6", "disk7"];

/// The first disk that no other parameter of `main` has taken.
///
/// ```no_run
/// use unik::disk::{Disk, DiskError, SECTOR};
///
/// #[unik::main]
/// async fn main(disk: Disk) -> Result<(), DiskError> {
///     let mut block = [0; SECTOR];
///     disk.read(0, &mut block).await?;
///     block[0] += 1;
///     disk.write(0, &block).await?;
///     // Only what was flushed is there after the power was cut.
///     disk.flush().await
/// }
/// ```
impl Resource for Disk {
    fn take<const LOOKED: bool>(system: &System) -> impl Future<Output = Result<Self, Failure>> {
        at_once(|| open(system).map_err(Failure::Configuration))
    }

    fn is_present(system: &System) -> bool {
        backend::has_disk(system.backend())
    }
}

/// The disks of the machine, at most eight. Beside a [`Disk`], which then stands before it among the parameters of `main`, they are
/// those that are left.
pub struct Disks(Vec<Disk>);

impl Disks {
    /// How many there are: at least one.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there is none, which is never.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The first `N`, where there are so many.
    pub fn into_array<const N: usize>(self) -> [Option<Disk>; N] {
        let mut disks = self.0.into_iter();
        core::array::from_fn(|_| disks.next())
    }
}

impl IntoIterator for Disks {
    type Item = Disk;
    type IntoIter = IntoIter<Disk>;

    fn into_iter(self) -> IntoIter<Disk> {
        self.0.into_iter()
    }
}

impl Resource for Disks {
    fn take<const LOOKED: bool>(system: &System) -> impl Future<Output = Result<Self, Failure>> {
        at_once(|| open_all(system).map_err(Failure::Configuration))
    }

    fn is_present(system: &System) -> bool {
        backend::has_disk(system.backend())
    }
}

#[inline(never)]
fn open_all(system: &System) -> Result<Disks, String> {
    let mut disks = Vec::from([open(system)?]);
    while backend::has_disk(system.backend()) {
        if next_name(system).is_none() {
            log::warn!("there are more disks than the {} that are used", NAMES.len());
            break;
        }
        disks.push(open(system)?);
    }
    Ok(Disks(disks))
}

/// The name of the next disk. `None` after the last.
fn next_name(system: &System) -> Option<&'static str> {
    NAMES.into_iter().find(|name| !system.counters().has(name))
}

/// Says that a disk cannot be used, and why.
#[cold]
#[inline(never)]
pub(crate) fn unusable(name: &str, why: &dyn Display) -> String {
    format!("{name} cannot be used: {why}")
}

/// Opens the next device and starts its driver.
fn open(system: &System) -> Result<Disk, String> {
    Ok(open_with(system, false)?.1)
}

/// The same, with the disk's name and buffers, which are many more if it `is_cached`.
#[inline(never)]
pub(crate) fn open_with(system: &System, is_cached: bool) -> Result<(&'static str, Disk, Pool), String> {
    let name = next_name(system).ok_or("there are not so many disks as this image asks for")?;
    let (device, pool) = backend::open_disk(system.backend(), name, is_cached)?;
    let (disk, driver) =
        Disk::try_new(device, pool.clone(), system.time().clone()).map_err(|error| unusable(name, &error))?;
    system.counters().register(name, disk.counters());
    system.counters().register(name, disk.device_counters());
    system.spawner().spawn(name, driver.run()).map_err(|error| unusable(name, &error))?;
    let worker = disk.clone();
    backend::startup(system.backend()).goes_on_while(move || !worker.is_idle());
    let properties = disk.properties();
    let can_write = if properties.is_read_only { " read-only" } else { "" };
    if !properties.is_read_only && !properties.can_flush {
        log::warn!("{name}: nothing says when what is written is durable, and flushing is an error");
    }
    system.note_ready(format_args!("{name} {} KiB{can_write}", properties.sectors / 2));
    Ok((name, disk, pool))
}
