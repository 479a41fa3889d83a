//! Echo requests to other hosts, and what comes back (RFC 792; RFC 4443, 4.1 and 4.2).
//!
//! An answer is heard where one is waited for: it comes from whom was asked, and brings the number and the bytes of the
//! request back. All others stay outside the gate.

use alloc::{rc::Rc, vec::Vec};
use core::{
    cell::RefCell,
    future::poll_fn,
    net::IpAddr,
    task::{Context, Poll, Waker},
};

use unik_sched::time::{Duration, Instant};

use crate::{
    error::Error,
    glance::{ETHERNET, IPV6_HEAD},
    ip::address::Address,
    ip::icmp::{ECHO_REPLY, ECHO_REQUEST, HEADER, HOP_LIMIT, Header, ICMP, ICMPV6, ends, is_six, start},
    link::Link,
    net::Net,
    stack::register,
};

/// Requests that may wait for their answers at the same time.
const WAITING_LIMIT: usize = 16;

/// A request that waits.
struct Waiting {
    destination: Address,
    /// Both numbers of the message, which nobody else is to guess.
    number: u32,
    payload: Vec<u8>,
    answered: Option<Instant>,
    waker: Option<Waker>,
}

/// The requests of a stack that wait for their answers.
#[derive(Clone)]
pub(crate) struct Pings(Rc<RefCell<Vec<Waiting>>>);

impl Pings {
    /// None.
    pub(crate) fn new() -> Self {
        Self(Rc::new(RefCell::new(Vec::new())))
    }

    /// Takes the frame in hand for an answer that is waited for. False when it is none; it stays in hand in any case, unless
    /// its checksum is wrong.
    pub(crate) fn hear(&self, link: &mut Link) -> bool {
        let mut waiting = self.0.borrow_mut();
        let Some(waiting) = link.frame().and_then(|frame| awaited(frame, &mut waiting)) else { return false };
        if link.check() {
            waiting.answered = Some(link.now);
            waiting.waker.take().into_iter().for_each(Waker::wake);
        }
        true
    }
}

/// The request that a frame answers.
fn awaited<'a>(frame: &[u8], waiting: &'a mut [Waiting]) -> Option<&'a mut Waiting> {
    let (source, _) = ends(frame)?;
    let version = usize::from(is_six(frame));
    let (before, field) = if version == 1 { (IPV6_HEAD, 18) } else { (ETHERNET, 16) };
    let length = usize::from(u16::from_be_bytes(*frame.get(field..)?.first_chunk()?));
    let (head, payload) = frame.get(start(frame)..before + length)?.split_first_chunk::<HEADER>()?;
    let number = u32::from_be_bytes([head[4], head[5], head[6], head[7]]);
    let is_reply = head[..2] == [ECHO_REPLY[version], 0];
    let mut waiting = waiting.iter_mut().filter(|_| is_reply);
    waiting.find(|waiting| {
        waiting.destination == source && waiting.number == number && waiting.payload == payload
    })
}

/// A request that is forgotten when nobody waits for it any more.
struct Request {
    pings: Pings,
    number: u32,
}

impl Drop for Request {
    fn drop(&mut self) {
        self.pings.0.borrow_mut().retain(|waiting| waiting.number != self.number);
    }
}

impl Request {
    /// When the answer came.
    fn poll_answered(&self, context: &Context<'_>) -> Poll<Instant> {
        let mut waiting = self.pings.0.borrow_mut();
        let Some(waiting) = waiting.iter_mut().find(|waiting| waiting.number == self.number) else {
            return Poll::Pending;
        };
        waiting.waker = Some(context.waker().clone());
        waiting.answered.map_or(Poll::Pending, Poll::Ready)
    }
}

impl Net {
    /// Asks a host to send `payload` back and returns how long that took, or gives up after `patience`. It is sent once.
    ///
    /// # Errors
    /// [`Error::TimedOut`]; [`Error::InvalidAddress`] for none, groups and all hosts; [`Error::Unreachable`] without a route
    /// or an address of that version; [`Error::MessageTooLong`], [`Error::TooManySockets`], [`Error::NoMemory`].
    pub async fn ping(&self, host: IpAddr, payload: &[u8], patience: Duration) -> Result<Duration, Error> {
        let destination = Address::from(host);
        let is_one = !(host.is_unspecified() || host.is_multicast() || host.is_loopback());
        if !is_one
            || self.stack.borrow().link.host.is_broadcast(&destination)
            || destination == Address::v4([255; 4])
        {
            return Err(Error::InvalidAddress);
        }
        let request = self.request(destination, payload)?;
        let exchange = async {
            let sent = poll_fn(|context| self.poll_ask(context, &request, destination, payload)).await?;
            let answered = poll_fn(|context| {
                self.time.waiting("echo");
                request.poll_answered(context)
            })
            .await;
            Ok(answered.duration_since(sent))
        };
        self.time.timeout(patience, exchange).await.unwrap_or(Err(Error::TimedOut))
    }

    /// Takes note of a request.
    fn request(&self, destination: Address, payload: &[u8]) -> Result<Request, Error> {
        let stack = &mut *self.stack.borrow_mut();
        // No longer than a datagram, whose header is as long.
        if payload.len() > stack.datagram_limit(!destination.is_v4()) {
            return Err(Error::MessageTooLong);
        }
        let number = (stack.random)() as u32;
        let pings = stack.pings.clone();
        let mut copy = Vec::new();
        copy.try_reserve_exact(payload.len()).map_err(|_| Error::NoMemory)?;
        copy.extend_from_slice(payload);
        let mut waiting = pings.0.borrow_mut();
        if waiting.len() >= WAITING_LIMIT || waiting.iter().any(|waiting| waiting.number == number) {
            return Err(Error::TooManySockets);
        }
        waiting.try_reserve(1).map_err(|_| Error::NoMemory)?;
        waiting.push(Waiting { destination, number, payload: copy, answered: None, waker: None });
        drop(waiting);
        Ok(Request { pings, number })
    }

    /// Sends a request, or waits for the card to have room; and when that was.
    fn poll_ask(
        &self,
        context: &Context<'_>,
        request: &Request,
        destination: Address,
        payload: &[u8],
    ) -> Poll<Result<Instant, Error>> {
        let stack = &mut *self.stack.borrow_mut();
        let now = self.time.now();
        stack.link.now = now;
        let Some(source) = stack.link.host.source(&destination) else {
            return Poll::Ready(Err(Error::Unreachable));
        };
        stack.request();
        if !stack.link.reserve() {
            register(&mut stack.udp.senders, context.waker());
            self.time.waiting("echo");
            return Poll::Pending;
        }
        let (protocol, version) = if destination.is_v4() { (ICMP, 0) } else { (ICMPV6, 1) };
        let header = Header { source, destination, protocol, hop_limit: HOP_LIMIT };
        let [a, b, c, d] = request.number.to_be_bytes();
        stack.link.emit(&header, &[ECHO_REQUEST[version], 0, 0, 0, a, b, c, d], payload, None);
        Poll::Ready(Ok(now))
    }
}
