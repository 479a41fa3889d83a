//! Controllers that stop talking, talk slowly, or never stop.

use super::super::card::Card;
use super::super::control::{Control, LEARN};
use super::super::plane::Plane;
use super::*;
use crate::settings::{OpenFlowSettings, Transport};
use crate::switch::Switch;
use crate::{Mac, Settings};
use core::cell::RefCell;
use core::net::SocketAddr;
use core::pin::pin;
use core::task::Waker;
use std::boxed::Box;
use std::collections::VecDeque;
use std::rc::Rc;
use std::vec;
use std::vec::Vec;
use unik::ports::Port;
use unik_testkit::VirtualClock;
use unik_virtio::Pool;

const HELLO: [u8; 8] = [4, 0, 0, 8, 0, 0, 0, 0];
const ECHO_REQUEST: [u8; 8] = [4, 2, 0, 8, 0, 0, 0, 9];
const ECHO_REPLY: [u8; 8] = [4, 3, 0, 8, 0, 0, 0, 9];

/// The controller's end of a connection.
#[derive(Default)]
struct Ends {
    said: VecDeque<u8>,
    is_finished: bool,
    heard: Vec<u8>,
    room: usize,
    is_aborted: bool,
}

struct Pipe(Rc<RefCell<Ends>>);

impl Stream for Pipe {
    fn poll_read(&mut self, space: &mut [u8], _: &mut Context<'_>) -> Poll<Result<usize, Trouble>> {
        let mut ends = self.0.borrow_mut();
        let count = ends.said.len().min(space.len());
        if count == 0 && !ends.is_finished {
            return Poll::Pending;
        }
        space.iter_mut().zip(ends.said.drain(..count)).for_each(|(place, octet)| *place = octet);
        Poll::Ready(Ok(count))
    }

    fn poll_write(&mut self, octets: &[u8], _: &mut Context<'_>) -> Poll<Result<usize, Trouble>> {
        let mut ends = self.0.borrow_mut();
        let count = ends.room.min(octets.len());
        if count == 0 {
            return Poll::Pending;
        }
        ends.heard.extend_from_slice(&octets[..count]);
        ends.room -= count;
        Poll::Ready(Ok(count))
    }

    fn abort(&mut self) {
        self.0.borrow_mut().is_aborted = true;
    }
}

/// A plane of two ports that does what it does without OpenFlow until a controller says otherwise, and a controller that calls.
struct Bench {
    clock: Rc<VirtualClock>,
    time: Time,
    cards: Vec<Card>,
    pool: Pool,
    plane: SharedPlane,
    ends: Rc<RefCell<Ends>>,
}

impl Bench {
    fn new() -> Bench {
        let clock = VirtualClock::new();
        let time = Time::new(clock.clone());
        let mut settings = Settings::try_new(2).expect("there is memory");
        settings.ports.iter_mut().for_each(|port| port.lldp = Some(false));
        let switch = Switch::try_new(&settings, &[Mac::default(); 2], 1).expect("there is memory");
        let pool = Pool::heap(64);
        let cards = vec![Card::new(&pool), Card::new(&pool)];
        cards.iter().for_each(|card| card.line().clock = Some(clock.clone()));
        let names = ["port1", "port2"];
        let known = names.into_iter().map(|name| (name, [2, 0, 0, 0, 0, 0]));
        let control = Control::try_new(&OpenFlowSettings::default(), 1, known, 1, time.now());
        let ports = cards.iter().zip(names).map(|(card, name)| Port { name, nic: Box::new(card.clone()) });
        let mut plane = Plane::new(Rc::new(RefCell::new(switch)), ports);
        plane.put_under(control.unwrap_or_else(|_| panic!("there is memory")));
        let ends = Ends { room: usize::MAX, ..Ends::default() };
        Bench {
            clock,
            time,
            cards,
            pool,
            plane: Rc::new(RefCell::new(plane)),
            ends: Rc::new(RefCell::new(ends)),
        }
    }

    fn talk(&self) -> impl Future<Output = ()> + use<> {
        let address = SocketAddr::from(([192, 0, 2, 1], 6653));
        let controller = Controller { transport: Transport::Tcp, address };
        let talk = Talk::begin(&self.plane, controller, false).expect("there is room");
        let (mut pipe, time) = (Pipe(self.ends.clone()), self.time.clone());
        async move { converse(&mut pipe, talk, time).await }
    }

    fn say(&self, octets: &[u8]) {
        self.ends.borrow_mut().said.extend(octets);
    }

    /// What the switch has said since this was last asked.
    fn hear(&self) -> Vec<u8> {
        core::mem::take(&mut self.ends.borrow_mut().heard)
    }

    /// Lets a card receive a frame to all.
    fn receive(&self, port: usize) {
        let mut frame = [0xff; 60];
        frame[6..14].copy_from_slice(&[2, 0, 0, 0, 0, port as u8, 0x88, 0xb5]);
        let mut buffer = self.pool.allocate().expect("there are enough");
        buffer.copy_from(&frame).expect("it fits");
        self.cards[port].line().received.push_back(buffer.into());
    }

    /// Lets time pass, and a conversation go on. True if it is over.
    fn pass<F: Future<Output = ()>>(&self, talk: Pin<&mut F>, duration: Duration) -> bool {
        self.clock.advance(duration);
        self.time.expire();
        talk.poll(&mut Context::from_waker(Waker::noop())).is_ready()
    }
}

const STILL: Duration = Duration::ZERO;
const SECOND: Duration = Duration::from_secs(1);

#[test]
fn who_says_that_nothing_more_comes_still_gets_all_answers() {
    let bench = Bench::new();
    let mut talk = pin!(bench.talk());
    bench.ends.borrow_mut().room = 0;
    bench.say(&HELLO);
    // More than may wait to be sent, so that some of it is not even read when the end comes.
    let count = 40_000;
    bench.say(&ECHO_REQUEST.repeat(count));
    bench.ends.borrow_mut().is_finished = true;
    for _ in 0..100 {
        assert!(!bench.pass(talk.as_mut(), STILL), "there are answers left");
    }
    assert!(bench.ends.borrow().said.len() > 1000, "the rest waits until there is room for answers");
    // It takes them slowly: each part in less time than anybody is waited for, all of them in more.
    let mut heard = Vec::new();
    while heard.len() < 16 + count * ECHO_REPLY.len() {
        bench.ends.borrow_mut().room = 50_000;
        for _ in 0..100 {
            if bench.pass(talk.as_mut(), Duration::from_millis(40)) {
                break;
            }
        }
        let more = bench.hear();
        assert!(!more.is_empty(), "after {} octets", heard.len());
        heard.extend(more);
    }
    assert!(heard[16..].chunks(8).all(|message| message == ECHO_REPLY));
    assert!(bench.plane.borrow_mut().command(|control, _| control.connect(false)).flatten().is_some());
    assert!(!bench.ends.borrow().is_aborted, "all has left");
}

#[test]
fn who_says_that_nothing_more_comes_hears_of_nothing_but_answers() {
    let bench = Bench::new();
    let mut talk = pin!(bench.talk());
    bench.say(&HELLO);
    // All frames go to the controller.
    let mut entry = LEARN[8..].to_vec();
    entry[68..72].copy_from_slice(&crate::pipeline::ports::CONTROLLER.to_be_bytes());
    entry[72..74].fill(0xff);
    bench.say(&entry);
    assert!(!bench.pass(talk.as_mut(), STILL));
    let send = || {
        bench.receive(0);
        bench.plane.borrow_mut().turn(bench.time.now());
    };
    send();
    assert!(!bench.pass(talk.as_mut(), STILL));
    assert_eq!(bench.hear().get(17), Some(&10), "PACKET_IN behind HELLO");
    bench.ends.borrow_mut().room = 0;
    bench.say(&ECHO_REQUEST);
    bench.ends.borrow_mut().is_finished = true;
    assert!(!bench.pass(talk.as_mut(), STILL));
    send();
    bench.ends.borrow_mut().room = usize::MAX;
    assert!(bench.pass(talk.as_mut(), STILL), "that was all");
    assert_eq!(bench.hear(), ECHO_REPLY);
}

#[test]
fn who_says_that_nothing_more_comes_and_takes_nothing_is_not_waited_for() {
    let bench = Bench::new();
    let mut talk = pin!(bench.talk());
    bench.ends.borrow_mut().room = 0;
    bench.say(&HELLO);
    bench.ends.borrow_mut().is_finished = true;
    assert!(!bench.pass(talk.as_mut(), STILL));
    assert!(!bench.pass(talk.as_mut(), SECOND * 4));
    assert!(bench.pass(talk.as_mut(), SECOND));
    assert!(bench.ends.borrow().is_aborted);
}

#[test]
fn a_hello_that_comes_octet_by_octet_is_answered() {
    let bench = Bench::new();
    let mut talk = pin!(bench.talk());
    for octet in HELLO {
        bench.say(&[octet]);
        assert!(!bench.pass(talk.as_mut(), SECOND / 2));
    }
    assert_eq!(bench.hear().get(..2), Some(&[4, 0][..]), "HELLO");
    // It has as long as anybody else from now on.
    assert!(!bench.pass(talk.as_mut(), SECOND * 4));
    bench.say(&ECHO_REQUEST);
    assert!(!bench.pass(talk.as_mut(), SECOND / 2));
    assert_eq!(bench.hear(), ECHO_REPLY);
}

#[test]
fn a_hello_has_five_seconds_however_it_comes() {
    let bench = Bench::new();
    let mut talk = pin!(bench.talk());
    assert!(!bench.pass(talk.as_mut(), STILL));
    for octet in HELLO.into_iter().take(4) {
        bench.say(&[octet]);
        assert!(!bench.pass(talk.as_mut(), SECOND));
    }
    bench.say(&HELLO[4..5]);
    assert!(bench.pass(talk.as_mut(), SECOND), "five seconds are over");
    assert!(bench.ends.borrow().is_aborted);
}

/// A PACKET_OUT of a frame that leaves by port 1.
fn packet_out() -> Vec<u8> {
    let mut message = vec![4, 13, 0, 100, 0, 0, 0, 9, 0xff, 0xff, 0xff, 0xff];
    message.extend(crate::pipeline::ports::CONTROLLER.to_be_bytes());
    message.extend([0, 16, 0, 0, 0, 0, 0, 0, 0, 0, 0, 16, 0, 0, 0, 1]);
    message.resize(100, 0);
    message
}

#[test]
fn a_flood_of_messages_has_a_millisecond_before_frames_have_their_turn() {
    let bench = Bench::new();
    let mut talk = pin!(bench.talk());
    bench.say(&HELLO);
    // Each message takes a fifth of that.
    let step = TURN / 5;
    bench.cards[0].line().pace = step;
    let message = packet_out();
    let in_part = (PART / message.len() + 1) as u32;
    for _ in 0..200 {
        while bench.ends.borrow().said.len() < 2 * PIECE * PIECES {
            bench.say(&message);
        }
        let start = bench.time.now();
        assert!(!bench.pass(talk.as_mut(), STILL));
        let took = bench.time.now().duration_since(start);
        // The time is looked at behind each part.
        assert!(took <= TURN + step * in_part, "{took:?}");
        assert!(bench.cards[0].sent().len() >= 5, "the controller has its turn");
        bench.receive(1);
        bench.plane.borrow_mut().turn(bench.time.now());
        assert_eq!(bench.cards[0].sent().len(), 1, "and then whoever sends frames");
    }
}
