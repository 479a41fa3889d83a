//! A stack whose memory runs out: what a stranger sends costs the stranger an answer, and nobody else anything.
//!
//! Every allocation that a frame causes fails once, one after the other; after each the service goes on.

#![expect(clippy::unwrap_used, reason = "a test that fails may panic, in its helpers as well")]

#[path = "net/frames.rs"]
#[expect(dead_code, reason = "frames for all tests; some are not needed here")]
mod frames;

use std::{
    cell::{Cell, RefCell},
    collections::VecDeque,
    net::Ipv4Addr,
    pin::pin,
    rc::Rc,
    task::{Context, Poll, Waker},
};

use embedded_io_async::{Read, Write};
use frames::{BROADCAST, PEER, Segment, arp, read_tcp, read_udp, tcp, udp};
use smoltcp::wire::{ArpOperation, TcpControl};
use unik_net::{Config, Error, Frame, Net, Nic, UdpSocket, wire::numbers};
use unik_sched::{
    Executor, Spawner,
    counter::CounterSet,
    sync::{Event, Latch},
    time::{Duration, Time},
};
use unik_testkit::{Scarce, Scarcity, VirtualClock};
use unik_virtio::{Buffer, Pool};

#[global_allocator]
static HEAP: Scarce = Scarce;

const HOST: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 1);
const STRANGER: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 2);
const UNKNOWN: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 3);

/// Turns that any of these conversations takes at most.
const TURNS: usize = 32;

unik_sched::counters! {
    /// What the card counts.
    struct CardCounters {}
}

/// Frames on their way, in memory that is set aside.
type Frames = Rc<RefCell<VecDeque<Buffer>>>;

/// A card that allocates nothing: it is not what is tested.
struct Card {
    pool: Pool,
    incoming: Frames,
    outgoing: Frames,
    event: Event,
}

impl Card {
    fn new() -> Self {
        Self { pool: Pool::heap(64), incoming: frames(), outgoing: frames(), event: Event::new() }
    }
}

impl Nic for Card {
    fn hardware_address(&self) -> [u8; 6] {
        [2, 0, 0, 0, 0, 1]
    }

    fn mtu(&self) -> usize {
        1500
    }

    fn receive(&mut self) -> Option<Frame> {
        self.incoming.borrow_mut().pop_front().map(Frame::from)
    }

    fn allocate(&mut self, _length: usize) -> Option<Buffer> {
        self.pool.allocate()
    }

    fn transmit(&mut self, frame: Frame) -> Result<(), Frame> {
        self.outgoing.borrow_mut().push_back(frame.buffer);
        Ok(())
    }

    fn flush(&mut self) {}

    fn arm(&mut self) -> bool {
        !self.incoming.borrow().is_empty()
    }

    fn disarm(&mut self) {}

    fn event(&self) -> Event {
        self.event.clone()
    }

    fn counters(&self) -> Rc<dyn CounterSet> {
        Rc::new(CardCounters::new())
    }
}

/// A host that echoes bytes on TCP port 80 and datagrams on UDP port 7.
struct Host {
    executor: Executor,
    clock: Rc<VirtualClock>,
    net: Net,
    pool: Pool,
    incoming: Frames,
    outgoing: Frames,
    event: Event,
}

impl Host {
    fn new() -> Self {
        Self::serving(|net, _| async move {
            let mut listener = net.listen(80).await.unwrap();
            loop {
                let (mut stream, _) = listener.accept().await.unwrap();
                let mut bytes = [0; 64];
                while let Ok(length @ 1..) = stream.read(&mut bytes).await {
                    stream.write_all(&bytes[..length]).await.unwrap();
                }
            }
        })
    }

    fn serving<F: Future<Output = ()> + 'static>(tcp: impl FnOnce(Net, Spawner) -> F) -> Self {
        let clock = VirtualClock::new();
        let time = Time::new(clock.clone());
        let executor = Executor::new(&time, 64);
        let card = Card::new();
        let (incoming, outgoing, event) = (card.incoming.clone(), card.outgoing.clone(), card.event.clone());
        let config = Config::fixed(HOST, 24).unwrap();
        let (net, driver) = Net::new("net0", Box::new(card), config, time, numbers(1));
        let spawner = executor.spawner();
        spawner.spawn("net0", driver.run()).unwrap();
        spawner.spawn("tcp", tcp(net.clone(), spawner.clone())).unwrap();
        let udp = net.clone();
        let echo = async move {
            let (mut socket, mut bytes) = (udp.udp(7).await.unwrap(), [0; 64]);
            loop {
                let (length, peer) = socket.receive_from(&mut bytes).await.unwrap();
                socket.send_to(&bytes[..length], peer).await.unwrap();
            }
        };
        spawner.spawn("udp", echo).unwrap();
        let mut host = Host { executor, clock, net, pool: Pool::heap(64), incoming, outgoing, event };
        host.turn();
        let hello = arp(ArpOperation::Request, (STRANGER, PEER), (HOST, [0; 6]), BROADCAST);
        host.hear(&hello, None);
        host.heard();
        host
    }

    /// Takes turns until nothing is ready. A task that finds no memory for its timer asks again in each.
    fn turn(&mut self) {
        for _ in 0..TURNS {
            if !self.executor.turn() {
                return;
            }
        }
    }

    /// Puts a frame into the card.
    fn receive(&mut self, frame: &[u8]) {
        let mut buffer = self.pool.allocate().unwrap();
        buffer.copy_from(frame).unwrap();
        self.incoming.borrow_mut().push_back(buffer);
        self.event.set();
    }

    /// Receives a frame while memory is scarce, or not, and handles it; how many allocations failed.
    fn hear(&mut self, frame: &[u8], scarcity: Option<Scarcity>) -> usize {
        self.receive(frame);
        match scarcity {
            Some(scarcity) => scarcity.during(|| self.turn()).1,
            None => {
                self.turn();
                0
            }
        }
    }

    /// What was sent since.
    fn heard(&mut self) -> Vec<Vec<u8>> {
        self.outgoing.borrow_mut().drain(..).map(|frame| frame.to_vec()).collect()
    }

    /// The TCP segments that were sent since.
    fn segments(&mut self) -> Vec<Segment> {
        self.heard().iter().filter_map(|frame| read_tcp(frame)).collect()
    }

    /// A client at `port` asks and is answered; then it resets the connection.
    #[track_caller]
    fn serves_tcp(&mut self, port: u16) {
        let [from, to] = [(STRANGER, port), (HOST, 80)];
        self.hear(&tcp(from, to, TcpControl::Syn, 100, None), None);
        let synchronised = self.segments();
        let [answer] = &synchronised[..] else { panic!("{synchronised:?}") };
        assert!(answer.syn && !answer.rst, "{answer:?}");
        let behind = answer.sequence.wrapping_add(1);
        self.hear(&tcp(from, to, TcpControl::None, 101, Some(behind)), None);
        // A push without data would be nothing: a FIN is what the echo notices.
        self.hear(&tcp(from, to, TcpControl::Fin, 101, Some(behind)), None);
        let ended = self.segments();
        assert!(ended.iter().any(|segment| segment.fin), "the echo ends its half too: {ended:?}");
        self.hear(&tcp(from, to, TcpControl::Rst, 102, Some(behind)), None);
        self.heard();
    }

    /// A neighbour asks by datagram and is answered.
    #[track_caller]
    fn serves_udp(&mut self) {
        self.hear(&udp((STRANGER, 4000), (HOST, 7), b"again"), None);
        let answers: Vec<_> = self.heard().iter().filter_map(|frame| read_udp(frame)).collect();
        assert_eq!(answers, [(7, 4000, b"again".to_vec())]);
    }
}

fn frames() -> Frames {
    Rc::new(RefCell::new(VecDeque::with_capacity(64)))
}

/// Lets each allocation fail that `act` causes in a new host: alone, and with all that follow. `act` returns the number
/// of those that failed. Afterwards the host serves.
#[track_caller]
fn each_allocation_may_fail(at_least: usize, act: impl Fn(&mut Host, Scarcity) -> usize) {
    for kind in [Scarcity::Nth, Scarcity::From] {
        for number in 0.. {
            let mut host = Host::new();
            let failed = act(&mut host, kind(number));
            host.heard();
            host.serves_udp();
            host.serves_tcp(5000);
            if failed == 0 {
                assert!(number >= at_least, "{number} allocations are fewer than there should be");
                break;
            }
        }
    }
}

#[test]
fn a_connection_that_finds_no_memory_is_refused_and_counted() {
    each_allocation_may_fail(3, |host, scarcity| {
        let syn = tcp((STRANGER, 4000), (HOST, 80), TcpControl::Syn, 100, None);
        let failed = host.hear(&syn, Some(scarcity));
        let segments = host.segments();
        let [answer] = &segments[..] else { panic!("{segments:?}") };
        let refused = host.net.counters().tcp_no_memory.get();
        assert_eq!(u64::from(answer.rst), refused, "refused at once, not left waiting: {answer:?}");
        assert!(refused == 0 || failed > 0);
        let reset = tcp((STRANGER, 4000), (HOST, 80), TcpControl::Rst, 101, None);
        host.hear(&reset, None);
        failed
    });
}

#[test]
fn a_connection_is_accepted_read_and_ended_without_memory() {
    let mut host = Host::new();
    let [from, to] = [(STRANGER, 4000), (HOST, 80)];
    host.hear(&tcp(from, to, TcpControl::Syn, 100, None), None);
    let behind = host.segments()[0].sequence.wrapping_add(1);
    for (control, sequence) in
        [(TcpControl::None, 101), (TcpControl::Fin, 101), (TcpControl::None, 102), (TcpControl::Rst, 102)]
    {
        let failed = host.hear(&tcp(from, to, control, sequence, Some(behind)), Some(Scarcity::From(0)));
        assert_eq!(failed, 0, "{control:?} costs memory");
    }
    assert_eq!(host.net.counters().tcp_accepted.get(), 1);
    host.heard();
    host.serves_tcp(5000);
}

#[test]
fn a_datagram_of_a_neighbour_is_answered_without_memory() {
    let mut host = Host::new();
    let failed = host.hear(&udp((STRANGER, 4000), (HOST, 7), b"now"), Some(Scarcity::From(0)));
    assert_eq!(failed, 0);
    let answers: Vec<_> = host.heard().iter().filter_map(|frame| read_udp(frame)).collect();
    assert_eq!(answers, [(7, 4000, b"now".to_vec())]);
}

#[test]
fn an_answer_that_cannot_be_kept_for_an_unknown_neighbour_is_dropped_and_counted() {
    each_allocation_may_fail(2, |host, scarcity| {
        let failed = host.hear(&udp((UNKNOWN, 4000), (HOST, 7), b"who"), Some(scarcity));
        let counters = host.net.counters();
        let parked = (counters.tx_parked.get(), counters.tx_no_neighbor.get());
        assert!(parked == (1, 0) || (parked == (0, 1) && failed > 0), "{parked:?}");
        failed
    });
}

#[test]
fn two_answers_to_an_unknown_neighbour_and_a_retry_of_them_cost_no_more_than_the_answers() {
    each_allocation_may_fail(2, |host, scarcity| {
        let questions = [b"one", b"two"].map(|payload| udp((UNKNOWN, 4000), (HOST, 7), payload));
        let (sent, failed) = scarcity.during(|| {
            for question in &questions {
                host.receive(question);
                host.turn();
            }
            host.clock.advance(Duration::from_secs(1));
            host.turn();
            host.net.counters().tx_frames.get()
        });
        assert!(sent > 0, "the neighbour is asked for");
        let counters = host.net.counters();
        let (parked, dropped) = (counters.tx_parked.get(), counters.tx_no_neighbor.get());
        assert_eq!(parked + dropped, 2);
        assert!(dropped == 0 || failed > 0);
        failed
    });
}

/// Opens a socket on a free port, which waits for nothing.
fn open(net: &Net) -> Result<UdpSocket, Error> {
    match pin!(net.udp(0)).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(opened) => opened,
        Poll::Pending => panic!("nothing is to be waited for"),
    }
}

/// Opens sockets of a new stack while memory is scarce; how many allocations failed. One that fails refuses one socket.
#[track_caller]
fn opens(sockets: usize, scarcity: Scarcity) -> usize {
    let (time, config) = (Time::new(VirtualClock::new()), Config::fixed(HOST, 24).unwrap());
    let (net, _driver) = Net::new("net0", Box::new(Card::new()), config, time, numbers(1));
    let mut opened = Vec::with_capacity(sockets);
    let (refused, failed) = scarcity.during(|| {
        while opened.len() < sockets {
            match open(&net) {
                Ok(socket) => opened.push(socket),
                Err(error) => return Some(error),
            }
        }
        None
    });
    assert_eq!(refused, (failed > 0).then_some(Error::NoMemory));
    assert_eq!(net.counters().udp_no_memory.get(), failed as u64);
    assert!(open(&net).is_ok(), "with memory there is a socket");
    failed
}

#[test]
fn a_socket_that_finds_no_memory_is_refused_and_counted() {
    for kind in [Scarcity::Nth, Scarcity::From] {
        let fewest = (0..).find(|number| opens(3, kind(*number)) == 0).unwrap();
        assert_eq!(fewest, 7, "each of three takes two buffers, and the first the table of ports");
    }
}

#[test]
fn sockets_that_outgrow_their_set_are_refused_where_memory_ends() {
    let needed = (0..).step_by(5000).find(|left| opens(100, Scarcity::Bytes(*left)) == 0).unwrap();
    assert!(needed > 1_600_000, "a hundred queues are larger than {needed} bytes");
}

#[test]
fn a_task_for_each_connection_is_refused_where_its_memory_lacks() {
    let mut refused = 0;
    for left in (0..120_000).step_by(40) {
        let mut host = Host::serving(|net, spawner| async move {
            let mut listener = net.listen(80).await.unwrap();
            loop {
                let (mut stream, _) = listener.accept().await.unwrap();
                // Refused, the stream is dropped with its task: that ends the connection.
                let _ = spawner.spawn("client", async move {
                    let mut bytes = [0; 3000];
                    while let Ok(1..) = stream.read(&mut bytes).await {}
                });
            }
        });
        let [from, to] = [(STRANGER, 4000), (HOST, 80)];
        host.hear(&tcp(from, to, TcpControl::Syn, 100, None), None);
        let behind = host.segments()[0].sequence.wrapping_add(1);
        let acknowledgement = tcp(from, to, TcpControl::None, 101, Some(behind));
        let failed = host.hear(&acknowledgement, Some(Scarcity::Bytes(left)));
        let count = |name: &str| {
            let mut found = 0;
            host.executor.counters().visit(&mut |its, value| found += if its == name { value } else { 0 });
            found
        };
        assert_eq!(count("tasks_refused"), u64::from(failed > 0), "with {left} bytes");
        host.heard();
        host.serves_tcp(5000);
        if failed == 0 {
            break;
        }
        refused += 1;
    }
    assert!((70..3000).contains(&refused), "a task of 3000 bytes was refused {refused} times");
}

#[test]
fn who_waits_without_memory_for_a_place_asks_again_and_is_woken_later() {
    for kind in [Scarcity::Nth, Scarcity::From] {
        for number in 0.. {
            let clock = VirtualClock::new();
            let time = Time::new(clock.clone());
            let mut executor = Executor::new(&time, 8);
            let (event, latch, done) = (Event::new(), Rc::new(Latch::new()), Rc::new(Cell::new(0)));
            for wait in 0..3 {
                let (event, latch, time, done) = (event.clone(), latch.clone(), time.clone(), done.clone());
                let task = async move {
                    match wait {
                        0 => event.wait().await,
                        1 => latch.wait().await,
                        _ => time.sleep(Duration::from_secs(1)).await,
                    }
                    done.set(done.get() + 1);
                };
                executor.spawner().spawn("waits", task).unwrap();
            }
            let mut turns = || (0..TURNS).all(|_| executor.turn());
            let (asks_again, failed) = kind(number).during(&mut turns);
            assert!(!asks_again || failed > 0);
            assert_eq!(done.get(), 0);
            assert!(!turns(), "with memory they wait");
            event.set();
            latch.set();
            clock.advance(Duration::from_secs(1));
            turns();
            assert_eq!(done.get(), 3, "after allocation {number} failed");
            if failed == 0 {
                assert!(number >= 3, "each wait takes a place");
                break;
            }
        }
    }
}
