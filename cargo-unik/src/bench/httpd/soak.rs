//! The row about a million requests of all kinds: each response is the right one to its last octet, and the heap is afterwards what
//! it was before.
//!
//! Clients ask over connections that are kept for a while, one request at a time or several together: pages, their heads, parts of
//! them, what is not there, what they have already. A response that is not the one to expect ends the row.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use sha2::{Digest as _, Sha256};

use super::Field;
use super::guests::{HTTP, UNLIMITED};
use super::site::{self, Site};
use crate::bench::PATIENCE;
use crate::bench::http::{Client, Response};
use crate::bench::net::connections::heap_used;
use crate::bench::net::random::Random;
use crate::bench::net::side::{Server, Side};
use crate::error::{Error, Result};

/// Requests, and when there is no time.
const REQUESTS: u64 = 1_000_000;
const REQUESTS_QUICK: u64 = 50_000;
/// The part of them after which the heap is looked at first: what is kept for the next of its kind is there then.
const FIRST: u64 = 10;
/// Clients at the same time.
const CLIENTS: u64 = 32;
/// Requests of a connection, and of those the most that are sent together.
const KEPT: u64 = 400;
const TOGETHER: u64 = 8;
/// How long the guest has to forget connections, and for how long nothing changes then.
const SETTLE: Duration = Duration::from_secs(120);
const STILL: Duration = Duration::from_secs(3);
const TICK: Duration = Duration::from_millis(250);
/// Kibibytes that the heap may have more in use than before.
const SLACK: u64 = 8;

/// A file as the clients know it.
#[derive(Debug)]
struct Known {
    path: String,
    contents: Vec<u8>,
    digest: [u8; 32],
    etag: String,
}

/// What is asked for, and what has to come.
#[derive(Debug)]
struct Exchange {
    request: String,
    code: u16,
    /// The SHA-256 and the length of the contents, which are not sent where a head was asked for.
    contents: Option<([u8; 32], usize)>,
}

/// The image alone: what it takes is not to be compared.
pub(super) fn row(field: &Field<'_>) -> Result<()> {
    let site = site::of_soak();
    let mut server = field.start(Side::Unik, &field.guest(Side::Unik, &site, UNLIMITED)?)?;
    let count = if field.quick { REQUESTS_QUICK } else { REQUESTS };
    let soaked = soak(&server, &site, count);
    let soaked = soaked.map_err(|error| server.report(&error))?;
    println!("soak: {soaked}");
    Ok(())
}

/// The sentence about a run that went well.
fn soak(server: &Server, site: &Site, count: u64) -> Result<String> {
    let address = server.port(HTTP);
    let known = Arc::new(learn(address, site)?);
    crowd(address, &known, count / FIRST)?;
    let before = settled(server, 0)?;
    let started = Instant::now();
    let connections = crowd(address, &known, count)?;
    let elapsed = started.elapsed().as_secs_f64();
    let busy = heap_used(&server.monitor)?;
    let after = settled(server, before + SLACK)?;
    if after > before + SLACK {
        return Err(Error::failed(format!("the heap has grown from {before} to {after} KiB")));
    }
    Ok(format!(
        "{count} requests over {connections} connections in {elapsed:.0} s, each response right by its SHA-256; heap {before} KiB before, \
         {busy} at the end, {after} settled"
    ))
}

/// The heap once it does not change any more, or is as small as is wanted.
fn settled(server: &Server, wanted: u64) -> Result<u64> {
    let started = Instant::now();
    let (mut used, mut since) = (heap_used(&server.monitor)?, started);
    while used > wanted && since.elapsed() < STILL && started.elapsed() < SETTLE {
        thread::sleep(TICK);
        let now = heap_used(&server.monitor)?;
        if now != used {
            (used, since) = (now, Instant::now());
        }
    }
    // Connections that the image closed first are remembered for a minute: stillness alone is no proof.
    while used > wanted && wanted > 0 && started.elapsed() < SETTLE {
        thread::sleep(TICK);
        used = heap_used(&server.monitor)?;
    }
    Ok(used)
}

/// Asks for each file once, to know its entity tag.
fn learn(address: SocketAddr, site: &Site) -> Result<Vec<Known>> {
    let mut client = Client::connect(address, PATIENCE)?;
    let mut known = Vec::new();
    for (path, contents) in &site.files {
        let response = client.ask(format!("GET /{path} HTTP/1.1\r\nHost: a\r\n\r\n").as_bytes())?;
        let etag = response.field("etag").unwrap_or_default().to_owned();
        if response.code != 200 || response.contents != *contents || etag.is_empty() {
            return Err(Error::failed(format!("/{path} is not served as it is: {}", response.head)));
        }
        let digest = Sha256::digest(contents).into();
        known.push(Known { path: path.clone(), contents: contents.clone(), digest, etag });
    }
    Ok(known)
}

/// Has a crowd make so many requests, and says over how many connections.
fn crowd(address: SocketAddr, known: &Arc<Vec<Known>>, count: u64) -> Result<u64> {
    let begun = Arc::new(AtomicU64::new(0));
    let clients: Vec<_> = (0..CLIENTS)
        .map(|number| {
            let (begun, known) = (begun.clone(), known.clone());
            thread::spawn(move || client(address, &known, &begun, count, number))
        })
        .collect();
    let mut connections = 0;
    for client in clients {
        connections += client.join().map_err(|_| Error::failed("a client has ended early"))??;
    }
    Ok(connections)
}

/// One client, until all together have asked so often.
fn client(address: SocketAddr, known: &[Known], begun: &AtomicU64, count: u64, seed: u64) -> Result<u64> {
    let mut random = Random::new(seed);
    let mut connections = 0;
    loop {
        let mut client = Client::connect(address, PATIENCE)?;
        connections += 1;
        let kept = 1 + random.next() % KEPT;
        let mut asked = 0;
        while asked < kept {
            let together = 1 + random.next() % TOGETHER;
            let begun = begun.fetch_add(together, Ordering::Relaxed);
            let together = together.min(count.saturating_sub(begun));
            if together == 0 {
                return Ok(connections);
            }
            asked += together;
            // One connection of eight is closed by the server.
            let is_last = asked >= kept && kept.is_multiple_of(8);
            converse(&mut client, known, &mut random, together, is_last)?;
        }
    }
}

/// Sends requests together, and checks each response.
fn converse(
    client: &mut Client,
    known: &[Known],
    random: &mut Random,
    together: u64,
    closes: bool,
) -> Result<()> {
    let exchanges: Option<Vec<Exchange>> = (0..together).map(|_| exchange(known, random)).collect();
    let exchanges = exchanges.ok_or_else(|| Error::failed("there is no file"))?;
    let mut octets = String::new();
    for (exchange, left) in exchanges.iter().zip((0..together).rev()) {
        octets += &exchange.request;
        octets += if closes && left == 0 { "Connection: close\r\n\r\n" } else { "\r\n" };
    }
    client.send(octets.as_bytes())?;
    for exchange in &exchanges {
        let response = client.receive(exchange.request.starts_with("HEAD "))?;
        if !exchange.is_answered_by(&response) {
            return Err(Error::failed(format!(
                "the wrong response, with {} octets, to:\n{}\n{}",
                response.contents.len(),
                exchange.request,
                response.head
            )));
        }
    }
    Ok(())
}

/// One of all kinds of requests, without the line that ends it.
fn exchange(known: &[Known], random: &mut Random) -> Option<Exchange> {
    let mut below = |limit: usize| (random.next() % limit.max(1) as u64) as usize;
    let file = known.get(below(known.len()))?;
    let length = file.contents.len();
    let whole = Some((file.digest, length));
    let (method, path) = ("GET", file.path.as_str());
    let ask =
        |method: &str, path: &str, fields: &str| format!("{method} /{path} HTTP/1.1\r\nHost: a\r\n{fields}");
    let (request, code, contents) = match below(16) {
        0 | 1 => (ask("HEAD", path, ""), 200, Some((file.digest, length))),
        2..=4 if length > 0 => {
            let first = below(length);
            let last = first + below(2 * length);
            let part = file.contents.get(first..length.min(last + 1))?;
            let range = match below(3) {
                0 if last + 1 >= length => format!("Range: bytes={first}-\r\n"),
                1 if last + 1 >= length => format!("Range: bytes=-{}\r\n", length - first),
                _ => format!("Range: bytes={first}-{last}\r\n"),
            };
            (ask(method, path, &range), 206, Some((Sha256::digest(part).into(), part.len())))
        }
        5 if length > 0 => {
            (ask(method, path, &format!("Range: bytes={}-\r\n", length + below(9))), 416, None)
        }
        6 => {
            let page = known.iter().find(|known| known.path == "404.html")?;
            (
                ask(method, &format!("missing{}", below(1 << 20)), ""),
                404,
                Some((page.digest, page.contents.len())),
            )
        }
        7 | 8 => (ask(method, path, &format!("If-None-Match: \"a\", {}\r\n", file.etag)), 304, None),
        9 => (ask(method, path, "If-None-Match: \"a\"\r\n"), 200, whole),
        10 => (ask(method, path, "If-Match: \"a\"\r\n"), 412, None),
        11 => (ask("OPTIONS", path, ""), 204, None),
        _ => (ask(method, path, ""), 200, whole),
    };
    Some(Exchange { request, code, contents })
}

impl Exchange {
    fn is_answered_by(&self, response: &Response) -> bool {
        let is_head = self.request.starts_with("HEAD ");
        let are_right = match self.contents {
            None => true,
            Some((_, length)) if is_head => {
                response.contents.is_empty() && response.field("content-length") == Some(&length.to_string())
            }
            Some((digest, length)) => {
                response.contents.len() == length && Sha256::digest(&response.contents)[..] == digest
            }
        };
        response.code == self.code && are_right
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn known() -> Vec<Known> {
        let files = site::of_soak().files.into_iter();
        let known = |(path, contents): (String, Vec<u8>)| {
            let digest = Sha256::digest(&contents).into();
            Known { path, contents, digest, etag: "\"e\"".to_owned() }
        };
        files.map(known).collect()
    }

    #[test]
    fn all_kinds_of_requests_come_up() {
        let (known, mut random) = (known(), Random::new(1));
        let codes: Vec<u16> = (0..1000).map(|_| exchange(&known, &mut random).unwrap().code).collect();
        for code in [200, 204, 206, 304, 404, 412, 416] {
            assert!(codes.contains(&code), "{code}");
        }
    }

    #[test]
    fn a_response_with_one_wrong_octet_is_wrong() {
        let exchange = Exchange {
            request: "GET / HTTP/1.1\r\n".to_owned(),
            code: 200,
            contents: Some((Sha256::digest(b"abc").into(), 3)),
        };
        let response =
            |contents: &[u8]| Response { code: 200, head: String::new(), contents: contents.to_owned() };
        assert!(exchange.is_answered_by(&response(b"abc")));
        assert!(!exchange.is_answered_by(&response(b"abd")));
        assert!(!exchange.is_answered_by(&response(b"ab")));
        assert!(!exchange.is_answered_by(&Response { code: 206, ..response(b"abc") }));
    }
}
