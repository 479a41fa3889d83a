//! What the log tells of queries.

mod common;
mod transferred;

use common::{query, server, zone};
use std::sync::Mutex;
use transferred::converse;
use unik_dns::Settings;

/// Lines of the log.
static LINES: Mutex<Vec<String>> = Mutex::new(Vec::new());

struct Keeper;

impl log::Log for Keeper {
    fn enabled(&self, _: &log::Metadata<'_>) -> bool {
        true
    }

    fn log(&self, record: &log::Record<'_>) {
        LINES.lock().expect("one test").push(record.args().to_string());
    }

    fn flush(&self) {}
}

/// What was told since it was asked last.
fn told() -> Vec<String> {
    std::mem::take(&mut *LINES.lock().expect("one test"))
}

#[test]
fn each_query_of_so_many_is_told_with_its_question_and_no_other() {
    log::set_logger(&Keeper).expect("there is one test in this program");
    log::set_max_level(log::LevelFilter::Info);
    let mut server = server(&[&zone("")]);
    let ask = |server: &_, queries: &[Vec<u8>]| converse(server, [192, 0, 2, 2], queries);
    ask(&server, &[query("ns.example.org A")]);
    assert_eq!(told(), [""; 0], "unless it is wanted");

    server.configure(Settings { log_queries: 1, ..Settings::default() });
    let mut status = query("x.example.org A");
    status[2] = 0x10;
    ask(&server, &[query("ns.example.org A"), status, query("n\\046o.example.org TYPE65280")]);
    assert_eq!(
        told(),
        [
            "query of 192.0.2.2 over TCP: ns.example.org. A: NOERROR, 48 octets",
            "query of 192.0.2.2 over TCP without a question: NOTIMP, 12 octets",
            "query of 192.0.2.2 over TCP: n\\.o.example.org. TYPE65280: NXDOMAIN, 83 octets",
        ]
    );
    server.configure(Settings { log_queries: 3, ..Settings::default() });
    ask(&server, &vec![query("ns.example.org A"); 7]);
    assert_eq!(told().len(), 3, "the first, the fourth and the seventh");
}
