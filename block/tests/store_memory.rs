//! A store takes little memory, whatever it keeps, and says so where there is none.

use unik_block::store::{Flush, Store, StoreError};
use unik_block::{Disk, RamDisk};
use unik_sched::Executor;
use unik_sched::time::Time;
use unik_testkit::{Scarce, Scarcity, Usage, VirtualClock};
use unik_virtio::Pool;

#[global_allocator]
static HEAP: Scarce = Scarce;

/// A machine with one disk.
struct Machine {
    executor: Executor,
    disk: Disk,
}

impl Machine {
    fn over(device: &RamDisk) -> Self {
        let time = Time::new(VirtualClock::new());
        let mut executor = Executor::new(&time, 4);
        let pool = Pool::heap_sized(32, Disk::BUFFER);
        let (disk, driver) = Disk::try_new(Box::new(device.clone()), pool, time).expect("it can be used");
        executor.spawner().spawn("disk0", driver.run()).expect("there is room");
        // Tables of the executor may grow the first time.
        executor.block_on("test", disk.flush()).expect("it does nothing");
        Self { executor, disk }
    }

    fn run<T>(&mut self, work: impl AsyncFnOnce(Disk) -> T) -> T {
        let disk = self.disk.clone();
        self.executor.block_on("test", work(disk))
    }
}

/// Puts a value of so many bytes, copies the log, and reads the value: how many bytes that were.
async fn work(disk: Disk, bytes: u64) -> Result<u64, StoreError> {
    let mut store = Store::open_or_format(disk, Flush::Required, 1).await?;
    let (mut piece, mut length) = ([7; 1000], 0);
    let mut transaction = store.begin(bytes).await?;
    transaction.put(b"key").await?;
    for _ in 0..bytes / piece.len() as u64 {
        transaction.write(&piece).await?;
    }
    transaction.commit().await?;
    store.compact().await?;
    let mut value = store.get(b"key")?.expect("it was put");
    loop {
        match value.read(&mut piece).await? {
            0 => return Ok(length),
            count => length += count as u64,
        }
    }
}

#[test]
fn a_value_of_megabytes_takes_memory_for_sixteen_pages() {
    let mut machine = Machine::over(&RamDisk::new(vec![0; 16 << 20]));
    let (result, usage) = Usage::of(|| machine.run(async |disk| work(disk, 5_000_000).await));
    assert_eq!(result, Ok(5_000_000));
    assert_eq!(usage.kept, 0);
    assert!(usage.peak < 17 * 4096, "{usage:?}");
}

#[test]
fn where_there_is_no_memory_it_says_so_and_nothing_is_lost() {
    let (mut failed, mut done) = (0, 0);
    for number in 0.. {
        let device = RamDisk::new(vec![0; 1 << 20]);
        let mut machine = Machine::over(&device);
        let (result, refused) =
            Scarcity::Nth(number).during(|| machine.run(async |disk| work(disk, 90_000).await));
        match result {
            Ok(90_000) => done += 1,
            Err(StoreError::NoMemory) => failed += 1,
            other => panic!("{other:?}"),
        }
        let again = machine.run(async |disk| work(disk, 50_000).await);
        assert_eq!(again, Ok(50_000));
        if refused == 0 {
            break;
        }
    }
    assert!(failed >= 5 && done >= 1, "{failed} and {done}");
}
