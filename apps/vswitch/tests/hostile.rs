//! Frames from those who mean harm, into the learning switch.

mod corpus;
mod traffic;

use corpus::{Chance, replay};

#[test]
fn frames_of_any_kind_go_only_where_they_may() {
    replay("switch_frame", 300, traffic::traffic);
}

#[test]
fn chance_goes_only_where_it_may() {
    for seed in 1..2000 {
        let mut chance = Chance(seed);
        let length = 16 + usize::from(chance.next()) * 4;
        let octets: Vec<u8> = (0..length).map(|_| chance.next()).collect();
        println!("seed {seed}");
        traffic::traffic(&octets);
    }
}
