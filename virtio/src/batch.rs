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

    /// The first buffer.
    #[inline]
    pub fn first(&self) -> Option<&Buffer> {
        self.buffers.get(self.first..self.end)?.first()?.as_ref()
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
            assert_eq!(batch.first().map(|buffer| buffer[0]), Some(number as u8));
            assert_eq!(batch.pop().map(|buffer| buffer[0]), Some(number as u8));
        }
        assert!(batch.pop().is_none() && batch.is_empty() && !batch.is_full());
        let some = pool.allocate().expect("all came back");
        assert!(batch.push(some).is_ok());
        drop(batch);
        assert_eq!(pool.available(), Batch::SIZE + 1);
    }
}
