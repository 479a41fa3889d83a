//! Fences around the blocks of the heap, in images that one debugs: whoever writes past a block or gives one back twice
//! dies with an epitaph that says which.
//!
//! In front of a block stand its size and a mark made of its address; behind it the same mark. A block that was given
//! back keeps another mark until its memory is used again. Shipped images have none of this.

use core::alloc::Layout;
use core::ptr::NonNull;

/// Bytes in front of a block, at least: the list of free ranges writes into the first half once the block is given back,
/// and the mark in the second half stays.
const FRONT: usize = 32;
/// Bytes behind a block.
const BACK: usize = size_of::<usize>();

/// The mark of a block in use, and of one that was given back; mixed with the address, so that a copy is none.
const LIVE: usize = 0x6c69_7665_b10c_4a11;
const FREED: usize = 0x6672_6565_b10c_dead;

/// What the list is asked for in place of `layout`. `None` where that is more than an address space has.
pub(super) fn around(layout: Layout) -> Option<Layout> {
    let size = front(layout).checked_add(layout.size())?.checked_add(BACK)?;
    Layout::from_size_align(size, layout.align().max(align_of::<usize>())).ok()
}

/// Bytes in front of the block, which keep its alignment.
fn front(layout: Layout) -> usize {
    layout.align().max(FRONT)
}

/// Puts fences up in a new range; the block between them.
///
/// # Safety
/// At `start` lie as many writable bytes as [`around`] says, aligned as it says, which nobody else uses.
pub(super) unsafe fn put_up(start: NonNull<u8>, layout: Layout) -> NonNull<u8> {
    // SAFETY: the front lies inside the range.
    let block = unsafe { start.add(front(layout)) };
    let mark = LIVE ^ block.addr().get();
    // SAFETY: the two words before the block lie in its front, which is aligned for them.
    let words = unsafe { block.cast::<[usize; 2]>().sub(1) };
    // SAFETY: as above, and nobody else uses them.
    unsafe { words.write([layout.size(), mark]) };
    // SAFETY: the word behind the block lies inside the range.
    let end = unsafe { block.add(layout.size()) };
    // SAFETY: as above; it need not be aligned.
    unsafe { end.cast::<usize>().write_unaligned(mark) };
    block
}

/// Looks at the fences of a block and takes them down; the range that it lies in.
///
/// # Panics
/// The fences are not as they were left.
///
/// # Safety
/// `block` was returned by [`put_up`] for this layout, or a word before it can be read and it is to be found out that
/// it was not.
pub(super) unsafe fn take_down(block: NonNull<u8>, layout: Layout) -> NonNull<u8> {
    let (address, size) = (block.addr().get(), layout.size());
    // SAFETY: by the caller.
    let words = unsafe { block.cast::<[usize; 2]>().sub(1) };
    // SAFETY: by the caller; in a heap of first fit what is before a block stays mapped.
    let [taken, mark] = unsafe { words.read() };
    if mark ^ address == FREED {
        panic!("the heap block of {size} bytes at {address:#x} was given back twice");
    }
    if mark ^ address != LIVE {
        panic!("the heap block of {size} bytes at {address:#x} is none, or somebody wrote in front of it");
    }
    if taken != size {
        panic!("the heap block at {address:#x} was taken with {taken} bytes and given back with {size}");
    }
    // SAFETY: behind so many bytes lies the mark of the end.
    let end = unsafe { block.add(size) };
    // SAFETY: as above; it need not be aligned.
    if unsafe { end.cast::<usize>().read_unaligned() } ^ address != LIVE {
        panic!("somebody wrote past the end of the heap block of {size} bytes at {address:#x}");
    }
    // SAFETY: the words are the block's own.
    unsafe { words.write([size, FREED ^ address]) };
    // SAFETY: the front lies inside the range that the block was put into.
    unsafe { block.sub(front(layout)) }
}
