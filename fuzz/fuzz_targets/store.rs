//! Any bytes at all as a disk with a store: what can be opened can be read, changed, and opened again with what it then holds.
//!
//! The input is a list of changes to a disk that held a store: where, and what stands there. So what is found behind checksums is
//! reached too, because those of pages that were changed are mended.
#![no_main]

use std::cell::Cell;
use std::collections::BTreeMap;
use std::rc::Rc;

use libfuzzer_sys::fuzz_target;
use unik_block::store::{Flush, Store, StoreError};
use unik_block::{Disk, RamDisk};
use unik_sched::Executor;
use unik_sched::time::{Instant, Platform, Time};
use unik_virtio::Pool;

const SIZE: usize = 34 * 4096;

/// A machine on which no time passes.
struct Still(Cell<u64>);

impl Platform for Still {
    fn now(&self) -> Instant {
        Instant::ZERO
    }

    fn idle(&self, _: Option<Instant>) {
        self.0.set(self.0.get() + 1);
        assert!(self.0.get() < 1000, "everybody waits");
    }
}

fn with_disk<T>(device: RamDisk, work: impl AsyncFnOnce(Disk) -> T) -> T {
    let time = Time::new(Rc::new(Still(Cell::new(0))));
    let mut executor = Executor::new(&time, 4);
    let pool = Pool::heap_sized(32, Disk::BUFFER);
    let (disk, driver) = Disk::try_new(Box::new(device), pool, time).expect("it can be used");
    executor.spawner().spawn("disk0", driver.run()).expect("there is room");
    executor.block_on("fuzz", work(disk))
}

async fn contents(store: &Store) -> Result<BTreeMap<Vec<u8>, Vec<u8>>, StoreError> {
    let mut contents = BTreeMap::new();
    for (key, length) in store.keys() {
        assert!(length <= SIZE as u64);
        let mut bytes = vec![0; length as usize];
        let mut value = store.get(key)?.expect("it was listed");
        assert_eq!(value.read(&mut bytes).await?, bytes.len());
        contents.insert(key.to_vec(), bytes);
    }
    Ok(contents)
}

/// A disk with a store that has seen something.
fn stored() -> Vec<u8> {
    let device = RamDisk::new(vec![0; SIZE]);
    let made = with_disk(device.clone(), async |disk| {
        let mut store = Store::open_or_format(disk, Flush::Required, 1).await?;
        for number in 0..6_u8 {
            let mut transaction = store.begin(9000).await?;
            transaction.put(&[number % 3 + 1]).await?;
            transaction.write(&vec![number; 1000 * usize::from(number)]).await?;
            transaction.commit().await?;
            if number == 2 {
                store.compact().await?;
            }
        }
        Ok::<_, StoreError>(())
    });
    made.expect("the disk does what it is told");
    device.bytes().clone()
}

/// The checksum of words, as the store has it: written down once more, so that a change there is seen here.
fn sum(start: u64, words: &[u8]) -> u64 {
    const FACTOR: u64 = 0x9e37_79b9_7f4a_7c15;
    let words = words.as_chunks().0.iter().map(|word| u64::from_le_bytes(*word));
    words.fold(start ^ FACTOR, |sum, word| {
        let mixed = (sum ^ word).wrapping_mul(FACTOR);
        mixed ^ mixed >> 32
    })
}

/// What the checksums of generation 1 of the store with the identity 1 begin with.
fn root() -> u64 {
    const FACTOR: u64 = 0x9e37_79b9_7f4a_7c15;
    let mix = |word: u64| {
        let word = word.wrapping_mul(FACTOR);
        word ^ word >> 32
    };
    mix(mix(1 ^ FACTOR) ^ 1)
}

/// Gives the pages of the second half from `first` on their checksums, and the page before as it is where the chain `is_whole`;
/// and the roots theirs.
fn mend(bytes: &mut [u8], first: usize, is_whole: bool) {
    let word = |bytes: &[u8], at: usize| *bytes[at..].first_chunk::<8>().expect("a page is longer");
    for page in first.max(18)..34 {
        if is_whole {
            let before = if page == 18 { root().to_le_bytes() } else { word(bytes, (page - 1) * 4096) };
            bytes[page * 4096 + 8..][..8].copy_from_slice(&before);
        }
        let check = sum(root(), &bytes[page * 4096 + 8..(page + 1) * 4096]);
        bytes[page * 4096..][..8].copy_from_slice(&check.to_le_bytes());
    }
    // The second root says how the copy ends.
    let pages = u64::from_le_bytes(word(bytes, 4096 + 32)) as usize;
    if is_whole && (1..16).contains(&pages) {
        let last = word(bytes, (17 + pages) * 4096);
        bytes[4096 + 40..][..8].copy_from_slice(&last);
    }
    for slot in 0..2 {
        let check = sum(0, &bytes[slot * 4096..][..48]);
        bytes[slot * 4096 + 48..][..8].copy_from_slice(&check.to_le_bytes());
    }
}

fuzz_target!(|input: &[u8]| {
    let mut bytes = stored();
    assert_eq!(
        bytes[18 * 4096..].first_chunk(),
        Some(&sum(root(), &bytes[18 * 4096 + 8..19 * 4096]).to_le_bytes())
    );
    for change in input.as_chunks::<4>().0.iter().take(64) {
        let [page, low, high, value] = *change;
        let (page, at) = (usize::from(page) % 34, usize::from(u16::from_le_bytes([low, high])) % 4096);
        bytes[page * 4096 + at] = value;
        mend(&mut bytes, page, value & 1 == 0);
    }
    let device = RamDisk::new(bytes);
    let opened = with_disk(device.clone(), async |disk| {
        let mut store = Store::open(disk, Flush::Required).await?;
        let mut expected = contents(&store).await.expect("what was read when it was opened is read again");
        let mut transaction = store.begin(3).await?;
        transaction.put(b"new").await?;
        transaction.write(b"one").await?;
        transaction.commit().await?;
        expected.insert(b"new".to_vec(), b"one".to_vec());
        assert_eq!(contents(&store).await.as_ref(), Ok(&expected));
        Ok::<_, StoreError>(expected)
    });
    let Ok(expected) = opened else { return };
    let again = with_disk(device, async |disk| contents(&Store::open(disk, Flush::Required).await?).await);
    assert_eq!(again, Ok(expected));
});
