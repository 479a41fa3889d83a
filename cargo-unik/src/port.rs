//! Ports of 127.0.0.1 for guests, and for those they talk with: free ones that stay free until somebody binds them.
//!
//! A port that was bound for a moment to see that it is free belongs to nobody afterwards. The system gives it to the next socket that
//! takes any, a client's perhaps, before the guest has it. So [`free_port`] takes none of those that the system gives away, and never
//! the same twice. Between processes, who may give which is settled by blocks: each is claimed by an abstract Unix socket, a name that
//! one process has as long as it lives, and that a network namespace has for itself, as it has its ports.

use std::hash::{BuildHasher as _, RandomState};
use std::net::{TcpListener, UdpSocket};
use std::os::linux::net::SocketAddrExt as _;
use std::os::unix::net::{SocketAddr, UnixListener};
use std::sync::{Mutex, PoisonError};

use crate::error::{Context as _, Error, Result};

/// Ports of a block.
const BLOCK: u16 = 32;
/// The first port that is given: below are those of services, and of users who choose a number by hand.
const LOWEST: u16 = 10_240;
/// Where the system says which ports it gives away itself (ip(7)), and which these are if it does not.
const GIVEN_AWAY: &str = "/proc/sys/net/ipv4/ip_local_port_range";
const USUAL: (u16, u16) = (32_768, 60_999);

/// The block that this process has, and what was given of it.
static CLAIMED: Mutex<Option<Block>> = Mutex::new(None);

/// A block of ports that nobody else gives.
#[derive(Debug)]
struct Block {
    first: u16,
    given: u16,
    /// The claim of it, which goes with this process: what was given stays its own when the block is used up.
    _claim: UnixListener,
}

/// A port of 127.0.0.1 at which nobody listens over UDP or TCP. Nobody else is given it while this process lives.
///
/// # Errors
/// There is none.
pub fn free_port() -> Result<u16> {
    let mut claimed = CLAIMED.lock().unwrap_or_else(PoisonError::into_inner);
    loop {
        if let Some(port) = claimed.as_mut().and_then(Block::give) {
            return Ok(port);
        }
        let random = RandomState::new().hash_one(0_u8) as usize;
        let next = claim(&blocks(given_away()), random);
        let next = next.or_cannot(|| "claim ports of 127.0.0.1".to_owned())?;
        let next = next.ok_or_else(|| Error::failed("all ports of 127.0.0.1 are in use"))?;
        if let Some(used) = claimed.replace(next) {
            // Its ports are in use: the claim stays.
            std::mem::forget(used);
        }
    }
}

impl Block {
    /// The next port that nobody has; `None` behind the last.
    fn give(&mut self) -> Option<u16> {
        let rest = self.first + self.given..self.first + BLOCK;
        let port = rest.into_iter().find(|port| is_free(*port));
        self.given = port.map_or(BLOCK, |port| port + 1 - self.first);
        port
    }
}

/// The first ports of all blocks outside of those that the system gives away: below them, as far as there are any, or else behind them.
/// Where it gives all away, there are no better ones than those.
fn blocks((low, high): (u16, u16)) -> Vec<u16> {
    let all = |from: u16, to: u16| (from..to).step_by(BLOCK.into()).collect::<Vec<_>>();
    let end = u16::MAX - BLOCK + 1;
    let outside = [all(LOWEST, low.saturating_sub(BLOCK - 1)), all(high.max(LOWEST).saturating_add(1), end)];
    outside.into_iter().find(|blocks| !blocks.is_empty()).unwrap_or_else(|| all(LOWEST, end))
}

/// Claims a block that nobody has, the first one that is looked at being any; `None` where somebody has each.
fn claim(blocks: &[u16], start: usize) -> std::io::Result<Option<Block>> {
    for index in 0..blocks.len() {
        let Some(first) = blocks.get((start % blocks.len() + index) % blocks.len()) else { continue };
        let name = SocketAddr::from_abstract_name(format!("unik-ports-{first}"))?;
        match UnixListener::bind_addr(&name) {
            Ok(claim) => return Ok(Some(Block { first: *first, given: 0, _claim: claim })),
            Err(error) if error.kind() == std::io::ErrorKind::AddrInUse => {}
            Err(error) => return Err(error),
        }
    }
    Ok(None)
}

fn is_free(port: u16) -> bool {
    UdpSocket::bind(("127.0.0.1", port)).is_ok() && TcpListener::bind(("127.0.0.1", port)).is_ok()
}

/// The first and the last port that the system gives away.
fn given_away() -> (u16, u16) {
    let text = std::fs::read_to_string(GIVEN_AWAY).unwrap_or_default();
    let mut numbers = text.split_whitespace().map_while(|number| number.parse().ok());
    numbers.next().zip(numbers.next()).unwrap_or(USUAL)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn no_port_is_given_twice_or_to_a_socket_that_takes_any() {
        let (low, high) = given_away();
        let ports: Vec<u16> = (0..100).map(|_| free_port().unwrap()).collect();
        assert_eq!(ports.iter().collect::<BTreeSet<_>>().len(), 100, "{ports:?}");
        assert!(ports.iter().all(|port| *port < low || *port > high), "{ports:?}");
    }

    #[test]
    fn a_port_that_somebody_has_is_not_given() {
        let mut block = claim(&blocks(given_away()), 0).unwrap().unwrap();
        let first = block.give().unwrap();
        let _udp = UdpSocket::bind(("127.0.0.1", first + 1));
        let _tcp = TcpListener::bind(("127.0.0.1", first + 2));
        let second = block.give().unwrap();
        assert!(second > first + 2 && second < block.first + BLOCK, "{second} behind {first}");
        let rest: Vec<u16> = std::iter::from_fn(|| block.give()).collect();
        assert!(rest.is_sorted() && rest.iter().all(|port| *port > second), "{rest:?}");
        assert_eq!(block.give(), None);
    }

    #[test]
    fn a_block_is_of_one_process_until_that_ends() {
        // Those of no block, and of nobody else who runs this test.
        let own = std::process::id() as u16 | 1;
        let blocks = [own, own ^ 2];
        let one = claim(&blocks, 1).unwrap().unwrap();
        assert_eq!(one.first, blocks[1]);
        let other = claim(&blocks, 1).unwrap().unwrap();
        assert_eq!(other.first, blocks[0]);
        assert!(claim(&blocks, 7).unwrap().is_none());
        drop(one);
        assert_eq!(claim(&blocks, 0).unwrap().unwrap().first, blocks[1]);
        assert!(claim(&[], 3).unwrap().is_none());
    }

    #[test]
    fn blocks_lie_outside_of_what_the_system_gives_away() {
        for (low, high) in [USUAL, (1024, 60_999), (10_241, 20_000), (0, 0), (65_535, 65_535)] {
            for first in blocks((low, high)) {
                assert!(
                    first >= LOWEST && (first + (BLOCK - 1) < low || first > high),
                    "{first} of {low} {high}"
                );
            }
        }
        assert_eq!(blocks(USUAL).first(), Some(&LOWEST));
        // Of all that there are, if there are no others.
        let all = blocks((1024, 65_535));
        assert!(all.len() > 1000 && all.iter().all(|first| (LOWEST..=u16::MAX - BLOCK).contains(first)));
    }
}
