//! The handle that applications resolve names with.

use alloc::rc::Rc;
use core::{
    cell::{Cell, RefCell},
    future::poll_fn,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    pin::{Pin, pin},
    task::Poll,
};

use embedded_io_async::{Read, Write};
use unik_sched::time::{Duration, Sleep};

use super::{
    Addresses, Answer, Attempts, Cache, Given, Kind, Name, NameError, PAYLOAD_LIMIT, PORT, QUESTION_LIMIT,
    Question, Refusal, SERVER_LIMIT, Settings,
};
use crate::{Error, Net, Random, TcpStream, stack::filled, text::parse_any};

/// Datagrams of the server looked at for one question: more are an attempt to drown the answer.
const DATAGRAM_LIMIT: usize = 16;
/// Bytes of an answer over TCP at most.
const STREAM_LIMIT: usize = 4096;
/// How long a connection for a question may take, from its first segment to the end of the answer.
const STREAM_PATIENCE: Duration = Duration::from_secs(5);
/// How long addresses of the one kind wait for those of the other. RFC 8305, 3, proposes 50 ms; a server that has to ask
/// others itself takes longer.
const LAG: Duration = Duration::from_millis(300);
/// How long an address may take to accept a connection where there is another one to try.
const CONNECT_PATIENCE: Duration = Duration::from_secs(3);

unik_sched::counters! {
    /// What a resolver has counted.
    pub struct ResolverCounters {
        /// Names asked for by the application.
        wanted,
        /// Questions answered by what was known already.
        known,
        /// Questions sent.
        asked,
        /// Questions sent over TCP, because their answer did not fit into a datagram.
        streamed,
        /// Answers taken, those that say that there is nothing included.
        answered,
        /// Datagrams that were no answer to the question.
        foreign,
        /// Answers not taken for another reason.
        refused,
        /// Questions without an answer in time.
        unanswered,
    }
}

/// Finds the addresses of hosts by their names, and remembers them for as long as the servers say. Clones share what they
/// know.
#[derive(Clone)]
pub struct Resolver(Rc<Shared>);

struct Shared {
    net: Net,
    settings: Settings,
    random: RefCell<Random>,
    cache: RefCell<Cache>,
    /// The place of the server that answered last.
    first: Cell<usize>,
    counters: Rc<ResolverCounters>,
}

impl Resolver {
    /// A resolver that asks through `net`; `random` makes its questions unpredictable.
    pub fn new(net: Net, settings: Settings, random: Random) -> Self {
        let (random, cache, first) = (RefCell::new(random), RefCell::new(Cache::new()), Cell::new(0));
        let counters = Rc::new(ResolverCounters::new());
        Self(Rc::new(Shared { net, settings, random, cache, first, counters }))
    }

    /// The addresses of a host, in the order in which to try them: at least one. An address as text is that address, and
    /// `localhost` is this host (RFC 6761, 6.3); for neither of them anybody is asked.
    ///
    /// # Errors
    /// Any [`NameError`].
    pub async fn resolve(&self, name: &str) -> Result<Addresses, NameError> {
        self.0.counters.wanted.increment();
        if let Some(address) = parse_any(name) {
            return Ok(address.into());
        }
        let given = Given::parse(name)?;
        if given.name.is_within("localhost") {
            let (newer, older) = (IpAddr::V6(Ipv6Addr::LOCALHOST), IpAddr::V4(Ipv4Addr::LOCALHOST));
            return Ok(Addresses::alternating(&[newer], &[older]));
        }
        let (settings, mut number, mut failure) = (&self.0.settings, 0, NameError::Unknown);
        while let Some(candidate) = given.candidate(settings.search(), settings.dots(), number) {
            number += 1;
            match self.addresses(&candidate).await {
                Err(NameError::Unknown) => {}
                Err(NameError::NoAddress) => failure = NameError::NoAddress,
                // Addresses; or a name further down the search, which is another one, would stand in for this one.
                decided => return decided,
            }
        }
        Err(failure)
    }

    /// Connects to a TCP listener on a host: to its addresses in turn, until one accepts.
    ///
    /// # Errors
    /// Any [`NameError`]; [`NameError::Network`] says why the last address did not accept.
    pub async fn connect(&self, name: &str, port: u16) -> Result<TcpStream, NameError> {
        let (net, addresses) = (&self.0.net, self.resolve(name).await?);
        let mut left = &*addresses;
        let mut failure = NameError::NoAddress;
        while let Some((address, others)) = left.split_first() {
            left = others;
            let patience = if others.is_empty() { Duration::MAX } else { CONNECT_PATIENCE };
            match net.time.timeout(patience, net.connect(SocketAddr::new(*address, port))).await {
                Ok(Ok(stream)) => return Ok(stream),
                Ok(Err(error)) => failure = error.into(),
                Err(_) => failure = Error::TimedOut.into(),
            }
        }
        Err(failure)
    }

    /// What the resolver has counted.
    pub fn counters(&self) -> Rc<ResolverCounters> {
        self.0.counters.clone()
    }

    /// The addresses of exactly this name, of both kinds where the network has both.
    async fn addresses(&self, name: &Name) -> Result<Addresses, NameError> {
        match self.versions() {
            (_, false) => return self.answer(name, Kind::Four).await,
            (false, true) => return self.answer(name, Kind::Six).await,
            (true, true) => {}
        }
        let (mut four, mut six) = (pin!(self.answer(name, Kind::Four)), pin!(self.answer(name, Kind::Six)));
        let (mut fours, mut sixes, mut lag) = (None, None, None::<Sleep>);
        poll_fn(|context| {
            for (answer, future) in
                [(&mut fours, four.as_mut() as Answering<'_, '_>), (&mut sixes, six.as_mut())]
            {
                if answer.is_none()
                    && let Poll::Ready(outcome) = future.poll(context)
                {
                    *answer = Some(outcome);
                }
            }
            let has_one = [&fours, &sixes].iter().any(|answer| matches!(answer, Some(Ok(_))));
            if fours.is_some() && sixes.is_some() {
                return Poll::Ready(());
            }
            if !has_one {
                return Poll::Pending;
            }
            let lag = lag.get_or_insert_with(|| self.0.net.time.sleep(LAG));
            Pin::new(lag).poll(context)
        })
        .await;
        match (fours, sixes) {
            (Some(Ok(fours)), Some(Ok(sixes))) => Ok(Addresses::alternating(&sixes, &fours)),
            (Some(Ok(addresses)), _) | (_, Some(Ok(addresses))) => Ok(addresses),
            // Where one of them was not answered, there may be an address all the same.
            (Some(Err(NameError::NoAddress | NameError::Unknown)), Some(Err(failure)))
            | (Some(Err(failure)), _) => Err(failure),
            (None, _) => Err(NameError::Unanswered),
        }
    }

    /// The addresses of one kind: what is known, or what a server says.
    async fn answer(&self, name: &Name, kind: Kind) -> Result<Addresses, NameError> {
        let Shared { net, cache, first, counters, .. } = &*self.0;
        if let Some(known) = cache.borrow().find(net.time.now(), name, kind) {
            counters.known.increment();
            return known;
        }
        let servers = self.servers();
        let count = servers.iter().flatten().count();
        let mut attempts = Attempts::new(count, first.get());
        let mut is_extended = true;
        loop {
            let (place, patience) = attempts.attempt()?;
            let Some(server) = servers.into_iter().flatten().nth(place) else { continue };
            let mut outcome = self.ask(name, kind, is_extended, server, patience).await?;
            if outcome == Err(Refusal::Plain) {
                is_extended = false;
                outcome = self.ask(name, kind, is_extended, server, patience).await?;
            }
            match outcome {
                Ok(answer) => {
                    counters.answered.increment();
                    first.set(place);
                    cache.borrow_mut().keep(net.time.now(), name, kind, &answer);
                    return answer.outcome;
                }
                Err(refusal) => {
                    let counter =
                        if refusal == Refusal::Silent { &counters.unanswered } else { &counters.refused };
                    counter.increment();
                    log::debug!("resolver: no answer of {server} is taken: {refusal}");
                    attempts.failed(refusal);
                }
            }
        }
    }

    /// Whom it asks: those that are set, or those that the network has learned of.
    pub fn servers(&self) -> [Option<SocketAddr>; SERVER_LIMIT] {
        let (set, mut index) = (self.0.settings.servers(), 0);
        [(); SERVER_LIMIT].map(|()| {
            let learned = || Some(SocketAddr::new(self.0.net.name_server_at(index)?, PORT));
            let server = if set.is_empty() { learned() } else { set.get(index).copied() };
            index += 1;
            server
        })
    }

    /// Whether the network has addresses of IPv4, and such of IPv6 as lead beyond the link.
    fn versions(&self) -> (bool, bool) {
        let (mut four, mut six, mut index) = (false, false, 0);
        while let Some((address, _)) = self.0.net.address_at(index) {
            match address {
                IpAddr::V4(_) => four = true,
                IpAddr::V6(address) => six |= !address.is_unicast_link_local(),
            }
            index += 1;
        }
        (four, six)
    }

    /// One question to one server, with a number and a port of its own, and the answer if that comes in time.
    async fn ask(
        &self,
        name: &Name,
        kind: Kind,
        is_extended: bool,
        server: SocketAddr,
        patience: Duration,
    ) -> Result<Result<Answer, Refusal>, Error> {
        let Shared { net, random, counters, .. } = &*self.0;
        let number = (random.borrow_mut())() as u16;
        let question = Question { number, name: *name, kind, is_extended };
        let mut message = [0; QUESTION_LIMIT];
        let length = question.write(&mut message);
        let mut socket = net.udp(0).await?;
        let mut datagram = filled(0, PAYLOAD_LIMIT).ok_or(Error::NoMemory)?;
        counters.asked.increment();
        let start = net.time.now();
        socket.send_to(message.get(..length).unwrap_or_default(), server).await?;
        let mut looked_at = 0;
        loop {
            let left = (start + patience).duration_since(net.time.now());
            let Ok(received) = net.time.timeout(left, socket.receive_from(&mut datagram)).await else {
                break;
            };
            let (length, sender) = received?;
            if sender != server {
                // Time bounds how many of these there are: strangers end no question.
                counters.foreign.increment();
                continue;
            }
            looked_at += 1;
            if looked_at > DATAGRAM_LIMIT {
                break;
            }
            match question.read(datagram.get(..length).unwrap_or_default()) {
                Err(Refusal::Foreign) => counters.foreign.increment(),
                Err(Refusal::Truncated) => {
                    counters.streamed.increment();
                    let answer =
                        net.time.timeout(STREAM_PATIENCE, self.ask_by_stream(&question, server)).await;
                    // Whatever went wrong with the connection: another server may do better.
                    return Ok(
                        answer.map_or(Err(Refusal::Silent), |read| read.unwrap_or(Err(Refusal::Silent)))
                    );
                }
                read => return Ok(read),
            }
        }
        Ok(Err(Refusal::Silent))
    }

    /// The same question over TCP, where each message stands behind its length (RFC 7766, 8).
    async fn ask_by_stream(
        &self,
        question: &Question,
        server: SocketAddr,
    ) -> Result<Result<Answer, Refusal>, Error> {
        let mut stream = self.0.net.connect(server).await?;
        let mut message = [0; QUESTION_LIMIT];
        let length = question.write(&mut message);
        stream.write_all(&(length as u16).to_be_bytes()).await?;
        stream.write_all(message.get(..length).unwrap_or_default()).await?;
        let mut length = [0; 2];
        read_exact(&mut stream, &mut length).await?;
        let length = usize::from(u16::from_be_bytes(length));
        if length > STREAM_LIMIT {
            return Ok(Err(Refusal::Malformed));
        }
        let mut message = filled(0, length).ok_or(Error::NoMemory)?;
        read_exact(&mut stream, &mut message).await?;
        Ok(question.read(&message).map_err(|refusal| match refusal {
            Refusal::Foreign | Refusal::Truncated => Refusal::Malformed,
            other => other,
        }))
    }
}

/// A question of one kind on its way.
type Answering<'a, 'b> = Pin<&'a mut (dyn Future<Output = Result<Addresses, NameError>> + 'b)>;

/// Fills `bytes` from the connection.
async fn read_exact(stream: &mut TcpStream, bytes: &mut [u8]) -> Result<(), Error> {
    stream.read_exact(bytes).await.map_err(|error| match error {
        embedded_io_async::ReadExactError::UnexpectedEof => Error::ConnectionReset,
        embedded_io_async::ReadExactError::Other(error) => error,
    })
}
