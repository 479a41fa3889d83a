//! Lists of connections by their numbers: an entry comes, goes and moves from one list to another in constant time, and
//! without memory.

use alloc::vec::Vec;

use crate::stack::extend;

/// Before the first and behind the last of a list.
const NONE: u32 = u32::MAX;

/// The links of all numbers, each of which stands in one list at most.
pub(crate) struct Links(Vec<Link>);

#[derive(Clone, Copy)]
struct Link {
    before: u32,
    behind: u32,
}

/// Where a list begins and ends.
pub(crate) struct List {
    first: u32,
    last: u32,
    length: usize,
}

impl List {
    pub(crate) const fn new() -> Self {
        List { first: NONE, last: NONE, length: 0 }
    }

    pub(crate) fn len(&self) -> usize {
        self.length
    }

    /// The number that came first.
    pub(crate) fn first(&self) -> Option<u32> {
        (self.first != NONE).then_some(self.first)
    }
}

impl Links {
    pub(crate) const fn new() -> Self {
        Links(Vec::new())
    }

    /// Makes room for `count` numbers. False when memory lacks.
    pub(crate) fn try_reserve(&mut self, count: usize) -> bool {
        extend(&mut self.0, count, Link { before: NONE, behind: NONE })
    }

    /// Puts a number that stands in no list at the end of this one.
    #[inline(never)]
    pub(crate) fn push(&mut self, list: &mut List, number: u32) {
        let Some(link) = self.0.get_mut(number as usize) else { return };
        *link = Link { before: list.last, behind: NONE };
        match self.0.get_mut(list.last as usize) {
            Some(last) => last.behind = number,
            None => list.first = number,
        }
        list.last = number;
        list.length += 1;
    }

    /// Takes a number out of the list that it stands in.
    #[inline(never)]
    pub(crate) fn remove(&mut self, list: &mut List, number: u32) {
        let Some(&Link { before, behind }) = self.0.get(number as usize) else { return };
        match self.0.get_mut(before as usize) {
            Some(link) => link.behind = behind,
            None => list.first = behind,
        }
        match self.0.get_mut(behind as usize) {
            Some(link) => link.before = before,
            None => list.last = before,
        }
        list.length -= 1;
    }

    /// Takes the first number out.
    pub(crate) fn pop(&mut self, list: &mut List) -> Option<u32> {
        let first = list.first()?;
        self.remove(list, first);
        Some(first)
    }
}

#[cfg(test)]
mod tests {
    use super::{Links, List};
    use std::{collections::VecDeque, vec::Vec};

    #[test]
    fn lists_do_what_queues_do() {
        let mut links = Links::new();
        assert!(links.try_reserve(40));
        let mut lists = [List::new(), List::new()];
        let mut queues = [VecDeque::new(), VecDeque::new()];
        let mut random = 7u32;
        for _ in 0..20_000 {
            random = random.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            let (number, which) = ((random >> 10) % 40, (random >> 20) as usize % 2);
            let holder = queues.iter().position(|queue| queue.contains(&number));
            match (holder, random >> 30) {
                (Some(holder), 0..2) => {
                    links.remove(&mut lists[holder], number);
                    queues[holder].retain(|known| *known != number);
                }
                (None, _) => {
                    links.push(&mut lists[which], number);
                    queues[which].push_back(number);
                }
                _ => assert_eq!(links.pop(&mut lists[which]), queues[which].pop_front()),
            }
            for (list, queue) in lists.iter().zip(&queues) {
                assert_eq!((list.len(), list.first()), (queue.len(), queue.front().copied()));
            }
        }
        for (list, queue) in lists.iter_mut().zip(queues) {
            let rest: Vec<_> = std::iter::from_fn(|| links.pop(list)).collect();
            assert!(queue.into_iter().eq(rest));
        }
    }
}
