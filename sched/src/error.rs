//! What can go wrong in this crate.

use core::fmt;

/// Why a task was not spawned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Error {
    /// As many tasks live as the executor admits.
    TooManyTasks,
    /// There is no memory for the task.
    NoMemory,
    /// The executor that the spawner belongs to has been dropped.
    ExecutorGone,
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::TooManyTasks => "the limit of tasks is reached: raise it or start fewer",
            Self::NoMemory => "there is no memory for one more task",
            Self::ExecutorGone => "the executor of this spawner has ended",
        })
    }
}

impl core::error::Error for Error {}
