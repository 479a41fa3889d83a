//! A disk in a file of the host, or in a block device of it.
//!
//! Reads and writes are system calls of their own, done one after the other in the turn of the disk's task: the process waits
//! while the host does. Most are answered from the host's memory; a flush waits for its devices.

use std::collections::VecDeque;
use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, Seek, SeekFrom};
use std::os::unix::fs::{FileExt, FileTypeExt as _};
use std::path::Path;
use std::rc::Rc;

use unik_block::{BlockDevice, Completion, Fault, Operation, Properties, Request, SECTOR};
use unik_sched::counter::CounterSet;
use unik_sched::sync::Event;

use crate::Error;

/// Requests at the same time.
const DEPTH: usize = 64;
/// What a buffer holds here, and how many a request may have.
const MOST_BYTES: usize = 64 << 10;
const MOST_PARTS: usize = 128;
/// How an image in the format of QEMU begins, which is no plain disk.
const QCOW2: [u8; 4] = *b"QFI\xfb";

static ZEROES: [u8; 64 << 10] = [0; 64 << 10];

unik_sched::counters! {
    /// What a disk in a file has done.
    pub struct FileDiskCounters {
        /// Requests done.
        done,
        /// Requests that the host refused.
        refused,
    }
}

/// A disk in a file.
pub struct FileDisk {
    file: File,
    properties: Properties,
    waiting: VecDeque<Request>,
    event: Event,
    counters: Rc<FileDiskCounters>,
}

impl FileDisk {
    /// Opens the file at `path`, which no other process may have open as a disk, unless both only read.
    ///
    /// # Errors
    /// The variants of [`Error`] that speak of disks.
    pub fn try_new(path: &Path, is_read_only: bool) -> Result<Self, Error> {
        let refused = |error: io::Error| Error::of_disk(&error);
        // Before it is opened: that of a pipe would wait for who writes to it.
        let kind = std::fs::metadata(path).map_err(refused)?.file_type();
        if kind.is_dir() {
            return Err(Error::DiskIsDirectory);
        }
        if !kind.is_file() && !kind.is_block_device() {
            return Err(Error::DiskIsNoFile);
        }
        let mut file = OpenOptions::new().read(true).write(!is_read_only).open(path).map_err(refused)?;
        match if is_read_only { file.try_lock_shared() } else { file.try_lock() } {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(Error::DiskBusy),
            Err(TryLockError::Error(error)) => return Err(Error::of_disk(&error)),
        }
        // Block devices have their length nowhere else.
        let length = file.seek(SeekFrom::End(0)).map_err(refused)?;
        let mut magic = [0; QCOW2.len()];
        if file.read_exact_at(&mut magic, 0).is_ok() && magic == QCOW2 {
            return Err(Error::DiskIsQcow2);
        }
        let properties = Properties {
            sectors: length / SECTOR as u64,
            block_size: SECTOR,
            physical_block_size: SECTOR,
            best_transfer: 0,
            is_read_only,
            can_flush: true,
            most_discarded: 0,
            most_zeroed: (ZEROES.len() / SECTOR) as u32,
            most_parts: MOST_PARTS,
            most_bytes: MOST_BYTES,
        };
        let (waiting, event) = (VecDeque::with_capacity(DEPTH), Event::new());
        Ok(Self { file, properties, waiting, event, counters: Rc::default() })
    }

    fn work(&self, request: &mut Request) -> io::Result<()> {
        let mut place = request.sector * SECTOR as u64;
        match request.operation {
            Operation::Read => request.data.parts_mut().try_for_each(|part| {
                self.file.read_exact_at(part, place)?;
                place += part.len() as u64;
                Ok(())
            }),
            Operation::Write => request.data.parts().try_for_each(|part| {
                self.file.write_all_at(part, place)?;
                place += part.len() as u64;
                Ok(())
            }),
            Operation::Flush => self.file.sync_data(),
            Operation::WriteZeroes => {
                let length = request.sectors as usize * SECTOR;
                self.file.write_all_at(ZEROES.get(..length).ok_or(io::ErrorKind::InvalidInput)?, place)
            }
            // It was not offered.
            Operation::Discard => Err(io::ErrorKind::Unsupported.into()),
        }
    }
}

impl BlockDevice for FileDisk {
    fn properties(&self) -> &Properties {
        &self.properties
    }

    fn depth(&self) -> usize {
        DEPTH
    }

    fn has_room(&self, _parts: usize) -> bool {
        self.waiting.len() < DEPTH
    }

    fn submit(&mut self, request: Request) -> Result<(), Request> {
        if !self.has_room(1) {
            return Err(request);
        }
        self.waiting.push_back(request);
        Ok(())
    }

    fn kick(&mut self) {}

    fn complete(&mut self) -> Option<Completion> {
        let mut request = self.waiting.pop_front()?;
        let result = match self.work(&mut request) {
            Ok(()) => {
                self.counters.done.increment();
                Ok(())
            }
            Err(_) => {
                self.counters.refused.increment();
                Err(Fault::Failed)
            }
        };
        Some(Completion { tag: request.tag, data: request.data, result })
    }

    fn has_failed(&self) -> bool {
        false
    }

    fn arm(&mut self) -> bool {
        !self.waiting.is_empty()
    }

    fn disarm(&mut self) {}

    fn event(&self) -> Event {
        self.event.clone()
    }

    fn counters(&self) -> Rc<dyn CounterSet> {
        self.counters.clone()
    }
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use unik_block::{Disk, DiskError};
    use unik_sched::Executor;
    use unik_sched::time::Time;
    use unik_virtio::Pool;

    use super::*;
    use crate::HostPlatform;

    /// A file of so many bytes, which is gone after the test.
    struct Scratch(PathBuf);

    impl Scratch {
        fn new(name: &str, length: u64) -> Self {
            let path = std::env::temp_dir().join(format!("unik-host-{}-{name}.img", std::process::id()));
            File::create(&path).and_then(|file| file.set_len(length)).expect("there is room");
            Self(path)
        }
    }

    impl Drop for Scratch {
        fn drop(&mut self) {
            let _ = std::fs::remove_file(&self.0);
        }
    }

    fn with_disk<T>(device: FileDisk, work: impl AsyncFnOnce(Disk) -> T) -> T {
        let time = Time::new(HostPlatform::new());
        let mut executor = Executor::new(&time, 4);
        let pool = Pool::heap_sized(16, Disk::BUFFER);
        let (disk, driver) = Disk::try_new(Box::new(device), pool, time).expect("a file is a disk");
        executor.spawner().spawn("disk0", driver.run()).expect("there is room");
        executor.block_on("test", work(disk))
    }

    #[test]
    fn what_is_written_stands_in_the_file_and_is_read_back() {
        let scratch = Scratch::new("written", 1 << 20);
        let bytes: Vec<u8> = (0..100 * SECTOR).map(|index| (index % 251) as u8).collect();
        let device = FileDisk::try_new(&scratch.0, false).unwrap();
        with_disk(device, async |disk| {
            assert_eq!(disk.properties().sectors, 2048);
            disk.write(7, &bytes).await?;
            disk.flush().await?;
            disk.write_zeroes(8, 2).await?;
            let mut read = vec![0; bytes.len()];
            disk.read(7, &mut read).await?;
            assert!(read[..SECTOR] == bytes[..SECTOR] && read[3 * SECTOR..] == bytes[3 * SECTOR..]);
            assert_eq!(read[SECTOR..3 * SECTOR], [0; 2 * SECTOR]);
            Ok::<_, DiskError>(())
        })
        .unwrap();
        let stored = std::fs::read(&scratch.0).unwrap();
        assert!(stored[17 * SECTOR..107 * SECTOR] == bytes[10 * SECTOR..]);
    }

    #[test]
    fn a_file_that_became_shorter_is_an_error_with_its_sector() {
        let scratch = Scratch::new("shorter", 1 << 20);
        let device = FileDisk::try_new(&scratch.0, true).unwrap();
        OpenOptions::new().write(true).open(&scratch.0).and_then(|file| file.set_len(1000)).unwrap();
        with_disk(device, async |disk| {
            let mut sector = [0; SECTOR];
            assert_eq!(disk.read(0, &mut sector).await, Ok(()));
            assert_eq!(disk.read(1, &mut sector).await, Err(DiskError::Read(1)));
            assert_eq!(disk.write(0, &sector).await, Err(DiskError::ReadOnly));
        });
    }

    #[test]
    fn one_process_writes_a_disk_or_several_read_it() {
        let scratch = Scratch::new("shared", 4096);
        let reader = FileDisk::try_new(&scratch.0, true).unwrap();
        assert!(FileDisk::try_new(&scratch.0, true).is_ok());
        assert_eq!(FileDisk::try_new(&scratch.0, false).err(), Some(Error::DiskBusy));
        drop(reader);
        let _writer = FileDisk::try_new(&scratch.0, false).unwrap();
        assert_eq!(FileDisk::try_new(&scratch.0, true).err(), Some(Error::DiskBusy));
    }

    #[test]
    fn what_is_no_plain_disk_is_refused() {
        let refusal = |path: &Path| FileDisk::try_new(path, true).err();
        assert_eq!(refusal(Path::new("/nonexistent/disk.img")), Some(Error::NoSuchDisk));
        assert_eq!(refusal(Path::new("/")), Some(Error::DiskIsDirectory));
        assert_eq!(refusal(Path::new("/dev/null")), Some(Error::DiskIsNoFile));
        let scratch = Scratch::new("qcow2", 0);
        std::fs::write(&scratch.0, b"QFI\xfb\0\0\0\x03").unwrap();
        assert_eq!(refusal(&scratch.0), Some(Error::DiskIsQcow2));
    }
}
