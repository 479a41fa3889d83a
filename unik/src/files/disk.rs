//! Files on a disk: the disk is opened, the partition found, and all directories are walked through once.

use super::{Files, Kind, Source};
use crate::backend;
use crate::disk::{open_with, unusable};
use crate::outcome::Failure;
use crate::system::System;
use alloc::boxed::Box;
use alloc::format;
use alloc::string::String;
use unik_block::ext4::{self, Ext4Error, FileSystem, Node};
pub(super) use unik_block::ext4::{Contents, Ext4Error as Error, OpenFile};
use unik_block::{Cache, Partition, Volume, partitions};

/// What is said where there are no files.
pub(super) const NOWHERE: &str = "this image needs data: start it with --disk FILE (made by mkfs.ext4 -d DIR FILE SIZE) or --data \
                                  DIR (an archive as -initrd), or build it with --embed DIR";
pub(super) const NO_MEMORY: Error = Ext4Error::NoMemory;
/// The word that says where files are, and what it may say.
const WORD: &str = "files";
const EXPECTED: &str = "files= needs archive, or a disk or partition such as disk0 or disk0p1";

/// It is never torn down.
pub(super) type Tree = &'static ext4::Tree;

/// A file of a tree.
#[derive(Clone, Copy)]
pub(super) struct File {
    tree: Tree,
    node: &'static Node,
}

impl File {
    pub(super) fn path(&self) -> &'static str {
        self.tree.path(self.node)
    }

    pub(super) fn length(&self) -> u64 {
        self.node.length()
    }

    pub(super) fn modified(&self) -> Option<u32> {
        u32::try_from(self.node.modified()).ok().filter(|&modified| modified != 0)
    }

    pub(super) fn version(&self) -> [u64; 4] {
        self.node.version()
    }

    pub(super) async fn open(&self) -> Result<OpenFile, Error> {
        self.tree.system().file(self.node).await
    }
}

pub(super) fn files(files: Files) -> impl Iterator<Item = super::File> {
    let stored = match files.0 {
        Source::Archive(_) => None,
        Source::Disk(tree) => Some(tree.nodes().iter().map(move |node| File { tree, node })),
    };
    let archived = files.archive().files().map(|file| super::File(Kind::Memory(file)));
    archived.chain(stored.into_iter().flatten().map(|file| super::File(Kind::Disk(file))))
}

pub(super) fn is_present(system: &System) -> bool {
    backend::has_disk(system.backend())
}

pub(super) async fn take(system: &System) -> Result<Files, Failure> {
    let place = Place::read(system.config().get(WORD)).ok_or(Failure::Configuration(EXPECTED.into()))?;
    let is_wanted = match place {
        Place::Archive => false,
        Place::Any => is_present(system),
        Place::Disk(..) => true,
    };
    if !is_wanted {
        return Files::find(system);
    }
    let tree = find(system, place).await.map_err(Failure::Configuration)?;
    Ok(Files(Source::Disk(tree)))
}

/// Where files are to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    Archive,
    /// Where the first disk has some.
    Any,
    /// On the disk with this number, and the partition with that one, if a number is given.
    Disk(u32, Option<u32>),
}

impl Place {
    fn read(word: Option<&str>) -> Option<Self> {
        match word {
            None => Some(Self::Any),
            Some("archive") => Some(Self::Archive),
            Some(word) => {
                let numbers = word.strip_prefix("disk")?;
                let (disk, partition) = numbers.split_once('p').unzip();
                let partition = match partition {
                    Some(partition) => Some(partition.parse().ok()?),
                    None => None,
                };
                Some(Self::Disk(disk.unwrap_or(numbers).parse().ok()?, partition))
            }
        }
    }
}

/// Opens disks up to the one that is meant, and reads all directories there.
async fn find(system: &System, place: Place) -> Result<Tree, String> {
    let (number, partition) = match place {
        Place::Disk(number, partition) => (number, partition),
        _ => (0, None),
    };
    let (name, cache) = loop {
        if !is_present(system) {
            return Err(format!("files= names disk{number}, and there is no such disk"));
        }
        let (name, disk, pool) = open_with(system, true)?;
        // Another parameter of `main` may have taken the first ones.
        if place == Place::Any || name.strip_prefix("disk").and_then(|own| own.parse().ok()) == Some(number) {
            let cache =
                Cache::try_new(disk, pool, system.time().clone()).map_err(|error| unusable(name, &error))?;
            break (name, cache);
        }
    };
    system.counters().register("files", cache.counters());
    for _ in 0..Cache::WORKERS {
        system.spawner().spawn("files", cache.worker()).map_err(|error| unusable(name, &error))?;
    }
    let table = partitions(&cache).await.map_err(|error| unusable(name, &error))?;
    let (place, opened) = open_first(&cache, name, &table, partition).await?;
    let tree = match opened {
        Ok(opened) => opened.tree().await,
        Err(error) => Err(error),
    };
    let tree = tree.map_err(|error| unusable(&place, &error))?;
    let (special, misnamed) = (tree.special(), tree.misnamed());
    if special + misnamed > 0 {
        log::warn!("{place}: left out {special} links and devices, and {misnamed} names that are not UTF-8");
    }
    system.note_ready(format_args!("{} files on {place}", tree.nodes().len()));
    Ok(Box::leak(Box::new(tree)))
}

/// The file system that is meant, and what it is on: the partition with that number, otherwise the first one that holds such a
/// file system, or, where there are no partitions, the disk.
async fn open_first(
    cache: &Cache,
    name: &str,
    table: &[Partition],
    number: Option<u32>,
) -> Result<(String, Result<FileSystem, Ext4Error>), String> {
    for partition in table.iter().filter(|partition| number.is_none_or(|number| partition.number == number)) {
        let place = format!("{name}p{}", partition.number);
        let volume = Volume::part(cache, partition.first, partition.sectors).ok_or("a partition has gone")?;
        match FileSystem::open(volume).await {
            Err(Ext4Error::NotExt4) if number.is_none() => {}
            opened => return Ok((place, opened)),
        }
    }
    match number {
        Some(number) => Err(format!("{name} has no partition {number}, which files= names")),
        None if table.is_empty() => Ok((name.into(), FileSystem::open(Volume::whole(cache)).await)),
        None => Ok((name.into(), Err(Ext4Error::NotExt4))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_says_where_files_are() {
        for (word, place) in [
            (None, Some(Place::Any)),
            (Some("archive"), Some(Place::Archive)),
            (Some("disk0"), Some(Place::Disk(0, None))),
            (Some("disk3p12"), Some(Place::Disk(3, Some(12)))),
            (Some(""), None),
            (Some("disk"), None),
            (Some("disk0p"), None),
            (Some("disk0q1"), None),
            (Some("disk0p1p2"), None),
            (Some("/dev/vda1"), None),
        ] {
            assert_eq!(Place::read(word), place, "{word:?}");
        }
    }
}
