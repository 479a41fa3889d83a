//! The driver of virtio-net against a modelled device, alone and under a stack.

use std::{cell::RefCell, rc::Rc};

use smoltcp::wire::{ArpOperation, IpProtocol};
use unik_net::{Error, Net, Nic, VirtioNet};
use unik_sched::{Executor, sync::Event, time::Time};
use unik_testkit::{Chain, DeviceModel, FakeTransport, HostHal, Setup, VirtualClock};
use unik_virtio::Pool;

use crate::{
    frames::{BROADCAST, PEER, STACK, arp, ping, read_ipv4},
    world::{LEFT, RIGHT, fixed},
};

pub(crate) type Card = VirtioNet<HostHal, FakeTransport>;

pub(crate) const MAC: u64 = 1 << 5;
pub(crate) const STATUS: u64 = 1 << 16;
pub(crate) const EVENT_INDEX: u64 = 1 << 29;
pub(crate) const ANY_LAYOUT: u64 = 1 << 27;
pub(crate) const RECEIVE: usize = 0;
pub(crate) const TRANSMIT: usize = 1;

pub(crate) fn setup() -> Setup {
    Setup {
        features: EVENT_INDEX | MAC | STATUS,
        configuration: [&STACK[..], &[1, 0]].concat(),
        ..Setup::default()
    }
}

fn legacy(features: u64) -> Setup {
    Setup { features: MAC | features, legacy: true, ..setup() }
}

pub(crate) fn card(setup: Setup) -> (DeviceModel, Card) {
    card_with(setup, 128)
}

pub(crate) fn card_with(setup: Setup, buffers: usize) -> (DeviceModel, Card) {
    let model = DeviceModel::new(setup);
    let pool = Pool::try_new::<HostHal>(buffers).expect("there is memory");
    let card = VirtioNet::try_new(model.transport(), pool, Event::new()).expect("the device is set up");
    (model, card)
}

/// What a device writes for a frame: its header, then the frame.
fn with_header(header: usize, frame: &[u8]) -> Vec<u8> {
    [&vec![0; header][..], frame].concat()
}

/// The device receives a frame into the next posted buffer.
fn arrive(model: &DeviceModel, header: usize, frame: &[u8]) {
    let chain = model.take(RECEIVE).expect("a buffer is posted");
    model.give_back(RECEIVE, &chain, &with_header(header, frame));
}

pub(crate) fn send(card: &mut Card, frame: &[u8]) -> bool {
    let Some(mut buffer) = card.allocate(frame.len()) else { return false };
    buffer.copy_from(frame).unwrap();
    card.transmit(buffer.into()).is_ok()
}

pub(crate) fn count(card: &Card, name: &str) -> u64 {
    let mut found = None;
    card.counters().visit(&mut |counter, value| {
        if counter == name {
            found = Some(value);
        }
    });
    found.expect("there is such a counter")
}

#[test]
fn receive_buffers_are_posted_before_the_device_runs_and_with_one_kick() {
    let (model, card) = card(setup());
    assert!(model.is_running());
    assert_eq!(model.notifications(RECEIVE), 1);
    assert_eq!(count(&card, "rx_posted"), 64);
    assert_eq!(card.hardware_address(), STACK);
    assert!(card.is_link_up());
    let chain = model.take(RECEIVE).unwrap();
    assert!(chain.room() >= 12 + 1514);
}

#[test]
fn a_received_frame_comes_without_the_device_header() {
    for (setup, header) in [(setup(), 12), (legacy(ANY_LAYOUT | EVENT_INDEX), 10), (legacy(0), 10)] {
        let (model, mut card) = card(setup);
        arrive(&model, header, b"a frame");
        assert_eq!(&card.receive().expect("a frame has come").buffer[..], b"a frame");
        assert!(card.receive().is_none());
    }
}

#[test]
fn a_frame_is_sent_behind_an_empty_header() {
    for (setup, header) in [(setup(), 12), (legacy(ANY_LAYOUT | EVENT_INDEX), 10), (legacy(0), 10)] {
        let (model, mut card) = card(setup);
        assert!(send(&mut card, b"a frame"));
        card.flush();
        let chain: Chain = model.take(TRANSMIT).expect("the frame is with the device");
        assert_eq!(chain.bytes(), with_header(header, b"a frame"));
    }
}

#[test]
fn many_frames_are_announced_with_one_kick() {
    let (model, mut card) = card(setup());
    for _ in 0..20 {
        assert!(send(&mut card, &[0; 60]));
    }
    assert_eq!(model.notifications(TRANSMIT), 0);
    card.flush();
    assert_eq!(model.notifications(TRANSMIT), 1);
    card.flush();
    assert_eq!(model.notifications(TRANSMIT), 1);
    assert_eq!(count(&card, "kicks"), 2);
}

#[test]
fn received_buffers_are_replaced_for_ever() {
    let (model, mut card) = card(setup());
    for number in 0..1000u32 {
        arrive(&model, 12, &number.to_le_bytes());
        assert_eq!(card.receive().unwrap().buffer[..], number.to_le_bytes());
        card.flush();
    }
    assert_eq!(count(&card, "rx_posted"), 64 + 1000 / 16 * 16);
}

#[test]
fn a_few_missing_receive_buffers_are_not_worth_a_word_to_the_device() {
    let (model, mut card) = card(Setup { features: MAC, ..setup() });
    for number in 1..=64u32 {
        arrive(&model, 12, b"a frame");
        assert!(card.receive().is_some());
        card.flush();
        assert_eq!(model.notifications(RECEIVE), 1 + u64::from(number) / 16);
    }
}

#[test]
fn the_last_receive_buffer_is_replaced_at_once() {
    for buffers in 2..8 {
        let (model, mut card) = card_with(setup(), buffers);
        for _ in 0..100 {
            arrive(&model, 12, b"a frame");
            assert!(card.receive().is_some());
            card.flush();
        }
    }
}

#[test]
fn a_full_transmit_queue_refuses_and_tells_when_there_is_room() {
    let (model, mut card) = card(setup());
    let mut sent = 0;
    while send(&mut card, &[0; 60]) {
        sent += 1;
    }
    assert!((32..=64).contains(&sent), "{sent} frames were taken");
    card.flush();
    assert!(!card.arm());
    assert!(!model.interrupt_pending());
    assert_eq!(model.serve(TRANSMIT, |_| Vec::new()), sent);
    assert!(model.interrupt_pending(), "the driver asked to be told");
    card.event().set();
    card.disarm();
    assert!(!model.interrupt_pending(), "the interrupt is acknowledged");
    assert!(send(&mut card, &[0; 60]));
    card.flush();
    assert!(!card.arm());
    model.serve(TRANSMIT, |_| Vec::new());
    assert!(!model.interrupt_pending(), "sent frames alone are no news");
}

#[test]
fn room_that_came_before_arming_is_not_missed() {
    let (model, mut card) = card(setup());
    while send(&mut card, &[0; 60]) {}
    card.flush();
    model.serve(TRANSMIT, |_| Vec::new());
    assert!(card.arm(), "there is room already");
}

#[test]
fn a_frame_that_came_before_arming_is_not_missed() {
    let (model, mut card) = card(setup());
    assert!(!card.arm());
    card.disarm();
    arrive(&model, 12, b"a frame");
    assert!(!model.signal(RECEIVE), "the driver wants no interrupts while it works");
    assert!(card.arm());
    assert!(card.receive().is_some());
    assert!(!card.arm());
    arrive(&model, 12, b"another");
    assert!(model.signal(RECEIVE));
}

#[test]
fn a_small_pool_starves_neither_direction() {
    let (model, mut card) = card_with(setup(), 4);
    assert_eq!(count(&card, "rx_posted"), 2);
    for _ in 0..100 {
        while send(&mut card, &[0; 60]) {}
        card.flush();
        assert!(!card.arm());
        model.serve(TRANSMIT, |_| Vec::new());
        assert!(model.interrupt_pending());
        card.event().set();
        card.disarm();
        card.event().try_take();
        card.flush();
        arrive(&model, 12, b"a frame");
        assert!(card.receive().is_some());
        card.flush();
    }
}

#[test]
fn frames_shorter_than_the_header_are_dropped_and_counted() {
    let (model, mut card) = card(setup());
    for length in [0, 5, 12] {
        let chain = model.take(RECEIVE).unwrap();
        model.give_back(RECEIVE, &chain, &vec![0; length]);
    }
    arrive(&model, 12, b"a frame");
    assert_eq!(&card.receive().unwrap().buffer[..], b"a frame");
    assert_eq!(count(&card, "rx_malformed"), 3);
}

#[test]
fn a_device_that_lies_is_used_no_more_and_nothing_panics() {
    let lies: [fn(&DeviceModel); 4] = [
        |model| model.lie_used(RECEIVE, 9999, 60),
        |model| model.lie_used(RECEIVE, 0, u32::MAX),
        |model| model.lie_used_index(RECEIVE, 1000),
        |model| model.lie_used(TRANSMIT, 9999, 0),
    ];
    for (number, lie) in lies.into_iter().enumerate() {
        let (model, mut card) = card(setup());
        lie(&model);
        for _ in 0..200 {
            assert!(card.receive().is_none());
            send(&mut card, &[0; 60]);
            card.flush();
            card.arm();
            card.disarm();
        }
        assert_eq!(count(&card, "failures"), 1, "lie {number}");
        assert!(!card.arm());
    }
}

#[test]
fn a_device_that_gives_itself_up_is_used_no_more() {
    let (model, mut card) = card(setup());
    assert!(!card.arm());
    model.give_up();
    card.event().set();
    for _ in 0..3 {
        card.disarm();
        assert!(card.receive().is_none());
        assert!(send(&mut card, &[0; 60]), "what is sent vanishes");
        card.flush();
        card.arm();
    }
    assert_eq!((count(&card, "failures"), count(&card, "tx_failed")), (1, 2));
    assert!(!card.arm());
}

#[test]
fn a_device_that_refuses_its_set_up_is_an_error() {
    let model = DeviceModel::new(Setup { queue_sizes: vec![64], ..setup() });
    let pool = Pool::try_new::<HostHal>(8).unwrap();
    let card = Card::try_new(model.transport(), pool, Event::new());
    assert_eq!(card.err(), Some(Error::Device(unik_virtio::Error::NoSuchQueue)));
}

#[test]
fn a_device_without_an_address_gets_a_local_one() {
    let (_model, card) = card(Setup { features: EVENT_INDEX, ..setup() });
    assert_eq!(card.hardware_address()[0] & 3, 2);
}

#[test]
fn a_stack_over_a_virtio_device_answers_pings() {
    for setup in [setup(), legacy(ANY_LAYOUT | EVENT_INDEX), legacy(0)] {
        let header = if setup.legacy { 10 } else { 12 };
        let (model, card) = card(setup);
        let clock = VirtualClock::new();
        let time = Time::new(clock.clone());
        let mut executor = Executor::new(&time, 8);
        let event = card.event();
        let sent = Rc::new(RefCell::new(Vec::new()));
        clock.add_world({
            let (model, sent) = (model.clone(), sent.clone());
            move || {
                let served = model.serve(TRANSMIT, |chain| {
                    sent.borrow_mut().push(chain.bytes()[header..].to_vec());
                    Vec::new()
                });
                if model.interrupt_pending() {
                    event.set();
                }
                served > 0
            }
        });
        let (_net, driver) =
            Net::new("net0", Box::new(card), fixed(LEFT), time.clone(), unik_net::wire::numbers(1));
        executor.spawner().spawn("net0", driver.run()).unwrap();
        let introduction = arp(ArpOperation::Request, (RIGHT, PEER), (LEFT, [0; 6]), BROADCAST);
        for round in 0..300 {
            let frame = if round == 0 { introduction.clone() } else { ping(RIGHT, LEFT, b"hello") };
            arrive(&model, header, &frame);
            model.signal(RECEIVE);
            executor.block_on("test", time.sleep(core::time::Duration::from_millis(1)));
        }
        let answers = sent.borrow();
        assert_eq!(answers.len(), 300);
        let pongs = answers.iter().filter_map(|frame| read_ipv4(frame));
        assert_eq!(pongs.filter(|pong| pong.0 == IpProtocol::Icmp && pong.2 == RIGHT).count(), 299);
    }
}
