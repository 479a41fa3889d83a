//! Zones to measure with, and the questions that are asked about them. The same seed makes the same zone.

use std::collections::HashSet;

use crate::bench::net::random::Random;

/// The name of every zone here.
const ORIGIN: &str = "example.org";
/// What each zone begins with: the authority, its server, and a name that is easily asked for.
const HEAD: &str = "$ORIGIN example.org.\n$TTL 3600\n@ SOA ns1 hostmaster 1 7200 1800 1209600 300\n@ NS ns1\nns1 A 192.0.2.1\nwww A 192.0.2.2\n";
const LETTERS: &[u8; 36] = b"abcdefghijklmnopqrstuvwxyz0123456789";
/// Octets of a label here, the least and the most.
const LENGTHS: std::ops::RangeInclusive<u64> = 4..=14;

/// Names right below `example.org`, each with one address.
pub(super) struct Zone {
    labels: Vec<String>,
}

impl Zone {
    /// Labels of several lengths, each of them once.
    pub(super) fn new(names: usize) -> Zone {
        let mut random = Random::new(names as u64);
        let mut seen = HashSet::new();
        let mut labels = Vec::new();
        while labels.len() < names {
            let label = label(&mut random);
            // `www` and `ns1` are shorter.
            if seen.insert(label.clone()) {
                labels.push(label);
            }
        }
        Zone { labels }
    }

    /// The zone of the Linux guest, as `bench/peers/linux/build` writes it.
    pub(super) fn of_peer() -> Zone {
        Zone { labels: (0..1000).map(|number| format!("h{number}")).collect() }
    }

    /// The master file.
    pub(super) fn text(&self) -> String {
        let mut text = HEAD.to_owned();
        for (label, number) in self.labels.iter().zip(0_u32..) {
            let [_, a, b, c] = number.to_be_bytes();
            text += &format!("{label} A 10.{a}.{b}.{c}\n");
        }
        text
    }

    /// Octets that each of these names has on the wire at the very least: its label, and its address.
    pub(super) fn wire_length(&self) -> u64 {
        let labels: usize = self.labels.iter().map(|label| 1 + label.len()).sum();
        (labels + 4 * self.labels.len()) as u64
    }

    /// A name of the zone without its root, and the address that it has.
    pub(super) fn some_name(&self, random: &mut Random) -> (Vec<u8>, [u8; 4]) {
        let place = (random.next() % self.labels.len().max(1) as u64) as usize;
        let [_, a, b, c] = (place as u32).to_be_bytes();
        (wire(self.labels.get(place).map_or("", String::as_str)), [10, a, b, c])
    }

    /// A name that the zone does not have: its label is too short.
    pub(super) fn no_name(random: &mut Random) -> Vec<u8> {
        let label = label(random);
        wire(label.get(..3).unwrap_or("xyz"))
    }

    /// Questions as dnsperf reads them, a line each, in an order without order.
    pub(super) fn questions(&self, count: usize) -> String {
        let mut random = Random::new(1);
        let some = |_| (random.next() % self.labels.len().max(1) as u64) as usize;
        let places = (0..count).map(some).filter_map(|place| self.labels.get(place));
        places.map(|label| format!("{label}.{ORIGIN} A\n")).collect()
    }
}

fn label(random: &mut Random) -> String {
    let spread = LENGTHS.end() - LENGTHS.start() + 1;
    let length = LENGTHS.start() + random.next() % spread;
    let letter = |first: bool| {
        let letters = if first { 26 } else { LETTERS.len() as u64 };
        LETTERS.get((random.next() % letters) as usize).map_or('x', |&byte| char::from(byte))
    };
    [true].into_iter().chain([false; 13]).map(letter).take(length as usize).collect()
}

/// `label.example.org` on the wire (RFC 1035, 3.1).
fn wire(label: &str) -> Vec<u8> {
    let mut name = Vec::new();
    for label in [label].into_iter().chain(ORIGIN.split('.')) {
        name.push(label.len() as u8); // no longer than the labels here
        name.extend_from_slice(label.as_bytes());
    }
    name.push(0);
    name
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_name_is_there_once_and_has_an_address_of_its_own() {
        let text = Zone::new(5000).text();
        let lines: Vec<&str> = text.lines().skip(HEAD.lines().count()).collect();
        let names: HashSet<&str> = lines.iter().filter_map(|line| line.split(' ').next()).collect();
        let addresses: HashSet<&str> = lines.iter().filter_map(|line| line.split(' ').nth(2)).collect();
        assert_eq!((names.len(), addresses.len()), (5000, 5000));
        assert!(names.iter().all(|name| LENGTHS.contains(&(name.len() as u64))));
        assert!(names.iter().any(|name| name.len() as u64 == *LENGTHS.end()));
    }

    #[test]
    fn a_question_that_finds_nothing_is_shorter_than_every_name() {
        let name = Zone::no_name(&mut Random::new(3));
        assert_eq!(name.first(), Some(&3));
        assert!(name.ends_with(b"\x07example\x03org\0"));
    }

    #[test]
    fn the_wire_holds_labels_and_addresses() {
        assert_eq!(Zone { labels: vec!["ab".to_owned(), "c".to_owned()] }.wire_length(), 3 + 4 + 2 + 4);
    }

    #[test]
    fn questions_are_about_names_of_the_zone() {
        let zone = Zone::of_peer();
        let questions = zone.questions(100);
        assert_eq!(questions.lines().count(), 100);
        assert!(questions.lines().all(|line| line.starts_with('h') && line.ends_with(".example.org A")));
    }
}
