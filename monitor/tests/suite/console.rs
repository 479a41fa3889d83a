//! The driver against a modelled device: its ports, what it does while nobody listens, and devices that lie.

use unik_monitor::{Console, Port};
use unik_sched::sync::Event;
use unik_testkit::{DeviceModel, FakeTransport, HostHal, Setup};
use unik_virtio::Pool;
use virtio_drivers::transport::DeviceType;

type Channel = Console<HostHal, FakeTransport>;

const MULTIPORT: u64 = 1 << 1;
const EVENT_INDEX: u64 = 1 << 29;
const CONTROL_RECEIVE: usize = 2;
const CONTROL_TRANSMIT: usize = 3;
/// The queues of port 1.
const RECEIVE: usize = 4;
const TRANSMIT: usize = 5;

const ADD: u16 = 1;
const REMOVE: u16 = 2;
const NAME: u16 = 7;
const OPEN: u16 = 6;

fn channel(features: u64, queues: usize) -> (DeviceModel, Channel) {
    let setup = Setup {
        device_type: DeviceType::Console,
        features: features | EVENT_INDEX,
        queue_sizes: vec![64; queues],
        configuration: vec![0; 12],
        legacy: false,
    };
    let model = DeviceModel::new(setup);
    let pool = Pool::try_new::<HostHal>(Channel::BUFFERS).expect("there is memory");
    let console = Channel::try_new(model.transport(), pool, Event::new()).expect("the device is set up");
    (model, console)
}

fn message(port: u32, event: u16, value: u16) -> Vec<u8> {
    [&port.to_le_bytes()[..], &event.to_le_bytes(), &value.to_le_bytes()].concat()
}

fn arrive(model: &DeviceModel, queue: usize, bytes: &[u8]) {
    let chain = model.take(queue).expect("a buffer is posted");
    model.give_back(queue, &chain, bytes);
}

/// The control messages that the driver has sent.
fn said(model: &DeviceModel) -> Vec<Vec<u8>> {
    let mut messages = Vec::new();
    while let Some(chain) = model.take(CONTROL_TRANSMIT) {
        messages.push(chain.bytes());
        model.give_back(CONTROL_TRANSMIT, &chain, &[]);
    }
    messages
}

/// A channel whose port 1 somebody has opened on the host.
fn opened() -> (DeviceModel, Channel) {
    let (model, mut console) = channel(MULTIPORT, 6);
    arrive(&model, CONTROL_RECEIVE, &message(1, ADD, 1));
    arrive(&model, CONTROL_RECEIVE, &message(1, OPEN, 1));
    assert!(console.restarted());
    said(&model);
    (model, console)
}

fn received(console: &mut Channel) -> Option<Vec<u8>> {
    assert!(!console.restarted(), "nobody opened or closed it");
    let buffer = console.receive()?;
    let bytes = buffer.to_vec();
    console.give_back(buffer);
    Some(bytes)
}

fn send(console: &mut Channel, bytes: &[u8]) -> bool {
    let Some(mut buffer) = console.allocate() else { return false };
    buffer.copy_from(bytes).expect("it fits");
    console.send(buffer);
    console.flush();
    true
}

#[test]
fn the_driver_says_that_it_is_ready_and_takes_the_port_it_is_told_of() {
    let (model, mut console) = channel(MULTIPORT, 6);
    assert!(model.is_running());
    assert_eq!(said(&model), [message(0, 0, 1)]);
    assert!(model.take(RECEIVE).is_none(), "no port, no buffers");
    arrive(&model, CONTROL_RECEIVE, &message(1, ADD, 1));
    assert!(received(&mut console).is_none());
    assert_eq!(said(&model), [message(1, 3, 1), message(1, OPEN, 1)]);
    assert!(console.allocate().is_none(), "nobody has opened it");
    let name = [message(1, NAME, 1), b"unik.monitor".to_vec()].concat();
    arrive(&model, CONTROL_RECEIVE, &name);
    arrive(&model, CONTROL_RECEIVE, &message(1, OPEN, 1));
    assert!(console.restarted());
    assert!(received(&mut console).is_none());
}

#[test]
fn ports_that_are_not_the_channel_are_declined() {
    let (model, mut console) = channel(MULTIPORT, 6);
    said(&model);
    for port in [9, u32::MAX] {
        arrive(&model, CONTROL_RECEIVE, &message(port, ADD, 1));
    }
    assert!(received(&mut console).is_none());
    assert_eq!(said(&model), [message(9, 3, 0), message(u32::MAX, 3, 0)]);
}

#[test]
fn bytes_go_both_ways() {
    let (model, mut console) = opened();
    arrive(&model, RECEIVE, b"a question");
    assert_eq!(received(&mut console), Some(b"a question".to_vec()));
    assert!(send(&mut console, b"an answer"));
    assert_eq!(model.take(TRANSMIT).expect("it was sent").bytes(), b"an answer");
    for round in 0..100_u8 {
        arrive(&model, RECEIVE, &[round]);
        assert_eq!(received(&mut console), Some(vec![round]), "buffers are posted again");
    }
}

#[test]
fn a_device_with_one_port_is_open_from_the_start() {
    let (model, mut console) = channel(0, 2);
    arrive(&model, 0, b"a question");
    assert_eq!(received(&mut console), Some(b"a question".to_vec()));
    assert!(send(&mut console, b"an answer"));
    assert_eq!(model.take(1).expect("it was sent").bytes(), b"an answer");
}

#[test]
fn a_host_that_does_not_read_fills_the_queue_and_nothing_else() {
    let (model, mut console) = opened();
    let sent = (0..100).take_while(|_| send(&mut console, &[7; 1000])).count();
    assert_eq!(sent, 8);
    assert!(!console.arm(true), "there is no news");
    let chain = model.take(TRANSMIT).unwrap();
    model.give_back(TRANSMIT, &chain, &[]);
    assert!(model.signal(TRANSMIT), "the driver wants to know of room");
    console.disarm();
    assert!(send(&mut console, b"more"));
}

#[test]
fn what_comes_back_when_a_port_with_a_full_queue_is_closed_is_no_news() {
    let (model, mut console) = opened();
    while send(&mut console, b"an answer") {}
    arrive(&model, CONTROL_RECEIVE, &message(1, OPEN, 0));
    assert!(console.restarted());
    while let Some(chain) = model.take(TRANSMIT) {
        model.give_back(TRANSMIT, &chain, &[]);
    }
    assert!(!console.arm(true), "nobody can take it");
    console.disarm();
    arrive(&model, CONTROL_RECEIVE, &message(1, OPEN, 1));
    assert!(console.restarted());
    assert!(send(&mut console, b"an answer"));
}

#[test]
fn room_is_no_news_while_there_is_enough() {
    let (model, mut console) = opened();
    assert!(send(&mut console, b"an answer"));
    assert!(!console.arm(true));
    let chain = model.take(TRANSMIT).unwrap();
    model.give_back(TRANSMIT, &chain, &[]);
    assert!(!model.signal(TRANSMIT));
    let chain = model.take(RECEIVE).unwrap();
    model.give_back(RECEIVE, &chain, b"?");
    assert!(model.signal(RECEIVE));
}

#[test]
fn closing_is_told_and_nothing_is_sent_from_then_on() {
    for event in [message(1, OPEN, 0), message(1, REMOVE, 0)] {
        let (model, mut console) = opened();
        arrive(&model, CONTROL_RECEIVE, &event);
        assert!(console.restarted());
        assert!(!send(&mut console, b"to nobody"));
    }
}

#[test]
fn control_messages_that_make_no_sense_are_ignored() {
    let (model, mut console) = opened();
    for nonsense in [vec![], vec![1], vec![0xff; 8], message(1, 99, 1), message(0, OPEN, 1), vec![0; 500]] {
        arrive(&model, CONTROL_RECEIVE, &nonsense);
        assert!(received(&mut console).is_none(), "{nonsense:?}");
    }
    assert!(send(&mut console, b"still here"));
}

#[test]
fn a_device_that_lies_about_its_queues_is_left_alone() {
    for (queue, written) in [(RECEIVE, u32::MAX), (CONTROL_RECEIVE, 5000)] {
        let (model, mut console) = opened();
        model.lie_used(queue, 0, written);
        assert!(received(&mut console).is_none());
        model.lie_used(queue, 60, 1);
        assert!(received(&mut console).is_none());
        assert!(!send(&mut console, b"to nobody"));
        assert!(!console.arm(true));
        console.flush();
    }
}

#[test]
fn a_device_without_the_queues_it_promised_is_an_error() {
    let setup = Setup {
        device_type: DeviceType::Console,
        features: MULTIPORT | EVENT_INDEX,
        queue_sizes: vec![64; 4],
        configuration: vec![0; 12],
        legacy: false,
    };
    let pool = Pool::try_new::<HostHal>(Channel::BUFFERS).expect("there is memory");
    assert!(Channel::try_new(DeviceModel::new(setup).transport(), pool, Event::new()).is_err());
}

#[test]
fn a_port_that_is_closed_and_opened_again_at_once_was_restarted_once() {
    let (model, mut console) = opened();
    arrive(&model, CONTROL_RECEIVE, &message(1, OPEN, 0));
    arrive(&model, CONTROL_RECEIVE, &message(1, OPEN, 1));
    arrive(&model, RECEIVE, b"a question");
    let bytes = console.receive().expect("bytes have come");
    assert!(console.restarted());
    assert!(!console.restarted());
    console.give_back(bytes);
    assert!(send(&mut console, b"an answer"));
}

#[test]
fn bytes_that_are_not_wanted_are_no_news() {
    let (model, mut console) = opened();
    arrive(&model, RECEIVE, b"a question");
    assert!(console.arm(true));
    console.disarm();
    assert!(!console.arm(false));
    console.disarm();
    assert_eq!(received(&mut console), Some(b"a question".to_vec()));
}

#[test]
fn a_port_that_is_plugged_in_again_is_opened_again() {
    let (model, mut console) = opened();
    arrive(&model, CONTROL_RECEIVE, &message(1, REMOVE, 0));
    arrive(&model, CONTROL_RECEIVE, &message(1, ADD, 1));
    assert!(console.restarted());
    assert_eq!(said(&model), [message(1, 3, 1), message(1, OPEN, 1)]);
    arrive(&model, CONTROL_RECEIVE, &message(1, OPEN, 1));
    assert!(console.restarted());
    assert!(send(&mut console, b"an answer"));
}
