//! The client of both sides: the same code, the same time, whoever answers.

use std::io::{ErrorKind, Read as _, Write as _};
use std::net::{Shutdown, SocketAddr, TcpStream, UdpSocket};
use std::time::{Duration, Instant};

use nix::sys::socket::{setsockopt, sockopt};

use crate::error::{Context, Error, Result};

/// How long a connection may take to come about.
pub(crate) const CONNECT: Duration = Duration::from_secs(5);
/// How long nothing may move before a guest is given up.
const STALL: Duration = Duration::from_secs(20);
/// How this side finds its speed, whatever the computer prefers: as the Linux guest does.
pub(crate) const CONGESTION: &str = "cubic";
/// Bytes that are moved by one system call.
const CHUNK: usize = 256 * 1024;

/// When a series of requests ends.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Until {
    /// After so many.
    Count(u64),
    /// After so long.
    Passed(Duration),
}

/// What became of a series of requests.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Requests {
    /// Answers.
    pub(crate) answered: u64,
    /// Requests that were repeated.
    pub(crate) repeated: u64,
    /// From the first to the last.
    pub(crate) elapsed: Duration,
}

/// What became of a transfer.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Transfer {
    /// Bytes that arrived.
    pub(crate) bytes: u64,
    /// From the first to the last.
    pub(crate) elapsed: Duration,
    /// The longest time in which nothing moved.
    pub(crate) pause: Duration,
}

/// A direction of a transfer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Way {
    /// The guest receives.
    In,
    /// The guest sends.
    Out,
}

impl Until {
    fn is_over(self, done: u64, started: Instant) -> bool {
        match self {
            Until::Count(count) => done >= count,
            Until::Passed(time) => started.elapsed() >= time,
        }
    }
}

impl Requests {
    /// Answers a second.
    pub(crate) fn rate(&self) -> f64 {
        self.answered as f64 / self.elapsed.as_secs_f64().max(f64::MIN_POSITIVE)
    }
}

impl Transfer {
    /// Megabytes a second.
    pub(crate) fn rate(&self) -> f64 {
        self.bytes as f64 / 1e6 / self.elapsed.as_secs_f64().max(f64::MIN_POSITIVE)
    }
}

/// Sends datagrams of `size` bytes to a port that echoes, `window` of them at a time, and repeats what has not come back after
/// `patience`.
///
/// # Errors
/// Nothing comes back at all.
pub(crate) fn datagrams(
    address: SocketAddr,
    size: usize,
    window: usize,
    until: Until,
    patience: Duration,
) -> Result<Requests> {
    let doing = || format!("send datagrams to {address}");
    let socket = UdpSocket::bind("0.0.0.0:0").or_cannot(doing)?;
    socket.connect(address).or_cannot(doing)?;
    socket.set_read_timeout(Some(patience)).or_cannot(doing)?;
    let (mut request, mut answer) = (vec![0; size.max(8)], vec![0; size.max(8)]);
    let (mut answered, mut repeated, mut epoch) = (0, 0, 0_u64);
    let started = Instant::now();
    let mut heard = started;
    for _ in 0..window {
        // One that cannot be sent counts as lost.
        let _ = socket.send(&request);
    }
    while !until.is_over(answered, started) {
        match socket.recv(&mut answer) {
            // An answer to a round that was given up counts no more.
            Ok(length) if length == request.len() && answer[..8] == request[..8] => {
                (answered, heard) = (answered + 1, Instant::now());
                let _ = socket.send(&request);
            }
            Ok(_) => {}
            Err(_) if heard.elapsed() > STALL => {
                return Err(Error::failed(format!("{address} does not echo datagrams")));
            }
            Err(_) => {
                (epoch, repeated) = (epoch + 1, repeated + window as u64);
                request[..8].copy_from_slice(&epoch.to_be_bytes());
                for _ in 0..window {
                    let _ = socket.send(&request);
                }
            }
        }
    }
    Ok(Requests { answered, repeated, elapsed: started.elapsed() })
}

/// A connection to a port that echoes.
///
/// # Errors
/// It does not come about in time.
pub(crate) fn connect(address: SocketAddr) -> Result<TcpStream> {
    let doing = || format!("connect to {address}");
    let stream = TcpStream::connect_timeout(&address, CONNECT).or_cannot(doing)?;
    stream.set_nodelay(true).or_cannot(doing)?;
    stream.set_read_timeout(Some(STALL)).or_cannot(doing)?;
    stream.set_write_timeout(Some(STALL)).or_cannot(doing)?;
    Ok(stream)
}

/// Sends requests of `size` bytes over a connection to a port that echoes, one after the other.
///
/// # Errors
/// The guest does not answer.
pub(crate) fn requests(stream: &mut TcpStream, size: usize, until: Until) -> Result<Requests> {
    let doing = || "get an answer over a connection".to_owned();
    let (request, mut answer) = (vec![b'r'; size], vec![0; size]);
    let (mut answered, started) = (0, Instant::now());
    while !until.is_over(answered, started) {
        stream.write_all(&request).or_cannot(doing)?;
        stream.read_exact(&mut answer).or_cannot(doing)?;
        answered += 1;
    }
    Ok(Requests { answered, repeated: 0, elapsed: started.elapsed() })
}

/// Moves bytes one way for so long.
///
/// What is sent counts until the guest has taken it all, which it tells by closing. `buffer` bounds what waits on this side: a pause of
/// the guest is seen only when there is no room left.
///
/// # Errors
/// No connection, or a guest that moves nothing for long.
pub(crate) fn transfer(
    address: SocketAddr,
    way: Way,
    time: Duration,
    buffer: Option<usize>,
) -> Result<Transfer> {
    let mut stream = connect(address)?;
    setsockopt(&stream, sockopt::TcpCongestion, &CONGESTION.into())
        .or_cannot(|| format!("use {CONGESTION}"))?;
    if let Some(buffer) = buffer {
        setsockopt(&stream, sockopt::SndBuf, &buffer).or_cannot(|| "bound a send buffer".to_owned())?;
    }
    let mut chunk = vec![b'b'; CHUNK];
    let (mut bytes, mut pause, started) = (0, Duration::ZERO, Instant::now());
    let mut moved = started;
    while started.elapsed() < time {
        let outcome = match way {
            Way::In => stream.write(&chunk),
            Way::Out => stream.read(&mut chunk),
        };
        match outcome {
            Ok(0) => return Err(Error::failed(format!("{address} closed the connection early"))),
            Ok(length) => bytes += length as u64,
            Err(error) if error.kind() == ErrorKind::Interrupted => continue,
            Err(error) => return Err(error).or_cannot(|| format!("move bytes, {address}")),
        }
        pause = pause.max(moved.elapsed());
        moved = Instant::now();
    }
    if way == Way::In {
        let doing = || format!("see the end of what was sent to {address}");
        stream.shutdown(Shutdown::Write).or_cannot(doing)?;
        while stream.read(&mut chunk).or_cannot(doing)? > 0 {}
        pause = pause.max(moved.elapsed());
    }
    Ok(Transfer { bytes, elapsed: started.elapsed(), pause })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::TcpListener;
    use std::thread;

    #[test]
    fn datagrams_that_are_lost_are_repeated_and_counted() {
        let server = UdpSocket::bind("127.0.0.1:0").unwrap();
        let address = server.local_addr().unwrap();
        thread::spawn(move || {
            let mut datagram = [0; 64];
            // The first one is lost, all others are echoed: some come twice where this thread is late.
            server.recv(&mut datagram).unwrap();
            while let Ok((length, peer)) = server.recv_from(&mut datagram) {
                let _ = server.send_to(&datagram[..length], peer);
            }
        });
        let done = datagrams(address, 64, 1, Until::Count(3), Duration::from_millis(20)).unwrap();
        assert_eq!(done.answered, 3);
        assert!(done.repeated >= 1);
    }

    #[test]
    fn requests_are_counted_by_their_answers() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let echo = thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            std::io::copy(&mut stream.try_clone().unwrap(), &mut stream).unwrap();
        });
        let mut stream = connect(address).unwrap();
        assert_eq!(requests(&mut stream, 100, Until::Count(5)).unwrap().answered, 5);
        drop(stream);
        echo.join().unwrap();
    }

    #[test]
    fn what_was_sent_counts_until_the_guest_has_taken_it() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let sink = thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            std::io::copy(&mut stream, &mut std::io::sink()).unwrap()
        });
        let sent = transfer(address, Way::In, Duration::from_millis(20), None).unwrap();
        assert_eq!(sent.bytes, sink.join().unwrap());
    }

    #[test]
    fn a_source_that_ends_early_is_an_error() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let source = thread::spawn(move || drop(listener.accept().unwrap()));
        let error = transfer(address, Way::Out, Duration::from_secs(10), None).unwrap_err();
        assert!(error.to_string().ends_with("closed the connection early"), "{error}");
        source.join().unwrap();
    }
}
