//! What the tests share: a cache over a modelled disk, and an executor whose time jumps.

use std::cell::Cell;
use std::rc::Rc;

use unik_block::{Cache, Disk, DiskError, VirtioBlock};
use unik_sched::Executor;
use unik_sched::sync::Event;
use unik_sched::time::Time;
use unik_testkit::{DiskModel, DiskSetup, HostHal, VirtualClock};
use unik_virtio::Pool;

pub(crate) struct World {
    pub(crate) model: DiskModel,
    pub(crate) cache: Cache,
    pub(crate) executor: Executor,
    /// Whether the device answers all that it is asked, at once.
    pub(crate) answers: Rc<Cell<bool>>,
}

/// A disk of so many sectors, with a cache of so many pages.
pub(crate) fn world(sectors: u64, pages: usize) -> World {
    with(DiskSetup { sectors, ..DiskSetup::default() }, pages)
}

/// A disk with these contents.
pub(crate) fn holding(bytes: &[u8], pages: usize) -> World {
    let world = world(bytes.len() as u64 / 512, pages);
    world.model.store(0, bytes);
    world
}

pub(crate) fn with(setup: DiskSetup, pages: usize) -> World {
    try_with(setup, pages).expect("the disk can be used")
}

pub(crate) fn try_with(setup: DiskSetup, pages: usize) -> Result<World, DiskError> {
    let model = DiskModel::new(setup);
    let clock = VirtualClock::new();
    let time = Time::new(clock.clone());
    let executor = Executor::new(&time, 200);
    let pool = Pool::try_sized::<HostHal>(pages, Disk::BUFFER).expect("there is memory");
    let event = Event::new();
    let device: VirtioBlock<HostHal, _> = VirtioBlock::try_new("disk0", model.transport(), event.clone())?;
    let (disk, driver) = Disk::try_new(Box::new(device), pool.clone(), time.clone())?;
    executor.spawner().spawn("disk0", driver.run()).expect("there is room");
    let cache = Cache::try_new(disk, pool, time)?;
    for _ in 0..Cache::WORKERS {
        executor.spawner().spawn("cache", cache.worker()).expect("there is room");
    }
    let answers = Rc::new(Cell::new(true));
    let (served, device, mut interrupts) = (answers.clone(), model.clone(), 0);
    clock.add_world(move || {
        let worked = served.get() && device.serve() > 0;
        let raised = device.device().interrupts();
        let is_news = raised != interrupts;
        if is_news {
            interrupts = raised;
            event.set();
        }
        worked || is_news
    });
    Ok(World { model, cache, executor, answers })
}

impl World {
    /// Runs the future to its end.
    pub(crate) fn run<T>(&mut self, future: impl Future<Output = T>) -> T {
        self.executor.block_on("test", future)
    }

    /// Lets everything that can go on do so.
    pub(crate) fn settle(&mut self) {
        for _ in 0..4 {
            while self.executor.turn() {}
        }
    }

    /// A counter of the cache or of its disk.
    pub(crate) fn count(&self, name: &str) -> u64 {
        let mut found = None;
        for set in [self.cache.counters(), self.cache.disk().counters()] {
            set.visit(&mut |counter, value| {
                if counter == name {
                    found = Some(value);
                }
            });
        }
        found.unwrap_or_else(|| panic!("there is no counter {name}"))
    }
}

/// Bytes that tell where they belong.
pub(crate) fn pattern(seed: u64, length: usize) -> Vec<u8> {
    let mut bytes = vec![0; length];
    unik_testkit::Random::new(seed).fill(&mut bytes);
    bytes
}
