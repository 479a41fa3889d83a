//! Asks this server and NSD the same, and tells where they differ:
//!
//! ```console
//! $ cargo run -p unik-dns --example compare -- [SEED [write]]
//! ```
//!
//! `nsd` has to be installed. It is started with random zones, on a port of 127.0.0.1 and as whoever runs this. Differences that
//! are wanted, and stand in the README, are counted; others are told, and the exit code is 1.
#![forbid(unsafe_code)]
#![expect(clippy::unwrap_used, reason = "whoever runs this sees why it ends")]

#[path = "../tests/common/mod.rs"]
mod common;
#[path = "../tests/model/mod.rs"]
mod model;
#[path = "../tests/random/mod.rs"]
mod random;
#[path = "../tests/signed/mod.rs"]
mod signed;

use common::{answer, query, sorted};
use domain::base::Message;
use domain::base::iana::Class;
use domain::base::opt::AllOptData;
use model::ModelZone;
use random::Random;
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream, UdpSocket};
use std::path::PathBuf;
use std::process::{Child, Command, ExitCode, Stdio};
use std::time::Duration;
use unik_dns::{Minimal, Server, Settings, Transport, Zone};

/// Families of zones, and questions about each.
const FAMILIES: usize = 100;
const QUESTIONS: usize = 100;
/// Messages out of the ordinary.
const MESSAGES: usize = 5_000;

/// An NSD of our zones.
struct Nsd {
    child: Child,
    folder: PathBuf,
    port: u16,
}

impl Nsd {
    fn start(zones: &[ModelZone]) -> Self {
        let folder = std::env::temp_dir().join(format!("unik-dns-compare-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let port = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap().port();
        let at = folder.display();
        let mut conf = format!(
            "server:\n server-count: 1\n ip-address: 127.0.0.1@{port}\n zonesdir: {at}\n database: \"\"\n \
             username: \"\"\n pidfile: \"\"\n logfile: {at}/log\n xfrdfile: \"\"\n xfrdir: {at}\n \
             zonelistfile: {at}/list\n rrl-ratelimit: 0\n tcp-query-count: 0\n identity: \"ns7\"\n \
             version: \"seven\"\n nsid: \"ascii_ns7\"\nremote-control:\n control-enable: no\n"
        );
        for zone in zones {
            let name = model::text(&zone.apex);
            std::fs::write(folder.join(&name), zone.file()).unwrap();
            write!(conf, "zone:\n name: {name}\n zonefile: {name}\n").unwrap();
        }
        for (name, text) in signed::ZONES {
            std::fs::write(folder.join(name), text).unwrap();
            write!(conf, "zone:\n name: {name}\n zonefile: {name}\n").unwrap();
        }
        std::fs::write(folder.join("conf"), conf).unwrap();
        let mut nsd = Command::new("nsd");
        nsd.args(["-d", "-c"]).arg(folder.join("conf")).stdin(Stdio::null());
        let child = nsd.spawn().expect("nsd is installed");
        let nsd = Self { child, folder, port };
        while TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_err() {
            std::thread::sleep(Duration::from_millis(20));
        }
        let log = std::fs::read_to_string(nsd.folder.join("log")).unwrap();
        let errors: Vec<_> = log.lines().filter(|line| line.contains("error:")).collect();
        assert!(errors.is_empty(), "NSD does not take what we take:\n{}", errors.join("\n"));
        nsd
    }
}

impl Drop for Nsd {
    fn drop(&mut self) {
        // Asked to end, it takes its own children along.
        let _ = Command::new("kill").arg(self.child.id().to_string()).status();
        let _ = self.child.wait();
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

fn ours(zones: &[ModelZone]) -> Server {
    let mut server = Server::new();
    for zone in zones {
        let file = zone.file();
        server.add(Zone::parse("random.zone", file.as_bytes()).unwrap()).unwrap();
    }
    for (name, text) in signed::ZONES {
        server.add(Zone::parse(name, text.as_bytes()).unwrap()).unwrap();
    }
    server.configure(Settings { minimal: Minimal::No, version: "seven", id: "ns7", ..Settings::default() });
    server
}

/// Differences, by what they are.
#[derive(Default)]
struct Verdict {
    asked: usize,
    wanted: BTreeMap<&'static str, usize>,
    unknown: usize,
}

impl Verdict {
    fn add(&mut self, what: &str, ours: &str, theirs: &str, wanted: Option<&'static str>) {
        self.asked += 1;
        if ours == theirs {
            return;
        }
        match wanted {
            Some(reason) => *self.wanted.entry(reason).or_default() += 1,
            None => {
                self.unknown += 1;
                if self.unknown <= 20 {
                    println!("{what}\n--- ours\n{ours}\n--- NSD\n{theirs}\n");
                }
            }
        }
    }
}

/// Why an answer to a question for `kind` at `name` may differ.
fn wanted(
    zones: &[ModelZone],
    name: &model::Name,
    kind: &str,
    ours: &str,
    theirs: &str,
) -> Option<&'static str> {
    if let [parent, _, child] = zones {
        let is_below = |name: &model::Name| *name != child.apex && name.ends_with(&child.apex);
        let apex = model::text(&child.apex);
        let is_told = format!("{}\n{ours}", model::text(name))
            .lines()
            .any(|line| line.contains(apex.trim_end_matches('.')));
        let is_cut = kind == "DS" && *name == child.apex;
        if is_cut || is_told && parent.records.iter().any(|record| is_below(&record.owner)) {
            return Some("what one zone has is nothing to another: NSD has all names in one tree");
        }
    }
    // Its answer is ours with another owner of the addresses.
    let owners = |text: &str| -> Vec<_> {
        let cut = text.lines().map(|line| line.strip_prefix("+ ").and_then(|line| line.split_once(' ')));
        let mut lines: Vec<_> =
            cut.zip(text.lines()).map(|(cut, line)| cut.map_or(line, |cut| cut.1).to_owned()).collect();
        lines.sort();
        lines
    };
    if owners(ours) == owners(theirs) {
        return Some(
            "addresses by a wildcard stand under the name that data have: NSD drops a label before a *",
        );
    }
    if kind == "ANY" && theirs.lines().filter(|line| line.starts_with('=')).all(|line| ours.contains(line)) {
        return Some("ANY over TCP: all sets, not one (RFC 8482 allows either)");
    }
    None
}

/// The answer to `query` over a connection.
fn ask(stream: &mut TcpStream, query: &[u8]) -> Vec<u8> {
    let length = u16::try_from(query.len()).unwrap().to_be_bytes();
    stream.write_all(&[&length, query].concat()).unwrap();
    let mut length = [0; 2];
    stream.read_exact(&mut length).unwrap();
    let mut answer = vec![0; u16::from_be_bytes(length).into()];
    stream.read_exact(&mut answer).unwrap();
    answer
}

/// Questions about signed zones. What NSD answers is what `tests/signed.rs` expects; `write` renews it.
fn proofs(nsd: &Nsd, server: &Server, write: bool) -> Verdict {
    let (mut verdict, mut expected) = (Verdict::default(), String::new());
    let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, nsd.port)).unwrap();
    for (apex, _) in signed::ZONES {
        for question in signed::QUESTIONS {
            let query = signed::query(apex, question);
            let (ours, theirs) = (answer(server, &query, Transport::Tcp).unwrap(), ask(&mut stream, &query));
            let (ours, theirs) = (signed::text(&ours), signed::text(&theirs));
            let is_wanted = question == "b.old A" && apex == "nsec.test";
            write!(expected, "? {question} {apex}\n{}", if is_wanted { &ours } else { &theirs }).unwrap();
            let wanted = is_wanted
                .then_some("what a DNAME record leads to is denied by NSEC too, beside its wildcard");
            verdict.add(&format!("{question} below {apex}"), &ours, &theirs, wanted);
        }
    }
    if write {
        let file = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/signed/answers.txt");
        std::fs::write(file, expected).unwrap();
    }
    verdict
}

fn questions(nsd: &Nsd, server: &Server, families: &[Vec<ModelZone>], random: &mut Random) -> Verdict {
    let mut verdict = Verdict::default();
    let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, nsd.port)).unwrap();
    for zones in families {
        for _ in 0..QUESTIONS {
            let (name, kind) = model::question(random, zones);
            let question = format!("{} {kind}", model::text(&name));
            let query = query(&question);
            let theirs = ask(&mut stream, &query);
            let (ours, theirs) = (sorted(&answer(server, &query, Transport::Tcp).unwrap()), sorted(&theirs));
            let wanted = wanted(zones, &name, kind, &ours, &theirs);
            let files: String = zones.iter().map(|zone| zone.file() + "\n").collect();
            verdict.add(&format!("{question}\n{files}"), &ours, &theirs, wanted);
        }
    }
    verdict
}

/// A query with anything in its header and its OPT record.
fn message(random: &mut Random) -> Vec<u8> {
    let names = ["a.r0.org", "r0.org", "x.test", "version.bind", "id.server", "authors.bind"];
    let kinds = ["A", "SOA", "TXT", "TYPE1000", "TYPE250", "TYPE254", "AXFR", "IXFR", "OPT", "TYPE0"];
    let mut query = query(&format!("{} {}", random.one(&names), random.one(&kinds)));
    let rare = |random: &mut Random| random.below(8) == 0;
    query[2] = if rare(random) { random.below(128) as u8 } else { random.below(2) as u8 };
    query[3] = if rare(random) { random.below(256) as u8 } else { 0 };
    if rare(random) {
        *query.last_mut().unwrap() = [1, 2, 3, 4, 254, 255][random.below(6)];
    }
    if rare(random) {
        query[[5, 7, 9][random.below(3)]] = random.below(3) as u8;
    }
    if random.below(2) == 0 {
        query[11] += 1;
        let version = if rare(random) { random.below(256) as u8 } else { 0 };
        let flags = [0, 0x80, 0x40, 0xff][random.below(4)];
        query.extend([0, 0, 41, 0x10, 0, random.below(2) as u8, version, flags, 0, 0]);
        let options: [&[u8]; 6] =
            [b"", b"\0\x03\0\0", b"\0\x64\0\x02hi", b"\0\x0a\0\x0812345678", b"\0\x64\0", b"\0\x03\0\x01x"];
        let options = options[random.below(6)];
        query.push(options.len() as u8);
        query.extend_from_slice(options);
    }
    if rare(random) {
        query.push(0);
    }
    query
}

/// A message by its header, its records, and its options.
fn shape(message: Option<&[u8]>) -> String {
    let Some(message) = message else { return "silence\n".to_owned() };
    let mut out = format!("flags {:02x?} questions {}\n", &message[2..4], message[5]);
    let parsed = Message::from_octets(message).unwrap();
    let is_plain = parsed.sole_question().is_ok_and(|question| question.qclass() != Class::CH);
    if message[3] & 0xf0 == 0 && (is_plain || message.len() == 12) {
        out.push_str(&sorted(message));
    } else {
        write!(out, "{:02x?}", &message[12..]).unwrap();
    }
    if let Some(opt) = parsed.opt() {
        let options = opt.opt().iter::<AllOptData<_, _>>().map(|option| format!(" {:?}", option.unwrap()));
        writeln!(out, "options{}", options.collect::<String>()).unwrap();
    }
    out
}

/// Why an answer to `query` may differ.
fn wanted_of(query: &[u8]) -> Option<&'static str> {
    let end = 12 + query[12..].iter().position(|&octet| octet == 0).unwrap();
    let (kind, class) = ([query[end + 1], query[end + 2]], query[end + 4]);
    let edns = query.get(end + 5..).filter(|rest| rest.get(2) == Some(&41));
    let whole = end + 5 + edns.map_or(0, |rest| 11 + usize::from(rest[10]));
    let has_more = query.len() > whole;
    Some(match () {
        () if query[2] & 0x78 != 0 && query[2] & 0x78 != 0x20 => "other opcodes: flags that come back",
        () if query[2] & 0x78 == 0x20 => "NOTIFY is not implemented",
        () if query[5] != 1 => "RD comes back also to queries without just one question",
        () if query[3] & 0xf != 0 => "the code of a query means nothing",
        () if matches!(kind, [0, 251 | 252]) => "transfers are refused, whatever is asked for",
        () if matches!(kind, [0, 41 | 250]) => {
            "types that stand in no question are malformed (RFC 6895, 3.1)"
        }
        () if matches!(kind, [0, 253 | 254]) => "MAILA and MAILB are not implemented in any class",
        () if has_more => "octets behind the query are malformed",
        () if !matches!(class, 1 | 3 | 255) => "other classes: whether the question comes back",
        () if edns.is_some_and(|rest| rest[6] != 0) => "the version of EDNS, and what follows",
        () if class == 255 => "all classes",
        () => return None,
    })
}

fn messages(nsd: &Nsd, server: &Server, random: &mut Random) -> Verdict {
    let mut verdict = Verdict::default();
    let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    socket.connect((Ipv4Addr::LOCALHOST, nsd.port)).unwrap();
    socket.set_read_timeout(Some(Duration::from_millis(100))).unwrap();
    for number in 0..MESSAGES {
        let mut query = message(random);
        query[..2].copy_from_slice(&(number as u16).to_be_bytes());
        socket.send(&query).unwrap();
        let mut buffer = [0; 4096];
        let theirs = loop {
            match socket.recv(&mut buffer) {
                Ok(length) if buffer[..2] == query[..2] => break Some(&buffer[..length]),
                Ok(_) => {}
                Err(_) => break None,
            }
        };
        let ours = answer(server, &query, Transport::UDP);
        let (ours, theirs) = (shape(ours.as_deref()), shape(theirs));
        let is_dropped = theirs.starts_with("silence") && ours.ends_with("FORMERR\n");
        let wanted = wanted_of(&query)
            .or(is_dropped.then_some("malformed queries are answered, however many there are in a second"));
        verdict.add(&format!("{query:02x?}"), &ours, &theirs, wanted);
    }
    verdict
}

fn main() -> ExitCode {
    let seed = std::env::args().nth(1).map_or(1, |seed| seed.parse().expect("a number"));
    let mut random = Random::new(seed);
    let families: Vec<_> =
        (0..FAMILIES).map(|number| model::zones(&mut random, &format!("r{number}"))).collect();
    let (mut zones, mut all) = (vec![], vec![]);
    for family in &families {
        zones.extend(
            family.iter().map(|zone| ModelZone { apex: zone.apex.clone(), records: zone.records.clone() }),
        );
    }
    all.append(&mut zones);
    let (nsd, server) = (Nsd::start(&all), ours(&all));
    let mut unknown = 0;
    for (what, verdict) in [
        ("questions", questions(&nsd, &server, &families, &mut random)),
        ("questions about signed zones", proofs(&nsd, &server, std::env::args().nth(2).is_some())),
        ("messages", messages(&nsd, &server, &mut random)),
    ] {
        println!("{}: {what} that both were asked", verdict.asked);
        for (reason, count) in verdict.wanted {
            println!("{count}: {reason}");
        }
        println!("{}: differences that nobody wants", verdict.unknown);
        unknown += verdict.unknown;
    }
    if unknown == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
