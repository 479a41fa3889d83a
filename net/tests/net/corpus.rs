//! The corpus of conversations: frames, the application's doings and the time, in any order, on a whole stack.

use std::{collections::BTreeMap, fs, path::Path};

use unik_sched::counter::CounterSet;
use unik_testkit::Random;

use crate::hostile::conversation;

/// What happens in the corpus, by counters: inputs that reach nothing would find nothing.
const REACHED: [&str; 30] = [
    "rx_bad_headers",
    "rx_martian",
    "rx_elsewhere",
    "rx_fragments",
    "rx_extensions",
    "router_unheeded",
    "router_left_out",
    "neighbor_unasked",
    "address_conflicts",
    "icmp_unheeded",
    "tx_blocked",
    "tx_replies_dropped",
    "udp_rx_dropped",
    "udp_answered",
    "udp_passed",
    "udp_refused",
    "tx_parked",
    "tx_no_neighbor",
    "tcp_connects",
    "tcp_accepted",
    "tcp_resets",
    "tcp_strays",
    "tcp_backlog_full",
    "tcp_half_open_evicted",
    "tcp_limit_reached",
    "tcp_time_wait_evicted",
    "tcp_close_overdue",
    "dhcp_leases",
    "dhcp_lost",
    "dhcp_unasked",
];

#[test]
fn the_corpus_of_conversations_and_its_mutations_do_no_harm() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz/corpus/frames");
    let mut files: Vec<_> = fs::read_dir(folder).unwrap().map(|file| file.unwrap().path()).collect();
    files.sort();
    assert!(files.len() >= 10, "the corpus is there");
    let mut counted = BTreeMap::new();
    let mut random = Random::new(5);
    for file in files {
        let input = fs::read(&file).unwrap();
        if let Some(counters) = conversation(&input) {
            counters.visit(&mut |name, value| *counted.entry(name).or_insert(0) += value);
        }
        for _ in 0..100 {
            conversation(&random.spoilt(&input));
        }
    }
    let of = |name: &&str| counted.get(name).is_none_or(|count| *count == 0);
    let never: Vec<_> = REACHED.into_iter().filter(of).collect();
    assert!(never.is_empty(), "the corpus never reaches {never:?} of {counted:?}");
}
