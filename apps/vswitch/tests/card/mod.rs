//! A card without a machine, for tests of the plane: both ends of it are in the hands of the test.

use std::cell::{RefCell, RefMut};
use std::collections::VecDeque;
use std::mem;
use std::rc::Rc;
use std::vec::Vec;

use unik::CounterSet;
use unik::ports::{Batch, BatchNic, Buffer, Frame, Nic, Offload, Offloads};
use unik::sync::Event;
use unik_sched::time::Duration;
use unik_testkit::VirtualClock;
use unik_virtio::Pool;

/// What a card has received and was given, and how it is.
pub(crate) struct Line {
    pub(crate) received: VecDeque<Frame>,
    pub(crate) sent: Vec<Frame>,
    /// The most frames that it holds of those it was given.
    pub(crate) room: usize,
    pub(crate) offloads: Offloads,
    /// Frames are received one by one.
    pub(crate) is_single: bool,
    /// How often it was told of what it has, and asked to tell of news.
    pub(crate) flushes: usize,
    pub(crate) armed: usize,
    /// What takes time, by this clock: to find a buffer each time, and to be asked to tell of news once.
    pub(crate) pace: Duration,
    pub(crate) pause: Duration,
    pub(crate) clock: Option<Rc<VirtualClock>>,
}

/// A handle of it.
#[derive(Clone)]
pub(crate) struct Card {
    line: Rc<RefCell<Line>>,
    event: Event,
    pool: Pool,
}

unik_sched::counters! {
    /// None.
    struct NoCounters {}
}

impl Line {
    fn lasts(&self, time: Duration) {
        self.clock.iter().for_each(|clock| clock.advance(time));
    }
}

impl Card {
    /// A card with buffers of that pool.
    pub(crate) fn new(pool: &Pool) -> Card {
        let line = Line {
            received: VecDeque::new(),
            sent: Vec::new(),
            room: usize::MAX,
            offloads: Offloads::default(),
            is_single: false,
            flushes: 0,
            armed: 0,
            pace: Duration::ZERO,
            pause: Duration::ZERO,
            clock: None,
        };
        Card { line: Rc::new(RefCell::new(line)), event: Event::new(), pool: pool.clone() }
    }

    /// What the test sees and changes.
    pub(crate) fn line(&self) -> RefMut<'_, Line> {
        self.line.borrow_mut()
    }

    /// What it was given since this was last asked.
    pub(crate) fn sent(&self) -> Vec<Frame> {
        mem::take(&mut self.line().sent)
    }
}

impl Nic for Card {
    fn hardware_address(&self) -> [u8; 6] {
        [2, 0, 0, 0, 0, 0]
    }

    fn mtu(&self) -> usize {
        1500
    }

    fn offloads(&self) -> Offloads {
        self.line().offloads
    }

    fn receive(&mut self) -> Option<Frame> {
        self.line().received.pop_front()
    }

    fn allocate(&mut self, _: usize) -> Option<Buffer> {
        let line = self.line();
        line.lasts(line.pace);
        self.pool.allocate()
    }

    fn transmit(&mut self, frame: Frame) -> Result<(), Frame> {
        let mut line = self.line();
        if line.sent.len() >= line.room {
            return Err(frame);
        }
        line.sent.push(frame);
        Ok(())
    }

    fn flush(&mut self) {
        self.line().flushes += 1;
    }

    fn arm(&mut self) -> bool {
        let mut line = self.line();
        line.armed += 1;
        assert!(line.armed < 100, "the task goes round without end");
        let pause = mem::take(&mut line.pause);
        line.lasts(pause);
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

impl BatchNic for Card {
    fn receive_batch(&mut self, batch: &mut Batch) -> usize {
        let is_plain = |frame: &Frame| frame.offload == Offload::default() && !frame.buffer.is_chained();
        let mut line = self.line();
        while !line.is_single && !batch.is_full() && line.received.front().is_some_and(is_plain) {
            let frame = line.received.pop_front().expect("there is one");
            assert!(batch.push(frame.buffer).is_ok(), "there is room");
        }
        batch.len()
    }
}
