//! A client of HTTP/1.1 that reads whole responses, and as many as were asked for.

use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4, TcpStream};
use std::os::fd::AsRawFd as _;
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::time::{Duration, Instant};

use nix::sys::socket::{self, AddressFamily, SockFlag, SockType, SockaddrIn, setsockopt, sockopt};
use nix::sys::time::{TimeVal, TimeValLike as _};

use super::PATIENCE;
use crate::error::{Context, Error, Result};

/// What is asked for a page, as a simple client does.
pub(super) const GET: &[u8] = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n";

/// Octets of the longest head of a response, and of its longest contents.
const HEAD: usize = 64 * 1024;
const CONTENTS: usize = 64 * 1024 * 1024;
/// How long one of several connections for a first answer may take. What is lost is said again after a second, by which time others
/// have been asked.
const ATTEMPT: Duration = Duration::from_millis(950);

/// A connection to a server.
#[derive(Debug)]
pub(super) struct Client {
    stream: TcpStream,
    ahead: Vec<u8>,
}

/// A response.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Response {
    pub(super) code: u16,
    pub(super) head: String,
    pub(super) contents: Vec<u8>,
}

impl Client {
    /// Connects, and waits for nothing longer than `patience`.
    pub(super) fn connect(address: SocketAddr, patience: Duration) -> Result<Client> {
        let doing = || format!("connect to {address}");
        Client::over(TcpStream::connect_timeout(&address, patience).or_cannot(doing)?, patience)
    }

    /// The same from an address of this computer's that is chosen.
    pub(super) fn connect_from(own: Ipv4Addr, address: SocketAddrV4, patience: Duration) -> Result<Client> {
        let doing = || format!("connect from {own} to {address}");
        let made = socket::socket(AddressFamily::Inet, SockType::Stream, SockFlag::SOCK_CLOEXEC, None);
        let made = made.or_cannot(doing)?;
        let micros = i64::try_from(patience.as_micros()).unwrap_or(i64::MAX);
        setsockopt(&made, sockopt::SendTimeout, &TimeVal::microseconds(micros)).or_cannot(doing)?;
        let of = |address| SockaddrIn::from(address);
        socket::bind(made.as_raw_fd(), &of(SocketAddrV4::new(own, 0))).or_cannot(doing)?;
        socket::connect(made.as_raw_fd(), &of(address)).or_cannot(doing)?;
        Client::over(TcpStream::from(made), patience)
    }

    fn over(stream: TcpStream, patience: Duration) -> Result<Client> {
        let doing = || "set up a connection".to_owned();
        stream.set_nodelay(true).or_cannot(doing)?;
        stream.set_read_timeout(Some(patience)).or_cannot(doing)?;
        stream.set_write_timeout(Some(patience)).or_cannot(doing)?;
        Ok(Client { stream, ahead: Vec::new() })
    }

    /// Sends octets.
    pub(super) fn send(&mut self, octets: &[u8]) -> Result<()> {
        self.stream.write_all(octets).or_cannot(|| "send a request".to_owned())
    }

    /// Sends a request, and receives the response to it.
    pub(super) fn ask(&mut self, request: &[u8]) -> Result<Response> {
        self.send(request)?;
        self.receive(request.starts_with(b"HEAD "))
    }

    /// Receives the next response, which has no contents where a head was asked for.
    pub(super) fn receive(&mut self, is_head: bool) -> Result<Response> {
        let end = loop {
            if let Some(end) = self.ahead.windows(4).position(|window| window == b"\r\n\r\n") {
                break end + 4;
            }
            if self.ahead.len() > HEAD {
                return Err(Error::failed("the head of a response has no end"));
            }
            self.more()?;
        };
        let head: Vec<u8> = self.ahead.drain(..end).collect();
        let head = String::from_utf8_lossy(&head).into_owned();
        let code = head.strip_prefix("HTTP/1.1 ").and_then(|rest| rest.get(..3)?.parse().ok());
        let code = code.ok_or_else(|| Error::failed(format!("a response that is none: {head:?}")))?;
        let length = match code {
            100..200 | 204 | 304 => 0,
            _ if is_head => 0,
            _ => field(&head, "content-length")
                .and_then(|length| length.parse().ok())
                .filter(|length| *length <= CONTENTS)
                .ok_or_else(|| Error::failed(format!("a response without its length: {head:?}")))?,
        };
        while self.ahead.len() < length {
            self.more()?;
        }
        Ok(Response { code, head, contents: self.ahead.drain(..length).collect() })
    }

    fn more(&mut self) -> Result<()> {
        let mut piece = [0; 64 * 1024];
        let length = self.stream.read(&mut piece).or_cannot(|| "receive a response".to_owned())?;
        if length == 0 {
            return Err(Error::failed("the server closed before its response was whole"));
        }
        self.ahead.extend_from_slice(piece.get(..length).unwrap_or_default());
        Ok(())
    }
}

impl Response {
    /// The value of a field, by its name in small letters.
    pub(super) fn field(&self, name: &str) -> Option<&str> {
        field(&self.head, name)
    }
}

fn field<'h>(head: &'h str, name: &str) -> Option<&'h str> {
    let mut fields = head.lines().skip(1).filter_map(|line| line.split_once(':'));
    fields.find(|(other, _)| other.eq_ignore_ascii_case(name)).map(|(_, value)| value.trim())
}

/// Asks for a page, over one more connection after each `repeat`, until one of them is answered with 200.
pub(super) fn first_answer(address: SocketAddr, repeat: Duration) -> Result<()> {
    let (sender, answers) = channel();
    let deadline = Instant::now() + PATIENCE;
    while Instant::now() < deadline {
        let sender = sender.clone();
        std::thread::spawn(move || {
            let response = Client::connect(address, ATTEMPT).and_then(|mut client| client.ask(GET));
            if response.is_ok_and(|response| response.code == 200) {
                // Another one was faster, perhaps.
                let _ = sender.send(());
            }
        });
        match answers.recv_timeout(repeat) {
            Ok(()) => return Ok(()),
            Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => {}
        }
    }
    Err(Error::failed(format!("no answer from {address} within {PATIENCE:?}")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::TcpListener;
    use std::thread;

    /// A server that says this to one client, whatever it is asked.
    fn says(text: &'static str) -> SocketAddr {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let _ = stream.read(&mut [0; 1000]);
            stream.write_all(text.as_bytes()).unwrap();
        });
        address
    }

    #[test]
    fn responses_are_read_one_after_the_other() {
        let two = says(
            "HTTP/1.1 200 OK\r\ncontent-LENGTH: 3\r\n\r\nabcHTTP/1.1 304 Not Modified\r\nETag: \"a\"\r\n\r\n",
        );
        let mut client = Client::connect(two, PATIENCE).unwrap();
        let response = client.ask(GET).unwrap();
        assert_eq!((response.code, &response.contents[..]), (200, &b"abc"[..]));
        let response = client.receive(false).unwrap();
        assert_eq!((response.code, response.field("etag")), (304, Some("\"a\"")));
        assert!(client.receive(false).is_err(), "there is no third");
    }

    #[test]
    fn the_response_to_head_has_no_contents() {
        let mut client =
            Client::connect(says("HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\n"), PATIENCE).unwrap();
        assert_eq!(client.ask(b"HEAD / HTTP/1.1\r\nHost: a\r\n\r\n").unwrap().contents, b"");
    }

    #[test]
    fn what_is_no_response_or_ends_early_is_an_error() {
        for text in [
            "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nab",
            "HTTP/1.1 200 OK\r\n\r\n",
            "SSH-2.0\r\n\r\n",
            "",
        ] {
            assert!(Client::connect(says(text), PATIENCE).unwrap().ask(GET).is_err(), "{text}");
        }
    }

    #[test]
    fn a_client_chooses_its_own_address() {
        let SocketAddr::V4(address) = says("HTTP/1.1 204 No Content\r\n\r\n") else { unreachable!() };
        let mut client = Client::connect_from(Ipv4Addr::new(127, 0, 0, 9), address, PATIENCE).unwrap();
        assert_eq!(client.ask(GET).unwrap().code, 204);
        assert_eq!(client.stream.local_addr().unwrap().ip(), Ipv4Addr::new(127, 0, 0, 9));
    }
}
