//! What the tests share: a disk over the driver of a modelled device, and an executor whose time jumps.

use std::cell::Cell;
use std::rc::Rc;

use unik_block::{Disk, DiskError, VirtioBlock};
use unik_sched::sync::Event;
use unik_sched::time::Time;
use unik_sched::{Executor, Spawner};
use unik_testkit::{DiskModel, DiskSetup, HostHal, VirtualClock};
use unik_virtio::Pool;

/// Buffers of the disk's pool.
pub(crate) const BUFFERS: usize = 80;

pub(crate) struct World {
    pub(crate) model: DiskModel,
    pub(crate) disk: Disk,
    pub(crate) pool: Pool,
    pub(crate) time: Time,
    pub(crate) executor: Executor,
    /// Whether the device answers all that it is asked, at once.
    pub(crate) answers: Rc<Cell<bool>>,
}

/// A device of that kind, up and running.
pub(crate) fn world(setup: DiskSetup) -> World {
    with_buffers(setup, BUFFERS)
}

pub(crate) fn with_buffers(setup: DiskSetup, buffers: usize) -> World {
    try_world(DiskModel::new(setup), buffers).expect("the disk can be used")
}

pub(crate) fn try_world(model: DiskModel, buffers: usize) -> Result<World, DiskError> {
    let clock = VirtualClock::new();
    let time = Time::new(clock.clone());
    let executor = Executor::new(&time, 200);
    let pool = Pool::try_sized::<HostHal>(buffers, Disk::BUFFER).expect("there is memory");
    let event = Event::new();
    let device: VirtioBlock<HostHal, _> = VirtioBlock::try_new("disk0", model.transport(), event.clone())?;
    let (disk, driver) = Disk::try_new(Box::new(device), pool.clone(), time.clone())?;
    executor.spawner().spawn("disk0", driver.run()).expect("there is room");
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
    Ok(World { model, disk, pool, time, executor, answers })
}

impl World {
    /// Runs the future to its end.
    pub(crate) fn run<T>(&mut self, future: impl Future<Output = T>) -> T {
        self.executor.block_on("test", future)
    }

    /// Lets everything that can go on do so.
    pub(crate) fn settle(&mut self) {
        while self.executor.turn() {}
        // What the device said in the last turn is heard in the next one.
        while self.executor.turn() {}
    }

    pub(crate) fn spawner(&self) -> Spawner {
        self.executor.spawner()
    }

    /// A counter of the disk or of its device.
    pub(crate) fn count(&self, name: &str) -> u64 {
        let mut found = None;
        for set in [self.disk.counters(), self.disk.device_counters()] {
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
