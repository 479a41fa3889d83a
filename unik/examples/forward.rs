//! Joins two network cards: each frame received by one leaves by the other.
#![cfg_attr(target_os = "none", no_std, no_main)]
#![forbid(unsafe_code)]

use core::fmt;

use unik::ports::{Cable, Ports};
use unik::{Counters, Monitor};

/// There are too few cards.
struct OneCard;

impl fmt::Display for OneCard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a cable has two ends: start this image with two network cards (--net, twice)")
    }
}

#[unik::main]
async fn main(_monitor: Option<Monitor>, ports: Ports, counters: Counters) -> Result<(), OneCard> {
    let [Some(one), Some(other)] = ports.into_array() else { return Err(OneCard) };
    let cable = Cable::new(one.nic, other.nic);
    counters.register("cable", cable.counters());
    cable.run().await;
    Ok(())
}
