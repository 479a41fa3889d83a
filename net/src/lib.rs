//! The network of unik: a TCP/IP stack over any card that can hand over Ethernet frames.
//!
//! * [`Nic`] is the seam to the card; [`VirtioNet`] is virtio-net.
//! * [`Net`] is the handle of a stack, [`Driver`] the task that runs it.
//! * [`UdpSocket`], [`TcpListener`], [`TcpStream`] are what applications use; addresses are those of `core::net`.
//! * [`sntp`] learns the date from a server, [`resolver`] the addresses of a host by its name.
//! * [`Config`] is how an interface gets its addresses: fixed, by DHCP, or from the routers of IPv6.
//! * [`Net::sockets`] tells of all sockets, [`Capture`] of all frames that pass the card.
//!
//! TCP is smoltcp's; none of its types stands in a signature here. What is below it, from the card to datagrams, is here:
//! one table of neighbours for ARP and NDP, one of routes, addresses of IPv4 and IPv6 in one form.
//!
//! Two stacks on a simulated wire, in virtual time (`examples/foreign_nic.rs` shows a card and a clock of one's own):
//! ```
//! use unik_net::{Config, Error, Net, wire::{numbers, wire}};
//! use unik_sched::{Executor, time::Time};
//!
//! let time = Time::new(unik_testkit::VirtualClock::new());
//! let mut executor = Executor::new(&time, 8);
//! let (left, right, line) = wire(&time, Default::default(), 1);
//! let fixed = |last| Config::fixed([10, 0, 0, last].into(), 24).expect("a host's address");
//! let (client, client_driver) = Net::new("client", Box::new(left), fixed(1), time.clone(), numbers(1));
//! let (server, server_driver) = Net::new("server", Box::new(right), fixed(2), time.clone(), numbers(2));
//! let spawner = executor.spawner();
//! spawner.spawn("wire", line.run())?;
//! spawner.spawn("client", client_driver.run())?;
//! spawner.spawn("server", server_driver.run())?;
//!
//! let answer = executor.block_on("main", async {
//!     let (mut socket, mut service) = (client.udp(0).await?, server.udp(7).await?);
//!     socket.send_to(b"hello", ([10, 0, 0, 2], 7).into()).await?;
//!     let mut datagram = [0; 1500];
//!     let (length, peer) = service.receive_from(&mut datagram).await?;
//!     service.send_to(&datagram[..length], peer).await?;
//!     let (length, _) = socket.receive_from(&mut datagram).await?;
//!     Ok::<_, Error>(datagram[..length].to_vec())
//! })?;
//! assert_eq!(answer, b"hello");
//! # Ok::<(), Box<dyn core::error::Error>>(())
//! ```
#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;
#[cfg(test)]
extern crate std;

mod addressing;
mod allowance;
mod autoconf;
mod cable;
mod capture;
mod checksum;
mod config;
mod counters;
pub mod datagram;
pub mod dhcp;
mod error;
mod glance;
mod ip;
mod link;
mod net;
mod nic;
pub mod resolver;
#[cfg(feature = "segmentation")]
mod segmentation;
#[cfg(not(feature = "segmentation"))]
#[path = "whole.rs"]
mod segmentation;
#[cfg(feature = "long-frames")]
mod segments;
pub mod sntp;
mod socket_info;
mod stack;
mod tcp;
mod text;
mod udp;
mod virtio;
#[cfg(feature = "simulation")]
pub mod wire;

pub use cable::{Cable, CableCounters};
pub use capture::{Capture, Captured, Direction};
pub use config::{Config, ConfigError, Limits, Six};
pub use counters::NetCounters;
pub use datagram::{Answering, Datagram, Reply, Verdict};
pub use error::Error;
pub use net::{Driver, Net, Random};
pub use nic::{BatchNic, Checksum, Frame, Nic, Offload, Offloads, Segment, SegmentKind};
#[cfg(feature = "long-frames")]
pub use segments::Segments;
pub use socket_info::{Protocol, SocketInfo, SocketState};
pub use tcp::{Listen, TcpListener, TcpReader, TcpStream, TcpWriter};
pub use text::parse_end;
pub use udp::UdpSocket;
pub use virtio::{VirtioNet, VirtioNetCounters};
