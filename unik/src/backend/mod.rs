//! What is below: a machine for images, a Linux process otherwise. Both offer the same functions.

#[cfg(target_os = "none")]
mod machine;
#[cfg(target_os = "none")]
pub use machine::run;
#[cfg(target_os = "none")]
pub(crate) use machine::{
    Backend, Button, Interrupts, NO_RANDOMNESS, RandomSources, archive, end, follow_log, has_channel,
    has_disk, has_nic, heap_free, levels, memory, note, open_button, open_channel, open_disk, open_nic,
    open_nics, print, records, reset_at_end, startup, wall_clock,
};

#[cfg(not(target_os = "none"))]
mod process;
#[cfg(not(target_os = "none"))]
pub use process::run;
#[cfg(not(target_os = "none"))]
pub(crate) use process::{
    Backend, Button, Interrupts, NO_RANDOMNESS, RandomSources, archive, end, follow_log, has_channel,
    has_disk, has_nic, heap_free, levels, memory, note, open_button, open_channel, open_disk, open_nic,
    open_nics, print, records, reset_at_end, startup, wall_clock,
};

/// What a machine's memory holds, in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Memory {
    /// The heap.
    pub heap: usize,
    /// What of it is in use.
    pub heap_used: usize,
    /// The most that was in use at the same time.
    pub heap_peak: usize,
    /// The stack.
    pub stack: usize,
    /// The most that was in use of it.
    pub stack_peak: usize,
}
