//! Stores through the public API, over disks that lose, tear and reorder what was not flushed, fail, and hold anything.

#[cfg(test)]
mod crashes;
#[cfg(test)]
mod damage;
#[cfg(test)]
mod failures;
#[cfg(test)]
mod operations;
#[cfg(test)]
mod world;
