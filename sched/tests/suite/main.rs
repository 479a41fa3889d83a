//! The scheduler seen from outside, as traces: which task was polled when, and never once more than needed.

mod channel;
mod executor;
mod latch;
mod mutex;
mod signal;
mod stress;
mod support;
mod tasks;
mod timers;
mod waits;
mod wakers;
