//! What the tests share: a disk that notes what is done to it, and fails when told to; what a store holds; an executor.

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, VecDeque};
use std::rc::Rc;

use unik_block::store::{Flush, Store, StoreError};
use unik_block::{BlockDevice, Completion, Disk, Fault, Operation, Properties, RamDisk, Request, SECTOR};
use unik_sched::Executor;
use unik_sched::counter::CounterSet;
use unik_sched::sync::Event;
use unik_sched::time::Time;
use unik_testkit::{Random, VirtualClock};
use unik_virtio::Pool;

/// What a store holds.
pub(crate) type Contents = BTreeMap<Vec<u8>, Vec<u8>>;

/// The smallest disk that a store fits on.
pub(crate) const SMALLEST: usize = 34 * 4096;

/// What was done to a disk.
#[derive(Clone, Debug)]
pub(crate) enum Note {
    Write(usize, Vec<u8>),
    Flush,
}

/// What becomes of requests; clones are handles of the same.
#[derive(Clone, Default)]
pub(crate) struct Hand {
    pub(crate) bytes: Rc<RefCell<Vec<u8>>>,
    pub(crate) notes: Rc<RefCell<Vec<Note>>>,
    /// Requests of each kind that are still done, if not all.
    pub(crate) reads: Rc<Cell<Option<usize>>>,
    pub(crate) writes: Rc<Cell<Option<usize>>>,
    pub(crate) flushes: Rc<Cell<Option<usize>>>,
    /// Writes wait until it is not so any more, and then until others have been done.
    pub(crate) is_late: Rc<Cell<bool>>,
    pub(crate) event: Option<Event>,
    pub(crate) cannot_flush: bool,
    pub(crate) is_read_only: bool,
}

impl Hand {
    pub(crate) fn over(bytes: Vec<u8>) -> Self {
        Self { bytes: Rc::new(RefCell::new(bytes)), event: Some(Event::new()), ..Self::default() }
    }

    /// Writes are done again, also those that have waited.
    pub(crate) fn hurry(&self) {
        self.is_late.set(false);
        self.event.iter().for_each(Event::set);
    }

    pub(crate) fn stored(&self) -> Vec<u8> {
        self.bytes.borrow().clone()
    }
}

/// A disk that does as a [`Hand`] says.
struct Noted {
    hand: Hand,
    properties: Properties,
    waiting: VecDeque<Request>,
    late: Vec<Request>,
    event: Event,
    counters: Rc<dyn CounterSet>,
}

impl Noted {
    fn new(hand: Hand) -> Self {
        let model = RamDisk::new(vec![0; hand.bytes.borrow().len()]);
        let properties = Properties {
            can_flush: !hand.cannot_flush,
            is_read_only: hand.is_read_only,
            ..*model.properties()
        };
        let (counters, event) = (model.counters(), hand.event.clone().unwrap_or_default());
        Self { hand, properties, waiting: VecDeque::new(), late: Vec::new(), event, counters }
    }

    fn work(&self, request: &mut Request) -> Result<(), Fault> {
        let Hand { bytes, notes, reads, writes, flushes, .. } = &self.hand;
        let left = match request.operation {
            Operation::Read => reads,
            Operation::Write => writes,
            _ => flushes,
        };
        match left.get() {
            Some(0) => return Err(Fault::Failed),
            some => left.set(some.map(|left| left - 1)),
        }
        let mut at = request.sector as usize * SECTOR;
        let bytes = &mut *bytes.borrow_mut();
        match request.operation {
            Operation::Read => {
                for part in request.data.parts_mut() {
                    part.copy_from_slice(&bytes[at..at + part.len()]);
                    at += part.len();
                }
            }
            Operation::Write => {
                for part in request.data.parts() {
                    bytes[at..at + part.len()].copy_from_slice(part);
                    notes.borrow_mut().push(Note::Write(at, part.to_vec()));
                    at += part.len();
                }
            }
            Operation::Flush => notes.borrow_mut().push(Note::Flush),
            _ => return Err(Fault::Unsupported),
        }
        Ok(())
    }
}

impl BlockDevice for Noted {
    fn properties(&self) -> &Properties {
        &self.properties
    }

    fn depth(&self) -> usize {
        32
    }

    fn has_room(&self, _parts: usize) -> bool {
        self.waiting.len() < 32
    }

    fn submit(&mut self, request: Request) -> Result<(), Request> {
        if self.hand.is_late.get() && request.operation == Operation::Write {
            self.late.push(request);
        } else {
            self.waiting.push_back(request);
        }
        Ok(())
    }

    fn kick(&mut self) {}

    fn complete(&mut self) -> Option<Completion> {
        let late = || if self.hand.is_late.get() { None } else { self.late.pop() };
        let mut request = self.waiting.pop_front().or_else(late)?;
        let result = self.work(&mut request);
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

/// Does `work` with a disk in the hand of `hand`.
pub(crate) fn with_disk<T>(hand: &Hand, work: impl AsyncFnOnce(Disk, Time) -> T) -> T {
    with_device(Box::new(Noted::new(hand.clone())), work)
}

/// Does `work` with a plain disk that holds `bytes`, and gives what it holds then.
pub(crate) fn with_bytes<T>(bytes: Vec<u8>, work: impl AsyncFnOnce(Disk, Time) -> T) -> (T, Vec<u8>) {
    let device = RamDisk::new(bytes);
    let result = with_device(Box::new(device.clone()), work);
    let bytes = device.bytes().clone();
    (result, bytes)
}

fn with_device<T>(device: Box<dyn BlockDevice>, work: impl AsyncFnOnce(Disk, Time) -> T) -> T {
    let time = Time::new(VirtualClock::new());
    let mut executor = Executor::new(&time, 4);
    let pool = Pool::heap_sized(16, Disk::BUFFER);
    let (disk, driver) = Disk::try_new(device, pool, time.clone()).expect("it can be used");
    executor.spawner().spawn("disk0", driver.run()).expect("there is room");
    executor.block_on("test", work(disk, time))
}

/// All that is in `store`.
pub(crate) async fn contents(store: &Store) -> Result<Contents, StoreError> {
    let mut contents = Contents::new();
    for (key, length) in store.keys() {
        let mut value = store.get(key)?.expect("it was listed");
        assert_eq!(value.left(), length);
        let mut bytes = vec![0; length as usize + 1];
        let read = value.read(&mut bytes).await?;
        assert_eq!((read as u64, value.left()), (length, 0));
        bytes.truncate(read);
        contents.insert(key.to_vec(), bytes);
    }
    Ok(contents)
}

/// What a store holds that is opened on a disk with `bytes`, or why it is none.
pub(crate) fn mount(bytes: Vec<u8>) -> Result<Contents, StoreError> {
    let work = async |disk, _| contents(&Store::open(disk, Flush::Required).await?).await;
    let before = bytes.clone();
    let (result, after) = with_bytes(bytes, work);
    assert!(before == after, "who only reads changes nothing");
    result
}

/// A disk with an empty store.
pub(crate) fn formatted(bytes: usize) -> Vec<u8> {
    let work = async |disk, _| Store::open_or_format(disk, Flush::Required, 7).await.map(drop);
    let (made, bytes) = with_bytes(vec![0; bytes], work);
    assert_eq!(made, Ok(()));
    bytes
}

/// Puts values under keys, all together.
pub(crate) async fn put(store: &mut Store, values: &[(&str, &[u8])]) -> Result<(), StoreError> {
    let bytes = values.iter().map(|(_, value)| value.len() as u64).sum();
    let mut transaction = store.begin(bytes).await?;
    for (key, value) in values {
        transaction.put(key.as_bytes()).await?;
        transaction.write(value).await?;
    }
    transaction.commit().await
}

/// Contents from keys and values.
pub(crate) fn holding(values: &[(&str, &[u8])]) -> Contents {
    values.iter().map(|(key, value)| (key.as_bytes().to_vec(), value.to_vec())).collect()
}

/// So many bytes by chance.
pub(crate) fn bytes(random: &mut Random, length: usize) -> Vec<u8> {
    let mut bytes = vec![0; length];
    random.fill(&mut bytes);
    bytes
}
