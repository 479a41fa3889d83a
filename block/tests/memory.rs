//! A disk over another device than virtio-blk, a piece of memory: the seam is enough, and nothing in the data path allocates.

use std::cell::Cell;
use std::collections::VecDeque;
use std::rc::Rc;

use unik_block::{BlockDevice, Completion, Disk, Operation, Properties, Request, SECTOR};
use unik_sched::counter::CounterSet;
use unik_sched::sync::Event;
use unik_sched::time::Time;
use unik_sched::{Executor, counters};
use unik_testkit::{Scarce, Usage, VirtualClock};
use unik_virtio::Pool;

#[global_allocator]
static HEAP: Scarce = Scarce;

/// Requests at the same time.
const DEPTH: usize = 16;

counters! {
    /// What a piece of memory has done.
    struct MemoryCounters {
        /// Requests.
        requests,
    }
}

/// Memory as a device.
struct Memory {
    bytes: Vec<u8>,
    properties: Properties,
    waiting: VecDeque<Request>,
    most_at_once: Rc<Cell<usize>>,
    event: Event,
    counters: Rc<MemoryCounters>,
}

impl Memory {
    fn new(sectors: u64, most_at_once: Rc<Cell<usize>>) -> Self {
        let properties = Properties {
            sectors,
            block_size: SECTOR,
            physical_block_size: SECTOR,
            best_transfer: 0,
            is_read_only: false,
            can_flush: true,
            most_discarded: 0,
            most_zeroed: u32::MAX,
            most_parts: 4,
            most_bytes: 4096,
        };
        let bytes = vec![0; sectors as usize * SECTOR];
        let waiting = VecDeque::with_capacity(DEPTH);
        Self { bytes, properties, waiting, most_at_once, event: Event::new(), counters: Rc::default() }
    }
}

impl BlockDevice for Memory {
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
        self.counters.requests.increment();
        self.waiting.push_back(request);
        self.most_at_once.set(self.most_at_once.get().max(self.waiting.len()));
        Ok(())
    }

    fn kick(&mut self) {
        if !self.waiting.is_empty() {
            self.event.set();
        }
    }

    fn complete(&mut self) -> Option<Completion> {
        let Request { operation, sector, sectors, mut data, tag } = self.waiting.pop_front()?;
        let mut place = self.bytes.get_mut(sector as usize * SECTOR..)?;
        match operation {
            Operation::Read => {
                for part in data.parts_mut() {
                    let (now, later) = place.split_at_mut(part.len());
                    part.copy_from_slice(now);
                    place = later;
                }
            }
            Operation::Write => {
                for part in data.parts() {
                    let (now, later) = place.split_at_mut(part.len());
                    now.copy_from_slice(part);
                    place = later;
                }
            }
            Operation::WriteZeroes => place[..sectors as usize * SECTOR].fill(0),
            Operation::Flush | Operation::Discard => {}
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
        self.counters.clone()
    }
}

#[test]
fn nothing_in_the_data_path_allocates() {
    let clock = VirtualClock::new();
    let time = Time::new(clock.clone());
    let mut executor = Executor::new(&time, 8);
    let most_at_once = Rc::new(Cell::new(0));
    let pool = Pool::heap_sized(8, Disk::BUFFER);
    let device = Memory::new(4096, most_at_once.clone());
    let (disk, driver) = Disk::try_new(Box::new(device), pool, time).unwrap();
    executor.spawner().spawn("disk0", driver.run()).unwrap();
    let written = vec![0x5a; 100 * SECTOR];
    let (mut read, mut zeroes) = (vec![0; 80 * SECTOR], vec![1; SECTOR]);
    let mut work = |rounds: u64| {
        executor.block_on("test", async {
            for round in 0..rounds {
                disk.write(round, &written).await?;
                disk.flush().await?;
                disk.read(round + 20, &mut read).await?;
                disk.write_zeroes(round, 2).await?;
                disk.read(round + 1, &mut zeroes).await?;
            }
            Ok::<_, unik_block::DiskError>(())
        })
    };
    // Tables of the executor may grow the first time.
    work(1).unwrap();
    let (result, usage) = Usage::of(|| work(1000));
    assert_eq!(result, Ok(()));
    assert_eq!(usage, Usage { kept: 0, peak: 0 });
    assert_eq!((read[0], read[80 * SECTOR - 1], zeroes[0]), (0x5a, 0x5a, 0));
    assert_eq!(most_at_once.get(), 2);
}
