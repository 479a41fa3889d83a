//! The row about a large flow table: what a frame costs where there are 100,000 entries for one flow each and 1,000 for many, against a
//! table with ten.
//!
//! The frames of a burst are of as many flows as it has frames, in an order that looks random: of ten flows, which the flow cache
//! holds, and of all that the large table knows, which are more than it has places for.

use std::fmt::Write as _;

use super::Field;
use super::cost::{BURST, LENGTH, Trial, instructions, ofctl};
use crate::error::{Context, Result};

/// Entries for one flow each, and for many, of the large table.
const EXACT: usize = 100_000;
const WILD: usize = 1_000;
/// Flows of the small table.
const FEW: usize = 10;
/// How much more a frame may cost with the large table, in tenths.
const MOST: u64 = 15;

/// What a frame of a flow that the cache holds costs with either table, and one of any flow of the large one.
pub(super) fn row(field: &Field<'_>) -> Result<()> {
    let cost = |entries, flows| {
        let program = &|port| program(port, entries);
        let frames =
            &|number| (0..BURST).map(|place| datagram(scatter(number * BURST + place) % flows)).collect();
        let words = " openflow.listen=on openflow.flows=110000";
        instructions(&field.image, &Trial { words, program, frames, burst: BURST })
    };
    let small = cost(FEW, FEW)?;
    println!("{FEW} entries, {FEW} flows: {small} instructions a frame, each of {BURST} together");
    let large = cost(EXACT, FEW)?;
    println!("{EXACT} and {WILD} entries, {FEW} flows: {large}");
    let bound =
        format!("at most 1.5 times as many in the large table, and it is {:.2}", large as f64 / small as f64);
    field.verdict.judge(&bound, 10 * large <= MOST * small);
    let all = cost(EXACT, EXACT)?;
    println!(
        "{EXACT} and {WILD} entries, {EXACT} flows: {all}, {:.2} times as many",
        all as f64 / small as f64
    );
    Ok(())
}

/// A number that looks random, the same each time.
fn scatter(number: usize) -> usize {
    (number as u64 + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(31) as usize >> 1
}

/// Puts so many entries for one flow each into the table, and as many as a large table has for many if these are many.
fn program(port: u16, exact: usize) -> Result<()> {
    let target = format!("tcp:127.0.0.1:{port}");
    let mut text = "priority=1,actions=output:2\npriority=2,in_port=2,actions=output:1\n".to_owned();
    for flow in 0..exact {
        let ([a, b, c], source) = place(flow);
        let _ = writeln!(
            text,
            "priority=100,in_port=1,udp,nw_src=10.{a}.{b}.{c},nw_dst=192.0.2.1,tp_src={source},tp_dst=53,actions=output:2"
        );
    }
    if exact > FEW {
        // Prefixes of eight lengths: each asks for other bits.
        for entry in 0..WILD {
            let (length, network) = (17 + entry % 8, 256 * (entry / 8));
            let [_, _, b, c] = (network as u32).to_be_bytes();
            let _ = writeln!(
                text,
                "priority=50,ip,nw_dst=198.{}.{b}.{c}/{length},actions=output:2",
                18 + entry % 2
            );
        }
    }
    let file = std::env::temp_dir().join(format!("unik-bench-{}-flows", std::process::id()));
    std::fs::write(&file, text).or_cannot(|| format!("write {}", file.display()))?;
    let done =
        ofctl(&["del-flows", &target]).and_then(|()| ofctl(&["add-flows", &target, &file.to_string_lossy()]));
    let _ = std::fs::remove_file(&file);
    done
}

/// The source of a flow: three octets of its address, and its port.
fn place(flow: usize) -> ([u8; 3], u16) {
    let [_, a, b, c] = (flow as u32).to_be_bytes();
    ([a, b, c], 1024 + (flow % 4096) as u16)
}

/// A datagram of a flow.
fn datagram(flow: usize) -> Vec<u8> {
    let ([a, b, c], source) = place(flow);
    let mut frame = vec![2, 0, 0, 0, 0, 2, 2, 0, 0, 0, 0, 1, 8, 0];
    // RFC 791, 3.1: 46 octets, don't fragment, UDP; RFC 768: the checksum left out.
    frame.extend([0x45, 0, 0, 46, 0, 0, 0x40, 0, 64, 17, 0, 0, 10, a, b, c, 192, 0, 2, 1]);
    frame.extend(source.to_be_bytes());
    frame.extend([0, 53, 0, 26, 0, 0]);
    frame.resize(LENGTH, 0);
    frame
}
