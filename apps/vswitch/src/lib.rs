//! A virtual switch, without its cards.
//!
//! [`Switch`] says where each frame goes: it learns addresses, keeps VLANs apart and storms down, speaks RSTP and LLDP. [`Settings`] is what the operator chooses.
//! All of it is sans-IO: the heads of frames in, routes out, no clock but the times handed in, so the same code runs in an
//! image, in a Linux process, in tests and under a fuzzer.
//!
//! [`openflow`] is the protocol by which a controller programs it, [`pipeline`] decides what then becomes of each frame, and [`frame`] reads
//! and rewrites Ethernet frames.
//!
//! Neighbours: `service.rs` gives it cards, `main.rs` a machine. Invariant: no frame makes it panic, nothing is allocated for one,
//! and what is kept of others is bounded.
//!
//! ```
//! use unik_vswitch::{Mac, Settings, Switch};
//! use unik_sched::time::Instant;
//!
//! let mut switch = Switch::try_new(&Settings::try_new(3)?, &[Mac::default(); 3], 1)?;
//! for port in 0..3 {
//!     switch.set_link(port, true);
//! }
//! switch.begin(Instant::ZERO);
//! let frame = |to, from| [2, 0, 0, 0, 0, to, 2, 0, 0, 0, 0, from, 8, 0];
//! // Nobody has heard of 9: the frame goes everywhere else.
//! assert_eq!(switch.forward(0, &frame(9, 1), 14).ports, 0b110);
//! // The answer goes where the question came from.
//! assert_eq!(switch.forward(2, &frame(1, 9), 14).ports, 0b001);
//! # Ok::<(), unik_vswitch::NoMemory>(())
//! ```

#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;
#[cfg(test)]
extern crate std;

mod address;
mod counters;
mod file;
pub mod frame;
mod lldp;
pub mod openflow;
pub mod pipeline;
mod rstp;
pub mod service;
mod settings;
mod storm;
mod switch;
mod table;
#[cfg(feature = "tls")]
pub mod tls;
mod vlan;

pub use address::{Key, Mac};
pub use counters::{PortCounters, SwitchCounters};
pub use file::{FILE, FileError, apply};
pub use lldp::{Id, LldpCounters, Neighbor, Text};
pub use rstp::Role;
pub use settings::{
    BadSetting, CUSTOMER_TAG, Controller, Edge, Flood, Mode, Name, OpenFlowSettings, PORTS, PortSettings,
    SERVICE_TAG, STATIC_LIMIT, Settings, Transport,
};
pub use switch::{HEADER, OWN_FRAME, Route, Switch, TAG, TreeState};
pub use table::{Kind, Known, Learned, NoMemory, Table};
pub use vlan::Vlan;
