//! The store of an image, after anything that may happen to its disk and its machine.
//!
//! What the image `keeps` commits is known, so what is on its disk is opened here, by the same code, and compared.
//! `UNIK_STORE_ROUNDS=200 cargo test -p unik-tests --test store` kills that many machines.
#![forbid(unsafe_code)]

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use cargo_unik::disk::Drive;
use unik_block::store::{Flush, Store, StoreError};
use unik_block::{Disk, RamDisk, SECTOR};
use unik_sched::Executor;
use unik_sched::time::Time;
use unik_testkit::{Random, VirtualClock};
use unik_tests::{DiskImage, Image, Setup, Vm};
use unik_virtio::Pool;

/// What a store holds.
type Contents = BTreeMap<Vec<u8>, Vec<u8>>;

/// Bytes of the disk: so few that the log is copied from time to time.
const SIZE: u64 = 512 << 10;
/// Machines that are killed, where the environment does not say how many.
const ROUNDS: u64 = 8;

/// Does what commit `number` of the image does.
fn commit(contents: &mut Contents, number: u64) {
    let (key, length) = (format!("k{}", number % 7).into_bytes(), number * 7919 % 20_000);
    if number.is_multiple_of(5) {
        contents.remove(&key);
    } else {
        let words = (0..length / 8).flat_map(|word| (number << 32 | word).to_le_bytes());
        contents.insert(key, words.chain((0..length % 8).map(|_| b'.')).collect());
    }
    contents.insert(b"count".to_vec(), number.to_le_bytes().to_vec());
}

/// What the store holds after each of so many commits.
fn histories(count: u64) -> Vec<Contents> {
    let mut histories = vec![Contents::new()];
    for number in 1..=count {
        let mut next = histories.last().cloned().unwrap_or_default();
        commit(&mut next, number);
        histories.push(next);
    }
    histories
}

/// What the store on a disk with these bytes holds.
fn mount(bytes: Vec<u8>) -> Result<Contents, StoreError> {
    let time = Time::new(VirtualClock::new());
    let mut executor = Executor::new(&time, 4);
    let pool = Pool::heap_sized(32, Disk::BUFFER);
    let device = Box::new(RamDisk::new(bytes));
    let (disk, driver) = Disk::try_new(device, pool, time).expect("it can be used");
    executor.spawner().spawn("disk0", driver.run()).expect("there is room");
    executor.block_on("test", async {
        let store = Store::open(disk, Flush::Required).await?;
        let mut contents = Contents::new();
        for (key, length) in store.keys() {
            let mut bytes = vec![0; length as usize];
            let mut value = store.get(key)?.expect("it was listed");
            assert_eq!(value.read(&mut bytes).await?, bytes.len());
            contents.insert(key.to_vec(), bytes);
        }
        Ok(contents)
    })
}

/// How many commits the store on a disk has seen: nothing else is in it than after so many.
#[track_caller]
fn count(bytes: Vec<u8>, histories: &mut Vec<Contents>) -> u64 {
    let found = match mount(bytes) {
        // The image was stopped before it made one.
        Err(StoreError::Blank) => return 0,
        other => other.unwrap_or_else(|error| panic!("the store is gone: {error}")),
    };
    let number = found
        .get(&b"count"[..])
        .and_then(|count| count.first_chunk())
        .map_or(0, |count| u64::from_le_bytes(*count));
    while histories.len() as u64 <= number {
        let mut next = histories.last().cloned().unwrap_or_default();
        commit(&mut next, histories.len() as u64);
        histories.push(next);
    }
    assert!(found == histories[number as usize], "something else than after {number} commits");
    number
}

/// How many commits the image has told of on its console.
fn told(log: &str) -> Option<u64> {
    log.lines().filter_map(|line| line.split("committed ").nth(1)?.trim().parse().ok()).max()
}

fn keeps(commits: u64) -> Setup {
    Vm::of(&Image::release("keeps")).words(&format!("commits={commits}"))
}

/// What was done to a disk.
enum Step {
    Write(usize, Vec<u8>),
    Flush,
}

/// The steps that QEMU's `blklogwrites` has noted, in the format of dm-log-writes (Linux, drivers/md/dm-log-writes.c).
fn steps(log: &Path) -> Vec<Step> {
    const FLUSH: u64 = 1;
    const ODD: u64 = 2 | 4 | 8; // FUA, DISCARD and MARK, none of which was asked for
    let log = fs::read(log).expect("QEMU has written it");
    let word = |at: usize| u64::from_le_bytes(log[at..at + 8].try_into().expect("eight bytes"));
    assert_eq!((word(0), word(8)), (0x6a_7366_7773_6872, 1), "magic and version");
    let (entries, mut at, mut steps) = (word(16), SECTOR, Vec::new());
    for _ in 0..entries {
        let [sector, sectors, flags] = [0, 8, 16].map(|field| word(at + field));
        assert_eq!(flags & ODD, 0);
        at += SECTOR;
        if sectors > 0 {
            let length = sectors as usize * SECTOR;
            steps.push(Step::Write(sector as usize * SECTOR, log[at..at + length].to_vec()));
            at += length;
        }
        if flags & FLUSH != 0 {
            steps.push(Step::Flush);
        }
    }
    steps
}

fn write(disk: &mut [u8], step: &Step) {
    if let Step::Write(at, bytes) = step {
        disk[*at..at + bytes.len()].copy_from_slice(bytes);
    }
}

/// A disk that was `stable`, with the writes of `steps` by chance: all but one, the last torn, or any sectors of any, in any order.
fn crashed(stable: &[u8], steps: &[Step], attempt: usize, random: &mut Random) -> Vec<u8> {
    let mut disk = stable.to_vec();
    let mut order: Vec<usize> = (0..steps.len()).collect();
    if attempt > 2 {
        order.sort_by_key(|_| random.next_u64());
    }
    let chosen = random.below(steps.len().max(1));
    for index in order {
        let Step::Write(at, bytes) = &steps[index] else { continue };
        let torn = random.below(bytes.len() / SECTOR);
        for (number, sector) in bytes.chunks(SECTOR).enumerate() {
            let is_there = match attempt {
                0 => index != chosen,
                1 => index + 1 < steps.len() || number <= torn,
                2 => index + 1 < steps.len() || number > torn,
                _ => random.one_in(2),
            };
            if is_there {
                disk[at + number * SECTOR..][..sector.len()].copy_from_slice(sector);
            }
        }
    }
    disk
}

#[test]
fn every_prefix_of_what_was_written_and_any_order_between_flushes_is_a_whole_store() {
    const COMMITS: u64 = 60;
    let (image, log) = (DiskImage::new(SIZE), DiskImage::new(0));
    // Twice, so that a store is opened too.
    let mut noted = Vec::new();
    for _ in 0..2 {
        fs::write(log.path(), b"").expect("it can be emptied");
        let drive = format!(
            "if=none,id=noted,format=raw,file.driver=blklogwrites,file.file.driver=file,file.file.filename={},\
             file.log.driver=file,file.log.filename={}",
            image.path().display(),
            log.path().display()
        );
        let setup = keeps(COMMITS / 2).qemu(["-drive", &drive, "-device", "virtio-blk-device,drive=noted"]);
        assert_eq!(setup.boot().exit_code(), 0);
        noted.extend(steps(log.path()));
    }
    let mut histories = histories(COMMITS);
    let seed = 0x1065;
    println!("{} steps, seed {seed:#x}", noted.len());
    let (mut random, mut stable, mut flushed, mut durable) =
        (Random::new(seed), vec![0; SIZE as usize], 0, 0);
    let (mut disks, mut flushes) = (0, 0);
    for end in 0..=noted.len() {
        if let Some(Step::Flush) = end.checked_sub(1).map(|last| &noted[last]) {
            noted[flushed..end].iter().for_each(|step| write(&mut stable, step));
            (flushed, flushes) = (end, flushes + 1);
            let now = count(stable.clone(), &mut histories);
            assert!(now == durable || now == durable + 1, "a flush made {now} commits of {durable}");
            durable = now;
        }
        let between = &noted[flushed..end];
        let mut prefix = stable.clone();
        between.iter().for_each(|step| write(&mut prefix, step));
        let others = (0..if between.is_empty() { 0 } else { 24 })
            .map(|attempt| crashed(&stable, between, attempt, &mut random));
        for disk in [prefix].into_iter().chain(others.collect::<Vec<_>>()) {
            let now = count(disk, &mut histories);
            assert!(
                now == durable || now == durable + 1,
                "{now} commits after {end} steps, {durable} of them durable"
            );
            disks += 1;
        }
    }
    println!("{disks} disks, {flushes} flushes");
    assert_eq!(durable, COMMITS, "what the image said is committed is durable");
    assert!(flushes > COMMITS && disks > 1500);
}

#[test]
fn a_machine_that_is_killed_at_any_time_loses_nothing_that_it_has_committed() {
    let rounds =
        std::env::var("UNIK_STORE_ROUNDS").ok().and_then(|rounds| rounds.parse().ok()).unwrap_or(ROUNDS);
    let image = DiskImage::new(SIZE);
    let (mut histories, mut random, mut before) = (histories(0), Random::new(rounds), 0);
    for round in 0..rounds {
        let mut vm = keeps(1_000_000).drive(Drive::raw(image.path())).boot();
        // Most are killed while they commit, some while they boot or open the store.
        let at_once = random.one_in(8);
        if !at_once {
            vm.line(&format!("holds {before}"));
            let more = random.below(24) as u64;
            if more > 0 {
                vm.line(&format!("committed {}", before + more));
            }
        }
        // A commit takes some milliseconds, a boot some ten times that, more on a busy computer: what is hit is chance.
        std::thread::sleep(Duration::from_micros(random.below(if at_once { 200_000 } else { 5_000 }) as u64));
        let log = vm.kill();
        let said = told(&log);
        let now = count(image.stored(0, SIZE as usize), &mut histories);
        let said = said.unwrap_or(before);
        assert!(now == said || now == said + 1, "round {round}: {now} commits, and {said} were told\n{log}");
        before = now;
    }
    println!("{rounds} machines killed, {before} commits");
    assert!(before > rounds, "they were not killed too early");
}

/// A disk in front of which something fails: QEMU's blkdebug.
fn faulty(image: &DiskImage, faults: &str) -> Setup {
    let drive = format!(
        "if=none,id=faulty,format=raw,file.driver=blkdebug,file.image.driver=file,file.image.filename={},{faults}",
        image.path().display()
    );
    keeps(60).qemu(["-drive", &drive, "-device", "virtio-blk-device,drive=faulty"])
}

/// A fault of blkdebug, whenever `operation` is about that sector.
fn fault(operation: &str, sector: u64) -> String {
    format!(
        "file.inject-error.0.event=none,file.inject-error.0.iotype={operation},file.inject-error.0.errno=5,\
         file.inject-error.0.once=off,file.inject-error.0.sector={sector}"
    )
}

/// Runs the image to its end, which is this error, and gives how many commits the disk then has.
#[track_caller]
fn fails(image: &DiskImage, setup: Setup, error: &str) -> (u64, u64) {
    let mut vm = setup.boot();
    vm.line(&format!("error: disk0: {error}"));
    assert_eq!(vm.exit_code(), 1);
    (told(&vm.log()).unwrap_or(0), count(image.stored(0, SIZE as usize), &mut histories(0)))
}

#[test]
fn errors_of_the_disk_name_the_sector_and_lose_nothing() {
    let image = DiskImage::new(SIZE);
    assert_eq!(keeps(10).drive(Drive::raw(image.path())).boot().exit_code(), 0);
    for sector in [0, 16, 24] {
        let error = format!("the disk cannot be read at sector {sector}");
        assert_eq!(fails(&image, faulty(&image, &fault("read", sector)), &error), (0, 10));
    }
    // Writes fail in the middle of the second half, to which the log is copied on the way.
    let sector = 16 + 8 * 63 + 8 * 30;
    let error = format!("the disk cannot be written at sector {sector}");
    let (said, now) = fails(&image, faulty(&image, &fault("write", sector)), &error);
    assert!(said > 10 && now == said, "{now} and {said}");
    // The first flush of all, and then a later one.
    let error = "the disk cannot make durable what was written to it";
    let flush = "file.inject-error.0.event=none,file.inject-error.0.iotype=flush,file.inject-error.0.errno=5,file.inject-error.0.once=off";
    assert_eq!(fails(&image, faulty(&image, flush), error), (0, now));
    let mut flush = flush.replace("event=none", "event=flush_to_disk") + ",file.inject-error.0.state=6";
    for state in 1..6 {
        let step = format!(",file.set-state.{}", state - 1);
        flush += &format!("{step}.event=flush_to_disk{step}.state={state}{step}.new_state={}", state + 1);
    }
    let (said, later) = fails(&image, faulty(&image, &flush), error);
    assert!(said > now && (later == said || later == said + 1), "{later} and {said}");
}

#[test]
fn a_disk_with_something_else_on_it_is_left_alone() {
    let image = DiskImage::new(SIZE);
    let path: PathBuf = image.path().to_owned();
    let mut bytes = image.stored(0, SIZE as usize);
    bytes[1080..1082].copy_from_slice(&[0x53, 0xef]); // an ext4 file system's magic number
    fs::write(&path, &bytes).expect("it is there");
    let mut vm = keeps(1).drive(Drive::raw(&path)).boot();
    vm.line("error: disk0: the disk holds something that is no store, which is left as it is, at sector 0");
    assert_eq!(vm.exit_code(), 1);
    assert!(image.stored(0, SIZE as usize) == bytes);
}

#[test]
fn a_disk_that_never_says_what_is_durable_is_not_used() {
    let image = DiskImage::new(SIZE);
    let drive = format!("if=none,id=through,format=raw,cache=writethrough,file={}", image.path().display());
    let setup =
        keeps(1).qemu(["-drive", &drive, "-device", "virtio-blk-device,drive=through,config-wce=off"]);
    let mut vm = setup.boot();
    vm.line("error: disk0: the disk does not say when what was written to it is durable");
    assert_eq!(vm.exit_code(), 1);
    assert!(image.stored(0, SIZE as usize).iter().all(|byte| *byte == 0));
}
