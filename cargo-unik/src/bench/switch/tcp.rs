//! The row about TCP: one connection through the switch, between two namespaces, so that the kernel really sends.

use std::net::Ipv4Addr;

use super::Field;
use super::joint::{Joint, tell_least};
use super::sink::Sink;
use crate::bench::net::client::{self, Way};
use crate::bench::net::side::SINK;
use crate::bench::net::statistics::Comparison;
use crate::error::Result;

/// How many times the bridge's the image has to pass.
const LEAST: f64 = 1.0;
/// The network of the first that is measured.
const NETWORK: u8 = 96;

/// Megabytes a second of one connection.
pub(super) fn row(field: &Field<'_>) -> Result<()> {
    let (joints, namespace) = (field.joints(false), field.namespace()?);
    let mut ways = Vec::new();
    for (network, joint) in (NETWORK..).zip(&joints) {
        let joined = field.join("tcp", *joint)?;
        let [near, far] = [1, 2].map(|host| Ipv4Addr::new(10, network, 0, host));
        let [tap, far_tap] = &joined.taps;
        let sink = Sink::start(namespace, far_tap, far, SINK)?;
        namespace.settle(tap, near)?;
        ways.push((joined, far, sink));
    }
    let mut comparison = Comparison::new("one TCP connection, with the offloads of taps (MB/s)", &joints);
    let mut times = Vec::new();
    for _ in 0..field.rounds {
        for (joined, far, _) in &mut ways {
            let moved = joined.time(|| {
                let moved = client::transfer((*far, SINK).into(), Way::In, field.duration(3), None)?;
                Ok((moved.rate(), moved.bytes as f64 / 1e6))
            });
            let moved = moved.map_err(|error| if field.quick { joined.report(&error) } else { error });
            times.extend(moved.as_ref().ok().map(|(_, time)| (joined.joint, *time)));
            comparison.add(joined.joint, moved.map(|(rate, _)| rate));
        }
    }
    field.verdict.show(&comparison);
    for joint in joints {
        let of_joint = times.iter().filter(|(other, _)| *other == joint).map(|(_, time)| *time);
        tell_least(joint, of_joint, "a megabyte");
    }
    field.judge(&comparison, Joint::Bridge, LEAST);
    Ok(())
}
