//! Which page is where, and which one goes when another one comes.
//!
//! A hand goes round over the frames and takes the first page without credit that nobody holds. A page that was read ahead has
//! some until it is asked for; one that is asked for again gets more. So what is read once, as long files are, goes before what
//! is read often, as tables of a file system are. Invariant: a frame is in the chain of its page's bucket unless it is empty.

use alloc::rc::Rc;
use alloc::vec::Vec;
use core::cell::OnceCell;

use unik_sched::has_memory;
use unik_virtio::Buffer;

/// Behind the last frame of a chain.
const NONE: u32 = u32::MAX;
/// The most rounds of the hand that a page outlives without being asked for.
const MOST_CREDIT: u8 = 3;

/// Where a page is held. It is emptied only while nobody else knows it.
#[derive(Default)]
pub(super) struct Slot(OnceCell<Buffer>);

impl Slot {
    pub(super) fn bytes(&self) -> &[u8] {
        self.0.get().map_or(&[], |buffer| buffer)
    }
}

/// What is known of a page.
pub(super) enum Held {
    /// It is here.
    Here(Rc<Slot>),
    /// It is being fetched.
    Coming,
    /// It is not here.
    No,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    Empty,
    Coming,
    Here,
}

struct Frame {
    page: u64,
    /// The next one in the chain.
    next: u32,
    state: State,
    credit: u8,
    was_read: bool,
    slot: Rc<Slot>,
}

pub(super) struct Frames {
    frames: Vec<Frame>,
    /// The first of each chain; a power of two of them.
    buckets: Vec<u32>,
    hand: usize,
}

impl Frames {
    /// So many frames, if there is memory for them.
    pub(super) fn try_new(count: usize) -> Option<Self> {
        let (mut frames, mut buckets) = (Vec::new(), Vec::new());
        frames.try_reserve_exact(count).ok()?;
        buckets.try_reserve_exact(count.next_power_of_two()).ok()?;
        if !has_memory(count * (size_of::<Slot>() + 2 * size_of::<usize>()), count) {
            return None;
        }
        buckets.resize(count.next_power_of_two(), NONE);
        let empty = |_| Frame {
            page: 0,
            next: NONE,
            state: State::Empty,
            credit: 0,
            was_read: false,
            slot: Rc::default(),
        };
        frames.extend((0..count).map(empty));
        Some(Self { frames, buckets, hand: 0 })
    }

    /// Whether a page is here or being fetched.
    pub(super) fn has(&self, page: u64) -> bool {
        self.find(page).is_some()
    }

    /// What is known of a page that somebody asks for.
    pub(super) fn get(&mut self, page: u64) -> Held {
        let Some(frame) = self.find(page).and_then(|index| self.frames.get_mut(index)) else {
            return Held::No;
        };
        if frame.state != State::Here {
            return Held::Coming;
        }
        if frame.was_read {
            frame.credit = MOST_CREDIT.min(frame.credit + 1);
        } else {
            (frame.was_read, frame.credit) = (true, 0);
        }
        Held::Here(frame.slot.clone())
    }

    /// Makes room for a page that is about to be fetched, which is not here. Whether another one went for it; `None` if all are
    /// held or being fetched.
    pub(super) fn claim(&mut self, page: u64) -> Option<bool> {
        let (index, has_evicted) = self.make_room()?;
        let bucket = self.bucket(page);
        let first = self.buckets.get_mut(bucket)?;
        let frame = self.frames.get_mut(index)?;
        let state = State::Coming;
        (frame.page, frame.state, frame.was_read, frame.credit) = (page, state, false, 1);
        frame.next = core::mem::replace(first, index as u32);
        Some(has_evicted)
    }

    /// A page that was being fetched is here.
    pub(super) fn fill(&mut self, page: u64, buffer: Buffer) -> Option<Rc<Slot>> {
        let index = self.find(page)?;
        let frame = self.frames.get_mut(index).filter(|frame| frame.state == State::Coming)?;
        frame.state = State::Here;
        // It is empty, since nobody was given it.
        frame.slot.0.set(buffer).ok()?;
        Some(frame.slot.clone())
    }

    /// A page that was being fetched does not come.
    pub(super) fn forget(&mut self, page: u64) {
        if let Some(index) = self.find(page) {
            self.unlink(index);
        }
    }

    fn make_room(&mut self) -> Option<(usize, bool)> {
        for _ in 0..self.frames.len() * (usize::from(MOST_CREDIT) + 2) {
            let index = self.hand;
            self.hand = if index + 1 < self.frames.len() { index + 1 } else { 0 };
            let frame = self.frames.get_mut(index)?;
            match frame.state {
                State::Empty => return Some((index, false)),
                State::Here if frame.credit > 0 => frame.credit -= 1,
                State::Here => {
                    if let Some(slot) = Rc::get_mut(&mut frame.slot) {
                        slot.0.take();
                        self.unlink(index);
                        return Some((index, true));
                    }
                }
                State::Coming => {}
            }
        }
        None
    }

    fn find(&self, page: u64) -> Option<usize> {
        let mut index = *self.buckets.get(self.bucket(page))?;
        loop {
            let frame = self.frames.get(index as usize)?;
            if frame.page == page {
                return Some(index as usize);
            }
            index = frame.next;
        }
    }

    /// Takes a frame out of its chain.
    fn unlink(&mut self, index: usize) {
        let Some(frame) = self.frames.get_mut(index) else { return };
        let (page, next) = (frame.page, frame.next);
        (frame.state, frame.next) = (State::Empty, NONE);
        let bucket = self.bucket(page);
        let Some(first) = self.buckets.get_mut(bucket) else { return };
        if *first == index as u32 {
            *first = next;
            return;
        }
        let mut before = *first;
        while let Some(frame) = self.frames.get_mut(before as usize) {
            if frame.next == index as u32 {
                frame.next = next;
                return;
            }
            before = frame.next;
        }
    }

    fn bucket(&self, page: u64) -> usize {
        // Pages that follow each other, and those a power of two apart, fall into different buckets.
        (page.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 32) as usize & (self.buckets.len() - 1)
    }
}
