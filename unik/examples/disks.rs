//! Does with its disks what `do=` says, step by step, and tells what came of each.
//!
//! A step is `write:SECTOR:SECTORS:SEED`, `read:SECTOR:SECTORS:SEED` (which looks whether the same was written),
//! `zero:SECTOR:SECTORS`, `discard:SECTOR:SECTORS`, `flush`, `many:TASKS` (each of which writes and reads a block of its own), or
//! `disk:NUMBER` for the steps that follow.
#![cfg_attr(target_os = "none", no_std, no_main)]
#![forbid(unsafe_code)]

extern crate alloc;

use alloc::rc::Rc;
use alloc::vec;
use alloc::vec::Vec;
use core::cell::Cell;
use core::fmt;

use unik::disk::{Disk, DiskError, Disks, SECTOR};
use unik::sync::Event;
use unik::{Config, Monitor, Spawner, log};

/// Bytes of a block of a task's own, in sectors.
const BLOCK: u64 = 8;

/// Why it stops.
enum Failure {
    /// There is no such step.
    NoStep(&'static str),
    /// There is no such disk.
    NoDisk,
    /// No more tasks fit.
    Spawn(unik_sched::Error),
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoStep(step) => {
                f.write_str("there is no step ")?;
                f.write_str(step)
            }
            Self::NoDisk => f.write_str("there is no such disk"),
            Self::Spawn(error) => error.fmt(f),
        }
    }
}

/// What is written: every sector has bytes of its own.
fn pattern(sector: u64, sectors: u64, seed: u64) -> Vec<u8> {
    let words = (0..sectors * SECTOR as u64 / 8).map(|word| (sector * 64 + word) << 8 | seed);
    words.flat_map(u64::to_le_bytes).collect()
}

async fn write(disk: &Disk, sector: u64, sectors: u64, seed: u64) -> Result<&'static str, DiskError> {
    disk.write(sector, &pattern(sector, sectors, seed)).await.map(|()| "done")
}

async fn read(disk: &Disk, sector: u64, sectors: u64, seed: u64) -> Result<&'static str, DiskError> {
    let mut bytes = vec![0; sectors as usize * SECTOR];
    disk.read(sector, &mut bytes).await?;
    let is_zero = bytes.iter().all(|byte| *byte == 0);
    Ok(if bytes == pattern(sector, sectors, seed) {
        "the same"
    } else if is_zero {
        "zeroes"
    } else {
        "something else"
    })
}

/// Lets so many tasks write and read at the same time.
async fn many(
    disk: &Disk,
    spawner: &Spawner,
    tasks: u64,
) -> Result<Result<&'static str, DiskError>, Failure> {
    let (left, failed, news) = (Rc::new(Cell::new(tasks)), Rc::new(Cell::new(None)), Event::new());
    for task in 0..tasks {
        let (disk, left, failed, news) = (disk.clone(), left.clone(), failed.clone(), news.clone());
        let work = async move {
            let sector = task * BLOCK;
            let outcome = match write(&disk, sector, BLOCK, task).await {
                Ok(_) => read(&disk, sector, BLOCK, task).await,
                error => error,
            };
            if outcome != Ok("the same") {
                failed.set(Some(outcome));
            }
            left.set(left.get() - 1);
            news.set();
        };
        spawner.spawn("worker", work).map_err(Failure::Spawn)?;
    }
    while left.get() > 0 {
        news.wait().await;
    }
    Ok(failed.take().unwrap_or(Ok("all the same")))
}

#[unik::main]
async fn main(
    _monitor: Option<Monitor>,
    disks: Disks,
    config: Config,
    spawner: Spawner,
) -> Result<(), Failure> {
    let disks: Vec<Disk> = disks.into_iter().collect();
    let mut disk = disks.first().ok_or(Failure::NoDisk)?;
    for step in config.get("do").unwrap_or_default().split(',').filter(|step| !step.is_empty()) {
        let mut words = step.split(':');
        let verb = words.next().unwrap_or_default();
        let mut number = || words.next().map_or(Ok(0), str::parse::<u64>).map_err(|_| Failure::NoStep(step));
        let (sector, sectors, seed) = (number()?, number()?, number()?);
        let outcome = match verb {
            "write" => write(disk, sector, sectors, seed).await,
            "read" => read(disk, sector, sectors, seed).await,
            "zero" => disk.write_zeroes(sector, sectors).await.map(|()| "done"),
            "discard" => disk.discard(sector, sectors).await.map(|()| "done"),
            "flush" => disk.flush().await.map(|()| "done"),
            "many" => many(disk, &spawner, sector).await?,
            "disk" => {
                disk = disks.get(sector as usize).ok_or(Failure::NoDisk)?;
                Ok("taken")
            }
            _ => return Err(Failure::NoStep(step)),
        };
        match outcome {
            Ok(what) => log::info!("{step}: {what}"),
            Err(error) => log::info!("{step}: {error}"),
        }
    }
    if config.get("stay").is_some() {
        core::future::pending::<()>().await;
    }
    Ok(())
}
