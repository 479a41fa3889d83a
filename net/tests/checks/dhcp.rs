//! What must hold for any message whatever that a client of DHCP hears: used by the tests and by the fuzz target.

use std::net::Ipv4Addr;

use unik_net::dhcp::{Client, LENGTH, Lease, Outgoing};
use unik_sched::time::{Duration, Instant};

const HARDWARE: [u8; 6] = [2, 0, 0, 0, 0, 1];
const OFFER: u8 = 2;
const ACKNOWLEDGEMENT: u8 = 5;

/// Messages that a client may send in the hour after the message: a lease of ten seconds, renewed by nobody, again and
/// again takes no more.
const MESSAGES_LIMIT: usize = 3600;

/// A client in one of its states, and its time.
struct Asked {
    client: Client,
    now: Instant,
    question: [u8; LENGTH],
}

impl Asked {
    /// Jumps to when it has something to do, and lets it.
    fn proceed(&mut self) -> Option<Outgoing> {
        let due = self.client.due()?;
        self.now = self.now.max(due);
        let outgoing = self.client.poll(self.now, &mut || 0x5eed_0000_0001, &mut self.question);
        assert!(self.client.due().is_none_or(|due| due > self.now), "it never spins");
        outgoing
    }

    /// What an honest server answers, with a lease of ten minutes.
    fn grant(&mut self, kind: u8) {
        let mut message = vec![2, 1, 6, 0];
        message.extend(&self.question[4..8]);
        message.extend([0, 0, 0, 0, 0, 0, 0, 0, 10, 0, 0, 33]);
        message.resize(28, 0);
        message.extend(HARDWARE);
        message.resize(236, 0);
        message.extend([99, 130, 83, 99, 53, 1, kind, 54, 4, 10, 0, 0, 2, 1, 4, 255, 255, 255, 0]);
        message.extend([51, 4, 0, 0, 2, 88, 255]);
        assert!(self.client.receive(self.now, &message));
    }

    /// A client that has asked something, in one of six ways.
    fn new(stage: u8) -> Self {
        let client = Client::new(HARDWARE, None);
        let mut asked = Asked { client, now: Instant::ZERO, question: [0; LENGTH] };
        asked.proceed();
        if stage > 0 {
            asked.grant(OFFER);
            asked.proceed();
        }
        if stage > 1 {
            asked.grant(ACKNOWLEDGEMENT);
        }
        match stage {
            3 => asked.client.link_returned(asked.now),
            4 | 5 => asked.now += Duration::from_secs(if stage == 4 { 300 } else { 525 }),
            _ => return asked,
        }
        asked.proceed();
        asked
    }
}

/// Lets a client hear a message: the input behind its first byte, which chooses the state of the client and whether the
/// message is made to fit its question. Says whether the message was taken, and the state.
pub(crate) fn message(input: &[u8]) -> Option<(u8, bool)> {
    let (first, message) = input.split_first()?;
    let stage = first & 7;
    let mut asked = Asked::new(stage);
    let before = asked.client.lease().copied();
    let mut message = message.to_vec();
    if first & 0x80 == 0 && message.len() >= 34 {
        message[4..8].copy_from_slice(&asked.question[4..8]);
        message[28..34].copy_from_slice(&HARDWARE);
    }
    let taken = asked.client.receive(asked.now, &message);
    match (asked.client.lease(), before) {
        (Some(lease), Some(before)) => assert_eq!(lease.address, before.address),
        (None, Some(_)) => assert!(taken),
        _ => {}
    }
    if !taken {
        assert_eq!(asked.client.lease(), before.as_ref());
    }
    let end = asked.now + Duration::from_secs(3600);
    let mut messages = 0;
    while asked.client.due().is_some_and(|due| due <= end) {
        check(&asked);
        let Some(Outgoing { source, destination }) = asked.proceed() else { continue };
        messages += 1;
        assert!(messages <= MESSAGES_LIMIT);
        let lease = asked.client.lease();
        assert!(source.is_unspecified() || lease.is_some_and(|lease| lease.address == source));
        assert!(destination.is_broadcast() || lease.is_some_and(|lease| lease.server == destination));
    }
    check(&asked);
    Some((stage, taken))
}

/// A lease can be used as it is.
fn check(asked: &Asked) {
    let (Some(lease), Some(times)) = (asked.client.lease(), asked.client.times()) else { return };
    assert!(times.renew <= times.rebind && times.rebind <= times.expire && times.renew > Instant::ZERO);
    let Lease { address, prefix, gateway, routes, name_servers, mtu, server, .. } = *lease;
    assert!((1..=32).contains(&prefix));
    let routers = routes.iter().flatten().filter_map(|route| route.via);
    for other in gateway.into_iter().chain(routers) {
        assert!(other != address && is_host(other));
    }
    assert!(is_host(address) && is_host(server) && name_servers.into_iter().flatten().all(is_host));
    assert!(mtu.is_none_or(|mtu| mtu >= 576));
    for route in routes.iter().flatten() {
        let behind = u32::MAX.checked_shr(route.prefix.into()).unwrap_or(0);
        assert!(route.prefix <= 32 && u32::from(route.destination) & behind == 0);
    }
}

fn is_host(address: Ipv4Addr) -> bool {
    let first = address.octets()[0];
    first != 0 && first < 224 && !address.is_loopback()
}
