//! The network as its users see it: two stacks on a simulated wire, or one stack and a hand-made peer, in virtual
//! time.

#![expect(clippy::unwrap_used, reason = "a test that fails may panic, in its helpers as well")]

mod cable;
mod capture;
#[path = "../checks/mod.rs"]
mod checks;
mod config;
mod conversations;
mod corpus;
mod datagram;
mod dhcp;
#[path = "../checks/dhcp.rs"]
mod dhcp_checks;
mod dhcp_client;
mod driver;
mod forgery;
mod frames;
mod gate;
#[path = "../hostile/mod.rs"]
mod hostile;
mod icmp;
mod listener;
mod multicast;
mod neighbors;
mod offload;
mod ping;
mod resolver;
mod segments;
mod six;
mod sntp;
mod sockets;
mod tcp;
mod tcp_loss;
mod udp;
mod virtio;
mod waits;
mod wire;
mod world;
