//! Any bytes at all as a disk: its partitions lie on it, and what a file system on it or on one of them lists can be read or is
//! refused, without end or panic.
#![no_main]

use libfuzzer_sys::fuzz_target;
use std::collections::VecDeque;
use std::rc::Rc;
use unik_block::ext4::{Ext4Error, FileSystem};
use unik_block::{
    BlockDevice, Cache, Completion, Disk, Operation, Properties, Request, SECTOR, Volume, partitions,
};
use unik_sched::counter::CounterSet;
use unik_sched::sync::Event;
use unik_sched::time::{Instant, Platform, Time};
use unik_sched::{Executor, counters};
use unik_virtio::Pool;

counters! {
    /// Nothing.
    struct NoCounters {}
}

/// Time that stands still.
struct Still;

impl Platform for Still {
    fn now(&self) -> Instant {
        Instant::ZERO
    }

    fn poll_events(&self) {}

    fn idle(&self, _: Option<Instant>) {
        panic!("somebody waits for ever");
    }
}

/// The bytes as a device.
struct Bytes {
    bytes: Vec<u8>,
    properties: Properties,
    waiting: VecDeque<Request>,
    event: Event,
}

impl BlockDevice for Bytes {
    fn properties(&self) -> &Properties {
        &self.properties
    }

    fn depth(&self) -> usize {
        16
    }

    fn has_room(&self, _: usize) -> bool {
        self.waiting.len() < 16
    }

    fn submit(&mut self, request: Request) -> Result<(), Request> {
        self.waiting.push_back(request);
        Ok(())
    }

    fn kick(&mut self) {
        if !self.waiting.is_empty() {
            self.event.set();
        }
    }

    fn complete(&mut self) -> Option<Completion> {
        let Request { operation, sector, mut data, tag, .. } = self.waiting.pop_front()?;
        assert_eq!(operation, Operation::Read);
        let mut place = sector as usize * SECTOR;
        for part in data.parts_mut() {
            part.copy_from_slice(&self.bytes[place..place + part.len()]);
            place += part.len();
        }
        Some(Completion { tag, data, result: Ok(()) })
    }

    fn has_failed(&self) -> bool {
        false
    }

    fn arm(&mut self) -> bool {
        false
    }

    fn disarm(&mut self) {}

    fn event(&self) -> Event {
        self.event.clone()
    }

    fn counters(&self) -> Rc<dyn CounterSet> {
        Rc::new(NoCounters::new())
    }
}

async fn read(cache: &Cache) -> Result<(), Ext4Error> {
    let table = partitions(cache).await.unwrap_or_default();
    let parts = table.iter().map(|one| Volume::part(cache, one.first, one.sectors).expect("it lies on the disk"));
    for volume in parts.chain([Volume::whole(cache)]).take(4) {
        let tree = match FileSystem::open(volume).await {
            Ok(system) => system.tree().await?,
            Err(_) => continue,
        };
        for node in tree.nodes().iter().take(16) {
            let mut file = tree.system().file(node).await?;
            for start in [0, node.length() / 2, node.length().saturating_sub(1)] {
                let mut at = start;
                while at < start.saturating_add(40_000) {
                    let contents = file.contents(at, start.saturating_add(40_000)).await?;
                    if contents.is_empty() {
                        break;
                    }
                    at += contents.len() as u64;
                }
            }
        }
    }
    Ok(())
}

fuzz_target!(|bytes: &[u8]| {
    let time = Time::new(Rc::new(Still));
    let mut executor = Executor::new(&time, 8);
    let pool = Pool::heap_sized(16, Disk::BUFFER);
    let properties = Properties {
        sectors: (bytes.len() / SECTOR) as u64,
        block_size: SECTOR,
        physical_block_size: SECTOR,
        best_transfer: 0,
        is_read_only: true,
        can_flush: false,
        most_discarded: 0,
        most_zeroed: 0,
        most_parts: 4,
        most_bytes: 4096,
    };
    let device = Bytes { bytes: bytes.to_vec(), properties, waiting: VecDeque::new(), event: Event::new() };
    let (disk, driver) = Disk::try_new(Box::new(device), pool.clone(), time.clone()).expect("it can be used");
    executor.spawner().spawn("disk0", driver.run()).expect("there is room");
    let cache = Cache::try_new(disk, pool, time).expect("it can be used");
    for _ in 0..Cache::WORKERS {
        executor.spawner().spawn("files", cache.worker()).expect("there is room");
    }
    let _ = executor.block_on("main", read(&cache));
});
