//! The layer between frames and sockets, for both versions of IP: who this host is ([`host`], [`address`]), what it lets in
//! ([`gate`]), how it finds its neighbours ([`neighbor`], by [`arp`] and [`ndp`]) and its way out ([`route`]), and what it
//! says of packets ([`icmp`]).

pub(crate) mod address;
pub(crate) mod arp;
pub(crate) mod gate;
pub(crate) mod host;
pub(crate) mod icmp;
#[cfg(not(feature = "multicast"))]
#[path = "no_multicast.rs"]
pub(crate) mod multicast;
#[cfg(feature = "multicast")]
pub(crate) mod multicast;
pub(crate) mod ndp;
pub(crate) mod neighbor;
#[cfg(not(feature = "ping"))]
#[path = "no_ping.rs"]
pub(crate) mod ping;
#[cfg(feature = "ping")]
pub(crate) mod ping;
pub(crate) mod route;
