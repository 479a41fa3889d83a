//! The inspection channel: how tools look into a running appliance, off its data network.
//!
//! The channel is a port of a virtio-console device (virtio 1.2, 5.3) that leads to a Unix socket on the host. The tool
//! asks [`Request`]s, the guest answers each with [`Reply`]s; [`frame`] says how both travel. Behind the feature `guest`
//! stand the guest's end, the [`Session`] that answers, [`Commands`] of the appliance itself, and [`Console`], the driver
//! of the [`Port`].
//!
//! Invariant: nothing the host sends costs the guest more than a fixed amount of memory and of work a turn, and nothing
//! it fails to read makes anybody but the channel wait.
//!
//! ```
//! use unik_monitor::{Request, frame};
//!
//! let mut bytes = [0; frame::REQUEST_LIMIT];
//! let length = frame::encode(7, &Request::Tasks, &mut bytes).expect("it fits");
//! let mut decoder = frame::Decoder::<{ frame::REQUEST_LIMIT }>::new();
//! let (used, frame) = decoder.feed(&bytes[..length]);
//! assert_eq!(used, length);
//! assert_eq!(frame.and_then(frame::decode), Some((7, Some(Request::Tasks))));
//! ```
#![no_std]
#![forbid(unsafe_code)]

#[cfg(feature = "guest")]
extern crate alloc;
#[cfg(test)]
extern crate std;

pub mod frame;
mod message;

#[cfg(feature = "guest")]
mod command;
#[cfg(feature = "guest")]
mod console;
#[cfg(feature = "guest")]
mod port;
#[cfg(feature = "guest")]
mod reply;
#[cfg(feature = "guest")]
mod request;
#[cfg(feature = "guest")]
mod session;

pub use message::{
    ASK_LIMIT, Address, CAPTURE_LIMIT, Direction, Fact, Frame, LINE_LIMIT, Level, Protocol, Record, Refusal,
    Reply, Request, Socket, State, Task, VERSION, Value,
};

#[cfg(feature = "guest")]
pub use command::{Command, CommandCounters, Commands, Declined, Line};
#[cfg(feature = "guest")]
pub use console::{Console, ConsoleCounters, Error};
#[cfg(feature = "guest")]
pub use port::Port;
#[cfg(feature = "guest")]
pub use session::{List, Session, SessionCounters, Sources, Visit};
