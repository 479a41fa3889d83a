//! Groups that a frame goes through.
//!
//! Each bucket has a frame of its own (OpenFlow 1.3.5, 5.6.1). Instead of copying it as a whole, what a bucket may change is kept
//! meanwhile and put back: the first octets, and where the frame begins and ends.

use super::{
    action::Action,
    fields::Fields,
    groups::{Bucket, DEPTH, Group, Kind},
    hash::mix,
    run::{Dropped, Run},
};

/// Buckets that are done with one frame, and octets that are kept of it for each that changes it: more than tags that are taken
/// out and what is rewritten behind them.
const MOST_BUCKETS_DONE: u32 = 256;
const KEPT: usize = 1024;
/// Octets that are kept for all buckets that a frame is in.
pub(super) const MOST_KEPT: usize = KEPT * DEPTH;

impl Run<'_> {
    fn hash(&self) -> u64 {
        // Where the frame came from is no part of what it is.
        let Fields(words) = &self.parsed.fields;
        let first = words.first().copied().unwrap_or(0) & 0xffff_ffff;
        words.iter().skip(1).fold(mix(self.seed, first), |hash, word| mix(hash, *word))
    }

    /// Does the buckets of a group that it says. The frame is the same afterwards.
    pub(super) fn group(&mut self, id: u32, depth: usize) -> Result<(), Dropped> {
        let groups = self.groups;
        let (Some(group), Some(depth)) = (groups.get(id), depth.checked_sub(1)) else { return Ok(()) };
        group.packets.increment();
        group.bytes.add(self.frame.total_len() as u64);
        if group.kind == Kind::All {
            return group.buckets.iter().try_for_each(|bucket| self.bucket(bucket, depth));
        }
        self.read();
        match self.choose(group).and_then(|at| group.buckets.get(at)) {
            Some(bucket) => self.bucket(bucket, depth),
            None => Ok(()),
        }
    }

    fn choose(&self, group: &Group) -> Option<usize> {
        let hash = if group.kind == Kind::Select { self.hash() } else { 0 };
        self.groups.choose(group, self.ports, hash)
    }

    #[inline(never)]
    fn bucket(&mut self, bucket: &Bucket, depth: usize) -> Result<(), Dropped> {
        self.buckets_done += 1;
        if self.buckets_done > MOST_BUCKETS_DONE {
            self.counters.endless.increment();
            return Err(Dropped);
        }
        bucket.packets.increment();
        bucket.bytes.add(self.frame.total_len() as u64);
        if bucket.actions.iter().all(Action::is_output) {
            let queue = self.queue;
            let done = bucket.actions.iter().try_for_each(|action| self.action(action, depth));
            self.queue = queue;
            return done;
        }
        self.in_copy(bucket, depth);
        Ok(())
    }

    /// Does a bucket that changes the frame, and changes it back.
    fn in_copy(&mut self, bucket: &Bucket, depth: usize) {
        let begin = self.kept.len();
        let bytes = self.frame.bytes();
        let length = bytes.len();
        let head = bytes.get(..KEPT).unwrap_or(bytes);
        if self.kept.capacity() - begin < head.len() {
            return;
        }
        self.kept.extend_from_slice(head);
        let before = (self.parsed, self.is_stale, self.queue);
        let moved = core::mem::take(&mut self.moved);
        // A bucket whose packet is dropped ends; the others do not.
        for action in &bucket.actions {
            if self.action(action, depth).is_err() {
                break;
            }
        }
        self.change();
        self.put_back(begin, length);
        self.kept.truncate(begin);
        (self.parsed, self.is_stale, self.queue) = before;
        self.moved = moved;
    }

    /// Makes the frame what it was: what was put in front is taken away again, and what was taken away is still there.
    fn put_back(&mut self, begin: usize, length: usize) {
        let moved = self.moved.unsigned_abs();
        let is_back =
            if self.moved > 0 { self.frame.trim_front(moved) } else { self.frame.grow_front(moved) };
        let kept = self.kept.get(begin..).unwrap_or_default();
        if is_back
            && self.frame.set_len(length)
            && let Some(place) = self.frame.bytes_mut().get_mut(..kept.len())
        {
            place.copy_from_slice(kept);
        }
    }
}
