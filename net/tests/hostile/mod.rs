//! A stack and everything that may happen to it, as the bytes of an input say: for the tests and for the fuzz target.
//!
//! An input is one byte for the kind of stack, and steps: frames, the application's doings, and time (see
//! [`World::step`]). After each step the stack must be at rest within few turns, its tables within their limits, and what
//! it has sent in order; at the end everything is given back, and the stack still answers.

mod application;
mod card;
mod words;

use std::{
    cell::{Cell, RefCell},
    collections::BTreeMap,
    future::Future,
    net::Ipv4Addr,
    pin::{Pin, pin},
    rc::Rc,
    task::{Context, Poll, Waker},
};

use unik_net::{
    Answering, Config, Error, Limits, Net, NetCounters, Protocol, SocketInfo, SocketState, TcpListener,
    TcpStream, UdpSocket,
};
use unik_sched::{
    Executor,
    sync::Event,
    time::{Duration, Instant, Platform, Time},
};
use unik_virtio::Pool;

use card::{BUFFERS, Card, Line, STACK};
use words::{LEFT, PEER, RIGHT, TCP, UDP, arp, checksum, datagram, lease, packet, ping, repair, summed};

/// Steps of an input that are taken.
const STEPS: usize = 200;
/// Turns within which the stack is at rest after any step.
const TURNS: usize = 100;
/// Frames that any step makes the stack send, at most.
const FRAMES: usize = 100;
/// Deadlines after the last step before nothing is due any more.
const DEADLINES: usize = 2000;
/// Streams that the application keeps.
const STREAMS: usize = 4;

/// Limits so small that inputs reach them.
fn limits() -> Limits {
    Limits {
        budget: 4,
        connections: 6,
        half_open: 2,
        time_wait: 3,
        backlog: 2,
        tcp_receive: 2048,
        tcp_transmit: 2048,
        udp_datagrams: 4,
        udp_bytes: 4096,
        parked: 3,
        ..Limits::default()
    }
}

/// Takes the steps of an input. What the stack has counted.
pub(crate) fn conversation(input: &[u8]) -> Option<Rc<NetCounters>> {
    let (kind, script) = input.split_first()?;
    let mut world = World::new(kind & 1 != 0);
    let counters = world.net.counters();
    let mut script = Script(script);
    for _ in 0..STEPS {
        if world.step(&mut script).is_none() {
            break;
        }
        world.settle();
    }
    world.end();
    Some(counters)
}

/// The rest of an input.
struct Script<'a>(&'a [u8]);

impl<'a> Script<'a> {
    fn byte(&mut self) -> Option<u8> {
        let (first, rest) = self.0.split_first()?;
        self.0 = rest;
        Some(*first)
    }

    fn short(&mut self) -> Option<u16> {
        Some(u16::from_be_bytes([self.byte()?, self.byte()?]))
    }

    /// So many bytes, or those that are left.
    fn bytes(&mut self, length: usize) -> &'a [u8] {
        let (bytes, rest) = self.0.split_at(length.min(self.0.len()));
        self.0 = rest;
        bytes
    }
}

/// Time, which passes when an input says so.
struct Clock(Cell<Instant>);

impl Platform for Clock {
    fn now(&self) -> Instant {
        self.0.get()
    }

    fn idle(&self, _until: Option<Instant>) {}
}

type Connecting = Pin<Box<dyn Future<Output = Result<TcpStream, Error>>>>;

struct World {
    clock: Rc<Clock>,
    time: Time,
    executor: Executor,
    net: Net,
    has_lease: bool,
    line: Rc<RefCell<Line>>,
    pool: Pool,
    event: Event,
    udp: Option<UdpSocket>,
    answering: Option<Answering>,
    listener: Option<TcpListener>,
    streams: Vec<TcpStream>,
    connecting: Option<Connecting>,
    /// What the peers know of the connections, by the ports of the peer and of the stack: what they say next, and what
    /// they have heard.
    flows: BTreeMap<(u16, u16), (u32, u32)>,
    transaction: [u8; 4],
    /// The address whose hardware address was asked for last.
    asked: Ipv4Addr,
}

impl World {
    fn new(has_lease: bool) -> Self {
        let clock = Rc::new(Clock(Cell::new(Instant::ZERO)));
        let time = Time::new(clock.clone());
        let line = Rc::new(RefCell::new(Line { room: 1000, ..Line::default() }));
        let (pool, event) = (Pool::heap(BUFFERS), Event::new());
        let card = Card { pool: pool.clone(), line: line.clone(), event: event.clone() };
        let fixed = Config::fixed(LEFT, 24).and_then(|config| config.with_gateway(RIGHT));
        let config = if has_lease { Config::dhcp() } else { fixed.expect("a host in its network") };
        let mut number = 1_u64;
        let random = move || {
            number = number.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            number >> 16
        };
        let config = config.with_limits(limits());
        let (net, driver) = Net::new("net0", Box::new(card), config, time.clone(), Box::new(random));
        let executor = Executor::new(&time, 4);
        executor.spawner().spawn("net0", driver.run()).expect("there is room for a task");
        let mut world = World {
            clock,
            time,
            executor,
            net,
            has_lease,
            line,
            pool,
            event,
            udp: None,
            answering: None,
            listener: None,
            streams: Vec::new(),
            connecting: None,
            flows: BTreeMap::new(),
            transaction: [0; 4],
            asked: RIGHT,
        };
        world.say(arp(1, PEER, RIGHT, LEFT));
        for action in [0, 2] {
            world.act_on_datagrams(action, &mut Script(&[]));
        }
        world.act_on_connections(0, &mut Script(&[]));
        world.settle();
        world
    }

    /// Takes one step. `None` at the end of the input.
    fn step(&mut self, script: &mut Script<'_>) -> Option<()> {
        let own = self.net.address().map_or(LEFT, |(address, _)| address);
        match script.byte()? % 16 {
            kind @ 0..=3 => {
                let length = usize::from(script.short()? & 0x7ff);
                let mut frame = script.bytes(length).to_vec();
                if kind > 1 {
                    repair(&mut frame);
                }
                self.say(frame);
            }
            4..=6 => self.segment(own, script)?,
            7 => {
                let kind = script.byte()?;
                let hardware = if kind & 4 == 0 { PEER } else { [2, 0, 0, 0, 0, kind] };
                self.say(arp(kind % 4, hardware, self.asked, own));
            }
            8 => {
                let (kind, off, mask) = (script.byte()?, script.byte()?, script.byte()?);
                let [a, b, c, d] = self.transaction;
                let mask = u32::MAX.checked_shl(u32::from(mask % 40)).unwrap_or(0).to_be_bytes();
                let address =
                    if off & 2 == 0 { LEFT.octets() } else { [script.byte()?, 0, 0, script.byte()?] };
                let seconds = 1 << (off >> 3);
                let message = lease(kind, [a, b, c, d ^ off & 1], address, mask, seconds);
                let server = if off & 4 == 0 { RIGHT } else { Ipv4Addr::from([script.byte()?, 0, 0, 0]) };
                self.say(datagram((server, 67), (Ipv4Addr::BROADCAST, 68), &message));
            }
            9 => {
                let milliseconds = [1, 9, 90, 600, 1000, 3000, 11_000, 61_000, 3_600_000];
                let which = usize::from(script.byte()?) % milliseconds.len();
                self.pass(Duration::from_millis(milliseconds[which]));
            }
            10 => {
                let action = script.byte()?;
                self.act_on_connections(action, script);
            }
            11 => {
                let action = script.byte()?;
                self.act_on_datagrams(action, script);
            }
            12 => {
                self.line.borrow_mut().room = usize::from(script.byte()? % 8);
                self.event.set();
            }
            13 => {
                let port = [7, 9, 9, 10, 68][usize::from(script.byte()?) % 5];
                let length = usize::from(script.byte()?);
                let destination = if length % 7 == 1 { Ipv4Addr::BROADCAST } else { own };
                self.say(datagram((RIGHT, 4000), (destination, port), script.bytes(length)));
            }
            14 => self.say(ping(own, RIGHT, usize::from(script.byte()?) * 6)),
            _ => {
                let host = Ipv4Addr::new(10, 0, 0, script.byte()?);
                self.say(arp(1, PEER, host, own));
            }
        }
        Some(())
    }

    /// A segment of a peer that has listened, or almost.
    fn segment(&mut self, own: Ipv4Addr, script: &mut Script<'_>) -> Option<()> {
        let (which, flags) = (script.byte()?, script.byte()?);
        let (sequence, acknowledgement) = (script.byte()?.cast_signed(), script.byte()?.cast_signed());
        let (window, length) = (script.short()?, usize::from(script.byte()?) * 5);
        let outgoing = self.flows.keys().rfind(|(peer, _)| *peer == 80).copied();
        let ports = match outgoing {
            Some(ports) if which & 4 != 0 => ports,
            _ => (5000 + u16::from(which & 3 | which >> 4 & 4), 80),
        };
        let options = if which & 0x80 == 0 { &[] } else { script.bytes(usize::from(which >> 3 & 0xf) * 4) };
        let options = &options[..options.len() / 4 * 4];
        let (say, heard) = self.flows.get(&ports).copied().unwrap_or((1000, 0));
        let mut bytes = [ports.0, ports.1].map(u16::to_be_bytes).concat();
        bytes.extend(say.wrapping_add_signed(sequence.into()).to_be_bytes());
        bytes.extend(heard.wrapping_add_signed(acknowledgement.into()).to_be_bytes());
        bytes.extend([(5 + options.len() as u8 / 4).min(15) * 16, flags]);
        bytes.extend(window.to_be_bytes());
        bytes.extend([0; 4]);
        bytes.extend(options);
        bytes.resize(bytes.len() + length, 0x61);
        // The other one has to be asked for.
        let source = if which & 0xa0 == 0x20 { Ipv4Addr::new(10, 0, 0, 3) } else { RIGHT };
        self.say(packet(source, own, TCP, &bytes));
        Some(())
    }

    fn say(&mut self, frame: Vec<u8>) {
        self.line.borrow_mut().incoming.push_back(frame);
        self.event.set();
    }

    fn pass(&mut self, duration: Duration) {
        self.clock.0.set(self.time.now() + duration);
    }

    /// Lets the stack do what it has to, and looks at what it did.
    fn settle(&mut self) {
        if let Some(connecting) = &mut self.connecting
            && let Some(done) = once(connecting.as_mut())
        {
            self.connecting = None;
            if let Ok(stream) = done {
                self.keep(stream);
            }
        }
        let mut turns = 0;
        while self.executor.turn() {
            turns += 1;
            assert!(turns < TURNS, "the stack does not come to rest");
        }
        let sent: Vec<_> = self.line.borrow_mut().outgoing.drain(..).collect();
        assert!(sent.len() < FRAMES, "one step makes the stack send {} frames", sent.len());
        sent.iter().for_each(|frame| self.hear(frame));
        self.check_tables();
    }

    /// Whatever the stack says is in order, goes to one host, or is a question to all.
    fn hear(&mut self, frame: &[u8]) {
        assert!(frame.len() >= 42 && frame.len() <= 1514, "{} bytes", frame.len());
        assert_eq!(frame[6..12], STACK);
        if frame[12..14] == [8, 6] {
            self.asked = Ipv4Addr::new(frame[38], frame[39], frame[40], frame[41]);
            return;
        }
        if frame[12..14] == [0x86, 0xdd] {
            return hear_six(frame);
        }
        assert_eq!(frame[12..15], [8, 0, 0x45]);
        assert_eq!(usize::from(u16::from_be_bytes([frame[16], frame[17]])), frame.len() - 14);
        assert_eq!(checksum(&frame[14..34]), 0, "the header's checksum");
        let to = Ipv4Addr::new(frame[30], frame[31], frame[32], frame[33]);
        let asks_for_lease = self.has_lease && frame[34..38] == [0, 68, 0, 67];
        if asks_for_lease {
            self.transaction.copy_from_slice(&frame[46..50]);
        }
        assert!(self.has_lease || frame[26..30] == LEFT.octets());
        let is_for_one = frame[0] & 1 == 0 && !matches!(frame[30], 0 | 127 | 224..);
        assert!(is_for_one || asks_for_lease, "a packet to {to}");
        match frame[23] {
            UDP => assert!(frame[40..42] == [0; 2] || checksum(&summed(frame, 20)) == 0, "UDP's checksum"),
            TCP => assert_eq!(checksum(&summed(frame, 20)), 0, "TCP's checksum"),
            _ => assert_eq!(checksum(&frame[34..]), 0, "ICMP's checksum"),
        }
        if frame[23] == TCP {
            let short = |at: usize| u16::from_be_bytes([frame[at], frame[at + 1]]);
            let long = |at: usize| u32::from(short(at)) << 16 | u32::from(short(at + 2));
            let length = frame.len() - 34 - usize::from(frame[46] >> 4) * 4;
            let numbers = length as u32 + u32::from(frame[47] & 1) + u32::from(frame[47] >> 1 & 1);
            let say = if frame[47] & 0x10 == 0 { 1000 } else { long(42) };
            self.flows.insert((short(36), short(34)), (say, long(38).wrapping_add(numbers)));
        }
    }

    fn check_tables(&self) {
        let (limits, mut half_open, mut connections) = (limits(), 0, 0);
        self.net.sockets(0, &mut |_, socket| {
            half_open += usize::from(socket.state == SocketState::SynReceived);
            connections +=
                usize::from(socket.protocol == Protocol::Tcp && socket.state != SocketState::Listen);
            assert!(socket.receive_queue <= limits.udp_bytes && socket.send_queue <= limits.udp_bytes);
            true
        });
        // One more by a simultaneous open (RFC 9293, 3.5).
        assert!(half_open <= limits.half_open + 1, "{half_open} half open connections");
        assert!(connections <= limits.connections + limits.time_wait, "{connections} connections");
        assert!(self.pool.available() + 2 >= BUFFERS, "buffers are lost");
    }

    /// The application ends, nobody says anything any more, and in the end nothing is left.
    fn end(mut self) {
        self.line.borrow_mut().room = usize::MAX;
        self.event.set();
        (self.udp, self.answering, self.connecting) = (None, None, None);
        self.streams.clear();
        self.settle();
        self.wait();
        // Nobody has accepted what still came.
        let is_listener = |socket: &SocketInfo| socket.state == SocketState::Listen;
        self.net.sockets(0, &mut |_, socket| is_listener(socket) || panic!("{socket:?} is left"));
        self.listener = None;
        self.settle();
        self.net.sockets(0, &mut |_, socket| panic!("{socket:?} is left"));
        self.check_end();
    }

    /// Lets time pass until nothing is due, or for some minutes where DHCP asks for ever.
    fn wait(&mut self) {
        let quiet = self.time.now() + Duration::from_secs(300);
        for number in 0.. {
            let Some(due) = self.time.next_deadline() else { break };
            if self.has_lease && due > quiet {
                break;
            }
            assert!(number < DEADLINES, "something is due for ever");
            self.clock.0.set(due.max(self.time.now()));
            self.settle();
        }
    }

    fn check_end(mut self) {
        let counters = self.net.counters();
        assert_eq!(counters.udp_opened.get(), counters.udp_closed.get());
        assert!(counters.tcp_closed.get() >= counters.tcp_accepted.get());
        assert!(counters.tcp_closed.get() >= counters.tcp_connects.get());
        // A host of the network knows where this one is, and hears from it.
        let Some((own, 1..=24)) = self.net.address() else { return };
        let [a, b, c, d] = own.octets();
        let host = Ipv4Addr::new(a, b, c, if d == 7 { 8 } else { 7 });
        for frame in [arp(1, PEER, host, own), ping(own, host, 8)] {
            let before = counters.tx_frames.get();
            self.say(frame);
            self.settle();
            assert_eq!(counters.tx_frames.get(), before + 1, "{host} has no answer from {own}");
        }
    }
}

/// The outcome of what is done at once, or is given up.
fn once<F: Future>(future: F) -> Option<F::Output> {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(output) => Some(output),
        Poll::Pending => None,
    }
}

/// A packet of IPv6 that the stack says: it is in order, and goes to one host, or is a question to a group of the link.
fn hear_six(frame: &[u8]) {
    assert_eq!((frame[14], frame[15]), (0x60, 0));
    assert_eq!(usize::from(u16::from_be_bytes([frame[18], frame[19]])), frame.len() - 54);
    let is_neighborly = frame[20] == 58 && matches!(frame[54], 133..=136) && frame[21] == 255;
    let is_for_group = frame[38] == 0xff;
    assert_eq!(is_for_group, frame[0] & 1 != 0);
    assert!(!is_for_group || is_neighborly);
    assert!(frame[22..38] != [0; 16] || is_neighborly, "only what asks for its own address has none");
    let mut covered = frame[22..].to_vec();
    // A last odd byte is half of a number.
    covered.resize(covered.len().next_multiple_of(2), 0);
    covered.extend([0, 0, frame[18], frame[19], 0, 0, 0, frame[20]]);
    assert_eq!(checksum(&covered), 0, "the checksum");
}
