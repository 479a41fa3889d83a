//! The queue of timers: a skew heap, whose nodes lie in one vector and know their parents.
//!
//! Setting, firing and cancelling take logarithmic time (amortised) and leave nothing behind, which a heap with
//! lazy removal would not: a server sets and cancels a timeout per request. A sorted list would move thousands of
//! entries for it; a binary heap with positions is as fast and three times the code. Memory grows to the largest
//! number of timers that ever waited together and is reused from then on.
//!
//! Sleator and Tarjan, Self-Adjusting Heaps, SIAM Journal on Computing 15(1), 1986: the top-down variant.

use alloc::vec::Vec;

use crate::instant::Instant;

/// Names one timer from its insertion until it fired or was cancelled; a stale one is recognised.
#[derive(Clone, Copy)]
pub struct TimerKey {
    slot: u32,
    sequence: u64,
}

/// Values that wait for their deadlines, for whoever looks after many of them in one task. Tasks themselves sleep with
/// [`crate::time::Time`].
///
/// ```
/// use unik_sched::TimerQueue;
/// use unik_sched::time::Instant;
///
/// let mut queue = TimerQueue::new(100);
/// let late = queue.insert(Instant::from_millis(20), "late").expect("there is room");
/// queue.insert(Instant::from_millis(10), "early");
/// assert_eq!(queue.next_deadline(), Some(Instant::from_millis(10)));
/// assert_eq!(queue.cancel(late), Some("late"));
/// assert_eq!(queue.pop_due(Instant::from_millis(30)), Some("early"));
/// assert_eq!(queue.pop_due(Instant::from_millis(30)), None);
/// ```
pub struct TimerQueue<T> {
    /// Slot 0 stands above the root, its left child, and for "no timer" below the leaves.
    timers: Vec<Timer<T>>,
    /// First slot of the chain of free ones, which are linked through `parent`; 0 at its end.
    free: u32,
    len: usize,
    sequence: u64,
    limit: usize,
}

struct Timer<T> {
    /// What the heap is ordered by: the deadline in the upper half, the number of the insertion in the lower, so
    /// that among equal deadlines the first comes first.
    order: u128,
    /// `None` in a free slot.
    value: Option<T>,
    parent: u32,
    left: u32,
    right: u32,
}

/// The slot above the root.
const TOP: u32 = 0;

impl<T> TimerQueue<T> {
    /// A queue of at most `limit` timers; it takes memory as they come.
    pub const fn new(limit: usize) -> Self {
        Self { timers: Vec::new(), free: TOP, len: 0, sequence: 0, limit }
    }

    /// Timers that wait.
    pub(crate) fn len(&self) -> usize {
        self.len
    }

    /// Takes the memory for `timers` timers that wait together, so that none of so many is refused for want of it. False
    /// when it lacks.
    pub fn try_reserve(&mut self, timers: usize) -> bool {
        let missing = (timers + 1).saturating_sub(self.timers.len());
        self.timers.try_reserve(missing).is_ok()
    }

    /// When the earliest timer is due.
    pub fn next_deadline(&self) -> Option<Instant> {
        let root = self.timers.get(self.timers.first()?.left as usize)?;
        // The top itself is behind all deadlines.
        if root.order == u128::MAX { None } else { Some(root.deadline()) }
    }

    /// Adds a timer; `None` when the limit is reached or memory lacks.
    pub fn insert(&mut self, deadline: Instant, value: T) -> Option<TimerKey> {
        if self.len >= self.limit {
            return None;
        }
        let slot = if self.free == TOP { self.timers.len().max(1) } else { self.free as usize };
        while slot >= self.timers.len() {
            self.timers.try_reserve(1).ok()?;
            self.timers.push(Timer::UNUSED);
        }
        self.sequence += 1;
        let sequence = self.sequence;
        let timer = self.timers.get_mut(slot)?;
        self.free = timer.parent;
        timer.order = (u128::from(deadline.as_nanos()) << 64) | u128::from(sequence);
        timer.value = Some(value);
        self.len += 1;
        let root = self.timers.first()?.left;
        let slot = slot as u32;
        self.meld(TOP, false, root, slot);
        Some(TimerKey { slot, sequence })
    }

    /// The value of a timer that still waits.
    pub fn value_mut(&mut self, key: TimerKey) -> Option<&mut T> {
        let timer = self.timers.get_mut(key.slot as usize)?;
        if timer.order as u64 == key.sequence { timer.value.as_mut() } else { None }
    }

    /// Takes a timer out; `None` when it has fired or was cancelled before.
    pub fn cancel(&mut self, key: TimerKey) -> Option<T> {
        self.value_mut(key)?;
        self.remove(key.slot)
    }

    /// Takes out the earliest timer if its deadline is not after `now`.
    pub fn pop_due(&mut self, now: Instant) -> Option<T> {
        let slot = self.timers.first()?.left;
        if self.timers.get(slot as usize)?.deadline() > now { None } else { self.remove(slot) }
    }

    fn remove(&mut self, slot: u32) -> Option<T> {
        let timer = self.timers.get_mut(slot as usize)?;
        let value = timer.value.take()?;
        let (parent, left, right) = (timer.parent, timer.left, timer.right);
        (timer.parent, timer.left, timer.right) = (self.free, TOP, TOP);
        self.free = slot;
        self.len -= 1;
        let on_right = self.timers.get(parent as usize)?.right == slot;
        self.meld(parent, on_right, left, right);
        Some(value)
    }

    /// Unites the heaps `a` and `b` below `parent`, where they become its right or left child.
    fn meld(&mut self, mut parent: u32, mut on_right: bool, mut a: u32, mut b: u32) {
        let timers = self.timers.as_mut_slice();
        while let (Some(first), Some(second)) = (timers.get(a as usize), timers.get(b as usize)) {
            if second.order < first.order {
                (a, b) = (b, a);
            }
            let Some(above) = timers.get_mut(parent as usize) else { return };
            *(if on_right { &mut above.right } else { &mut above.left }) = a;
            let Some(first) = timers.get_mut(a as usize) else { return };
            first.parent = parent;
            if b == TOP {
                return;
            }
            // Down the right side, which changes places with the left one: that keeps the heap from degenerating.
            let right = first.right;
            first.right = first.left;
            (parent, on_right, a) = (a, false, right);
        }
    }
}

impl<T> Timer<T> {
    /// Ordered behind all others, so that comparing with "no timer" needs no case of its own.
    const UNUSED: Self = Self { order: u128::MAX, value: None, parent: TOP, left: TOP, right: TOP };

    fn deadline(&self) -> Instant {
        Instant::from_nanos((self.order >> 64) as u64)
    }
}
