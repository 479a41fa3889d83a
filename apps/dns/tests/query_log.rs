//! What the log tells of queries.

mod common;
mod transferred;

use common::{query, server, zone};
use transferred::converse;
use unik_dns::Settings;
use unik_sched::sync::Lines;

/// What was told since it was asked last.
fn told(lines: &Lines) -> Vec<String> {
    let mut told = Vec::new();
    while lines.take(&mut |_, text| told.push(text.to_owned())) {}
    told
}

#[test]
fn each_query_of_so_many_is_told_with_its_question_and_no_other() {
    let mut server = server(&[&zone("")]);
    let lines = Lines::try_new(10_000).expect("there is memory");
    server.log_into(lines.clone());
    let ask = |server: &_, queries: &[Vec<u8>]| converse(server, [192, 0, 2, 2], queries);
    ask(&server, &[query("ns.example.org A")]);
    assert_eq!(told(&lines), [""; 0], "unless it is wanted");

    server.configure(Settings { log_queries: 1, ..Settings::default() });
    let mut status = query("x.example.org A");
    status[2] = 0x10;
    ask(&server, &[query("ns.example.org A"), status, query("n\\046o.example.org TYPE65280")]);
    assert_eq!(
        told(&lines),
        [
            "query of 192.0.2.2 over TCP: ns.example.org. A: NOERROR, 48 octets",
            "query of 192.0.2.2 over TCP without a question: NOTIMP, 12 octets",
            "query of 192.0.2.2 over TCP: n\\.o.example.org. TYPE65280: NXDOMAIN, 83 octets",
        ]
    );
    server.configure(Settings { log_queries: 3, ..Settings::default() });
    ask(&server, &vec![query("ns.example.org A"); 7]);
    assert_eq!(told(&lines).len(), 3, "the first, the fourth and the seventh");
}
