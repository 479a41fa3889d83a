//! The row about what nobody means well with: a million messages that are no questions, or hardly, over both transports.
//!
//! Each is a question with a few octets changed, added or taken away, or octets at random. Afterwards the image has to answer, and to
//! take no more memory than after the first of them.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream, UdpSocket};
use std::time::Duration;

use super::Field;
use super::guests::{DNS, WWW, first_answer, question, socket};
use super::zone::Zone;
use crate::bench::REPEAT;
use crate::bench::net::connections::heap_used;
use crate::bench::net::random::Random;
use crate::bench::net::side::Side;
use crate::error::{Context, Error, Result};

/// Datagrams, and messages in connections; the same when there is no time.
const DATAGRAMS: u64 = 900_000;
const MESSAGES: u64 = 100_000;
const QUICK: u64 = 20;
/// The part of them after which the memory is looked at first.
const FIRST: u64 = 5;
/// Datagrams that are sent before answers are looked at, and messages of a connection.
const BATCH: u64 = 64;
/// The longest of octets at random.
const LONGEST: usize = 600;
/// How long what comes back in a connection is waited for.
const PATIENCE: Duration = Duration::from_secs(2);

/// The image alone: what it takes is not to be compared.
pub(super) fn row(field: &Field<'_>) -> Result<()> {
    let zones = field.pack("peer", &Zone::of_peer())?;
    let mut server = field.start(Side::Unik, &field.guest(Side::Unik, &zones)?)?;
    let address = server.port(DNS);
    let less = if field.quick { QUICK } else { 1 };
    let mut random = Random::new(7);
    // What is kept for the next of its kind, and connections that have ended and are remembered, are there after the first.
    datagrams(address, DATAGRAMS / less / FIRST, &mut random)?;
    messages(address, MESSAGES / less / FIRST, &mut random)?;
    let before = heap_used(&server.monitor)?;
    let answered = datagrams(address, DATAGRAMS / less, &mut random)?;
    let closed = messages(address, MESSAGES / less, &mut random)?;
    first_answer(address, REPEAT).map_err(|error| server.report(&error))?;
    let after = heap_used(&server.monitor)?;
    let sent = (DATAGRAMS + MESSAGES) / less;
    println!(
        "noise: {sent} messages, {answered} datagrams answered, {closed} connections ended by the image; heap {before} KiB before, {after} \
         after; it answers"
    );
    // Some connections may not have been forgotten yet.
    if after > before + before / 10 {
        return Err(Error::failed(format!("the heap has grown from {before} to {after} KiB")));
    }
    Ok(())
}

/// Sends datagrams, and says how many came back.
fn datagrams(address: SocketAddr, count: u64, random: &mut Random) -> Result<u64> {
    let socket: UdpSocket = socket(address, Duration::from_millis(5))?;
    let (mut answered, mut answer) = (0, [0; 2048]);
    for number in 1..=count {
        // What does not fit in the queue is lost, as it is on any network.
        let _ = socket.send(&message(random));
        while number % BATCH == 0 && socket.recv(&mut answer).is_ok() {
            answered += 1;
        }
    }
    Ok(answered)
}

/// Sends messages in connections, and says how many connections the other side ended before they were read to their end.
fn messages(address: SocketAddr, count: u64, random: &mut Random) -> Result<u64> {
    let mut ended = 0;
    for _ in 0..count / BATCH {
        let doing = || format!("connect to {address}");
        let mut stream = TcpStream::connect(address).or_cannot(doing)?;
        stream.set_read_timeout(Some(PATIENCE)).or_cannot(doing)?;
        stream.set_write_timeout(Some(PATIENCE)).or_cannot(doing)?;
        let mut octets = Vec::new();
        for _ in 0..BATCH {
            let message = message(random);
            // One length of a hundred lies.
            let length = if random.per_mille(10) { random.next() as u16 } else { message.len() as u16 };
            octets.extend(length.to_be_bytes());
            octets.extend(message);
        }
        let sent = stream.write_all(&octets).and_then(|()| stream.shutdown(std::net::Shutdown::Write));
        let mut back = Vec::new();
        let read = stream.read_to_end(&mut back);
        ended += u64::from(sent.is_err() || read.is_err());
    }
    Ok(ended)
}

/// One message.
fn message(random: &mut Random) -> Vec<u8> {
    let mut below = |limit: usize| (random.next() % limit.max(1) as u64) as usize;
    if below(4) == 0 {
        let length = below(LONGEST);
        return (0..length).map(|_| below(256) as u8).collect();
    }
    let mut message = question(below(65_536) as u16, WWW);
    for _ in 0..=below(4) {
        let at = below(message.len());
        match below(4) {
            0 => message.insert(at, below(256) as u8),
            1 if message.len() > 1 => drop(message.remove(at)),
            2 => message.truncate(at + 1),
            _ => {
                if let Some(octet) = message.get_mut(at) {
                    *octet ^= 1 << below(8);
                }
            }
        }
    }
    message
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn noise_is_the_same_for_the_same_seed_and_mostly_no_question() {
        let noise = |seed| {
            let mut random = Random::new(seed);
            (0..1000).map(|_| message(&mut random)).collect::<Vec<_>>()
        };
        assert_eq!(noise(7), noise(7));
        assert_ne!(noise(7), noise(8));
        assert!(noise(7).iter().filter(|message| **message == question(0, WWW)).count() < 100);
    }
}
