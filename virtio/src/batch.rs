//! Buffers on their way from one queue to another, several at a time.
//!
//! What forwards frames moves them in batches: a batch costs one call of a driver, whatever it holds, and the loops over its
//! buffers stand in this crate, which is compiled for speed.

use crate::Buffer;

/// Buffers in their order, at most [`Batch::SIZE`].
pub struct Batch {
    buffers: [Option<Buffer>; Batch::SIZE],
    /// Those from here on, up to the end, are there.
    first: usize,
    end: usize,
}

impl Batch {
    /// The most buffers of a batch.
    pub const SIZE: usize = 64;

    /// An empty one.
    pub const fn new() -> Self {
        Self { buffers: [const { None }; Self::SIZE], first: 0, end: 0 }
    }

    /// Adds a buffer at the end.
    ///
    /// # Errors
    /// Gives it back when there is no room behind the last one.
    #[inline]
    pub fn push(&mut self, buffer: Buffer) -> Result<(), Buffer> {
        let Some(place) = self.buffers.get_mut(self.end) else { return Err(buffer) };
        // It is empty: forgetting that spares the code that would drop something.
        core::mem::forget(place.replace(buffer));
        self.end += 1;
        Ok(())
    }

    /// Takes the first buffer.
    #[inline]
    pub fn pop(&mut self) -> Option<Buffer> {
        let buffer = self.buffers.get_mut(self.first..self.end)?.first_mut()?.take();
        self.first += 1;
        if self.first == self.end {
            (self.first, self.end) = (0, 0);
        }
        buffer
    }

    /// Puts the buffer that was taken last back into its place.
    pub fn put_back(&mut self, buffer: Buffer) {
        match self.first.checked_sub(1).filter(|_| !self.is_empty()) {
            Some(first) => {
                if let Some(place) = self.buffers.get_mut(first) {
                    *place = Some(buffer);
                    self.first = first;
                }
            }
            None => drop(self.push(buffer)),
        }
    }

    /// The first of its buffers, at most so many; all of them are there.
    #[inline]
    pub(crate) fn buffers_mut(&mut self, most: usize) -> &mut [Option<Buffer>] {
        let count = self.len().min(most);
        self.buffers.get_mut(self.first..self.first + count).unwrap_or_default()
    }

    /// Notes that so many of the first of [`Self::buffers_mut`] were taken out.
    #[inline]
    pub(crate) fn has_given(&mut self, count: usize) {
        self.first += count;
        if self.first >= self.end {
            (self.first, self.end) = (0, 0);
        }
    }

    /// Places behind the last buffer, at most so many; all of them are empty.
    #[inline]
    pub(crate) fn places(&mut self, most: usize) -> &mut [Option<Buffer>] {
        let count = (Self::SIZE - self.end).min(most);
        self.buffers.get_mut(self.end..self.end + count).unwrap_or_default()
    }

    /// Notes that so many of the first of [`Self::places`] were filled.
    #[inline]
    pub(crate) fn has_got(&mut self, count: usize) {
        self.end += count;
    }

    /// The buffer at a place, that of the first being 0.
    #[inline]
    pub fn get(&self, place: usize) -> Option<&Buffer> {
        self.buffers.get(self.first..self.end)?.get(place)?.as_ref()
    }

    /// The buffers from a place on that begin with the same octets, [`Train::HEAD`] of them, as the one that is there. One that
    /// has fewer is alone.
    // Apart from its callers, which are compiled to be small.
    #[inline(never)]
    pub fn train(&self, place: usize) -> Train {
        let octets = |buffer: &Buffer| buffer.first_chunk().copied().map(u128::from_ne_bytes);
        self.train_of(place, octets, |one, other| one == other)
    }

    /// The buffers from a place on, of at least so many octets, whose first octets are the same under a mask as those of the one
    /// that is there, and which is alone if it is shorter.
    // Apart from its callers, which are compiled to be small.
    #[inline(never)]
    pub fn train_under(&self, place: usize, least: usize, mask: &[u64; Train::WORDS]) -> Train {
        type Words = [[u8; 8]; Train::WORDS];
        let [a, b, c, d, e] = mask;
        // The addresses of a packet differ most often, so they are looked at first.
        let is_alike = |[f, g, h, i, j]: &Words, [k, l, m, n, o]: &Words| {
            [(d, i, n), (e, j, o), (a, f, k), (b, g, l), (c, h, m)].iter().all(|(mask, one, other)| {
                (u64::from_ne_bytes(**one) ^ u64::from_ne_bytes(**other)) & **mask == 0
            })
        };
        self.train_of(
            place,
            |buffer| buffer.as_chunks().0.first_chunk::<{ Train::WORDS }>().filter(|_| buffer.len() >= least),
            is_alike,
        )
    }

    #[inline(always)]
    fn train_of<'a, H: Copy + 'a>(
        &'a self,
        place: usize,
        head: impl Fn(&'a Buffer) -> Option<H>,
        is_alike: impl Fn(H, H) -> bool,
    ) -> Train {
        let buffers = self.buffers.get(self.first..self.end).and_then(|buffers| buffers.get(place..));
        let mut buffers = buffers.unwrap_or_default().iter().map_while(Option::as_ref);
        let Some(first) = buffers.next() else { return Train::default() };
        let mut train = Train::of(first);
        let Some(common) = head(first) else { return train };
        for buffer in buffers {
            if !head(buffer).is_some_and(|head| is_alike(common, head)) {
                break;
            }
            train.count += 1;
            train.octets += buffer.len();
            train.longest = train.longest.max(buffer.len());
        }
        train
    }

    /// How many there are.
    #[inline]
    pub fn len(&self) -> usize {
        self.end - self.first
    }

    /// Whether there is none.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.first == self.end
    }

    /// Whether there is no room behind the last one.
    #[inline]
    pub fn is_full(&self) -> bool {
        self.end == Self::SIZE
    }
}

/// Buffers one after the other that begin alike.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Train {
    /// How many there are.
    pub count: usize,
    /// The bytes of all of them.
    pub octets: usize,
    /// The bytes of the longest.
    pub longest: usize,
}

impl Train {
    /// Octets that are the same: the addresses of a frame, its type, and what a tag says, if it has one.
    pub const HEAD: usize = 16;
    /// Words of eight octets under a mask: as far as the ports of a datagram in a packet of IPv4.
    pub const WORDS: usize = 5;

    /// One buffer alone.
    #[inline]
    pub fn of(buffer: &Buffer) -> Self {
        Self { count: 1, octets: buffer.len(), longest: buffer.len() }
    }
}

impl Default for Batch {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Pool;

    #[test]
    fn a_train_ends_where_the_head_is_another() {
        let pool = Pool::heap(8);
        let mut batch = Batch::new();
        for (octet, length) in [(9, 20), (1, 60), (1, 70), (1, 16), (2, 16), (2, 15), (2, 15), (2, 40)] {
            let mut buffer = pool.allocate().expect("there are enough");
            buffer.copy_from(&[octet; 70][..length]).expect("it fits");
            assert!(batch.push(buffer).is_ok());
        }
        drop(batch.pop());
        let of = |place| (batch.train(place).count, batch.train(place).octets, batch.train(place).longest);
        assert_eq!((of(0), of(1), of(2)), ((3, 146, 70), (2, 86, 70), (1, 16, 16)));
        assert_eq!((of(3), of(4), of(5), of(6)), ((1, 16, 16), (1, 15, 15), (1, 15, 15), (1, 40, 40)));
        assert_eq!((of(7), batch.get(7).is_none()), ((0, 0, 0), true));
        assert_eq!(batch.get(1).map(|buffer| buffer.len()), Some(70));
        let under = |place, least, mask| batch.train_under(place, least, &mask).count;
        assert_eq!(
            (under(0, 0, [u64::MAX; 5]), under(0, 61, [u64::MAX; 5]), under(0, 71, [0; 5])),
            (2, 1, 1)
        );
        assert_eq!((under(1, 40, [0; 5]), under(6, 40, [0; 5]), under(7, 0, [0; 5])), (1, 1, 0));
    }

    #[test]
    fn a_batch_keeps_the_order_and_says_when_it_is_full() {
        let pool = Pool::heap(Batch::SIZE + 1);
        let mut batch = Batch::new();
        for number in 0..Batch::SIZE {
            let mut buffer = pool.allocate().expect("there are enough");
            buffer.copy_from(&[number as u8]).expect("it fits");
            assert!(!batch.is_full() && batch.push(buffer).is_ok());
        }
        let other = pool.allocate().expect("one is left");
        assert!(batch.is_full() && batch.push(other).is_err());
        for number in 0..Batch::SIZE {
            assert_eq!(batch.len(), Batch::SIZE - number);
            let taken = batch.pop().expect("there is one");
            batch.put_back(taken);
            assert_eq!(batch.len(), Batch::SIZE - number);
            assert_eq!(batch.pop().map(|buffer| buffer[0]), Some(number as u8));
        }
        assert!(batch.pop().is_none() && batch.is_empty() && !batch.is_full());
        let some = pool.allocate().expect("all came back");
        assert!(batch.push(some).is_ok());
        drop(batch);
        assert_eq!(pool.available(), Batch::SIZE + 1);
    }
}
