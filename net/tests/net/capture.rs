//! Captures: what passes a card, as its own stack tells it.

use std::{cell::RefCell, rc::Rc};

use embedded_io_async::Write;
use unik_net::{Capture, Captured, Direction, Error, Net, wire::Conditions};
use unik_sched::sync::Event;
use unik_sched::time::{Duration, Instant, Time};

use crate::{
    frames::{read_arp, read_tcp},
    world::{RIGHT, World, at, pattern, two, two_on},
};

type Frames = Vec<(Instant, Direction, usize, Vec<u8>)>;

fn keep(frame: &Captured<'_>) -> (Instant, Direction, usize, Vec<u8>) {
    (frame.time, frame.direction, frame.length, frame.bytes.to_vec())
}

/// All that a capture holds.
fn drain(capture: &mut Capture) -> Frames {
    let mut frames = Vec::new();
    capture.read(&mut |frame| {
        frames.push(keep(frame));
        true
    });
    frames
}

/// Sends datagrams from left to right, one in a millisecond.
async fn send(time: &Time, left: &Net, count: usize, length: usize) {
    let mut socket = left.udp(0).await.unwrap();
    for _ in 0..count {
        socket.send_to(&pattern(length), at(RIGHT, 7)).await.unwrap();
        time.sleep(Duration::from_millis(1)).await;
    }
}

/// What the tap of the wire saw on its way from one end, by the last byte of the end's hardware address.
fn tapped(world: &World, end: u8) -> Vec<(Instant, Vec<u8>)> {
    world.tap.frames().into_iter().filter(|(_, frame)| frame[11] == end).collect()
}

#[test]
fn both_directions_are_seen_in_order_with_the_bytes_of_the_wire() {
    let delay = Duration::from_millis(3);
    let (mut world, left, right) = two_on(Conditions { delay, ..Conditions::default() }, 1);
    let mut capture = left.capture(usize::MAX, Event::new()).expect("no other capture runs");
    let time = world.time.clone();
    world.run(async {
        let mut listener = right.listen(80).await.unwrap();
        let mut client = left.connect(at(RIGHT, 80)).await.unwrap();
        let (_server, _) = listener.accept().await.unwrap();
        client.write_all(&pattern(5000)).await.unwrap();
        client.flush().await.unwrap();
        assert_eq!(left.connect(at(RIGHT, 81)).await.err(), Some(Error::ConnectionRefused));
        time.sleep(Duration::from_millis(50)).await;
    });
    let frames = drain(&mut capture);
    assert!(frames.is_sorted_by_key(|frame| frame.0));
    let of = |direction| frames.iter().filter(move |frame| frame.1 == direction);
    let sent: Vec<_> = of(Direction::Sent).map(|frame| (frame.0, frame.3.clone())).collect();
    let received: Vec<_> = of(Direction::Received).map(|frame| (frame.0, frame.3.clone())).collect();
    assert_eq!(sent, tapped(&world, 1));
    let arrived = tapped(&world, 2).into_iter().map(|(time, frame)| (time + delay, frame));
    assert_eq!(received, arrived.collect::<Vec<_>>());
    assert!(frames.iter().all(|frame| frame.2 == frame.3.len()), "nothing was cut");
    assert!(read_arp(&sent[0].1).is_some() && read_arp(&received[0].1).is_some());
    assert!(received.iter().any(|frame| read_tcp(&frame.1).is_some_and(|segment| segment.rst)));
    assert_eq!(left.counters().captured.get(), frames.len() as u64);
    assert_eq!((capture.take_lost(), left.counters().capture_dropped.get()), (0, 0));
}

#[test]
fn answers_of_the_stack_itself_are_seen() {
    let (mut world, left, right) = two();
    let mut capture = right.capture(64, Event::new()).unwrap();
    world.run(async {
        assert_eq!(left.connect(at(RIGHT, 81)).await.err(), Some(Error::ConnectionRefused));
    });
    let sent: Vec<_> = drain(&mut capture).into_iter().filter(|frame| frame.1 == Direction::Sent).collect();
    let [arp, reset] = sent.as_slice() else { panic!("{sent:?}") };
    assert!(read_arp(&arp.3).is_some());
    assert!(read_tcp(&reset.3).is_some_and(|segment| segment.rst));
}

#[test]
fn of_a_long_frame_the_beginning_is_kept_and_its_length_told() {
    let (mut world, left, _right) = two();
    let mut capture = left.capture(60, Event::new()).unwrap();
    let time = world.time.clone();
    world.run(send(&time, &left, 2, 1000));
    let frames = drain(&mut capture);
    let datagrams: Vec<_> = frames.iter().filter(|frame| frame.2 == 14 + 20 + 8 + 1000).collect();
    assert_eq!(datagrams.len(), 2);
    for (_, _, _, bytes) in datagrams {
        assert_eq!((bytes.len(), &bytes[42..]), (60, &pattern(18)[..]));
    }
    assert!(frames.iter().any(|frame| frame.2 == frame.3.len()), "what is shorter is whole");
}

#[test]
fn what_a_reader_does_not_take_stays_the_first() {
    let (mut world, left, _right) = two();
    let mut capture = left.capture(100, Event::new()).unwrap();
    let time = world.time.clone();
    world.run(send(&time, &left, 5, 10));
    let mut seen = Vec::new();
    for _ in 0..3 {
        let mut calls = 0;
        capture.read(&mut |frame| {
            calls += 1;
            let takes = calls < 3;
            if takes {
                seen.push(keep(frame));
            }
            takes
        });
        assert_eq!(calls, 3);
    }
    seen.extend(drain(&mut capture));
    assert_eq!(seen.len() as u64, left.counters().captured.get());
    assert!(seen.is_sorted_by_key(|frame| frame.0));
    let sent: Vec<_> = seen.into_iter().filter(|frame| frame.1 == Direction::Sent).collect();
    assert_eq!(sent.len(), tapped(&world, 1).len());
}

#[test]
fn a_full_ring_drops_and_counts_new_frames_and_keeps_the_old_ones() {
    let (mut world, left, _right) = two();
    let mut capture = left.capture(1500, Event::new()).unwrap();
    let time = world.time.clone();
    world.run(send(&time, &left, 200, 1400));
    let counters = left.counters();
    let lost = capture.take_lost();
    assert!(lost > 0 && lost == counters.capture_dropped.get());
    assert_eq!(capture.take_lost(), 0);
    let frames = drain(&mut capture);
    assert_eq!(frames.len() as u64, counters.captured.get());
    assert_eq!(counters.captured.get() + lost, counters.rx_frames.get() + counters.tx_frames.get());
    let sent: Vec<_> = frames
        .into_iter()
        .filter(|frame| frame.1 == Direction::Sent)
        .map(|frame| (frame.0, frame.3))
        .collect();
    assert!(sent.len() > 50, "a good part of 128 KiB is used");
    assert_eq!(sent, tapped(&world, 1)[..sent.len()], "the oldest are kept");
    world.run(send(&time, &left, 1, 10));
    assert!(!drain(&mut capture).is_empty(), "there is room again");
    assert_eq!(capture.take_lost(), 0);
}

#[test]
fn one_capture_runs_at_a_time_and_ends_when_it_is_dropped() {
    let (mut world, left, right) = two();
    let time = world.time.clone();
    let first = left.capture(100, Event::new()).unwrap();
    assert!(left.capture(100, Event::new()).is_none());
    let _other_stack = right.capture(100, Event::new()).expect("each stack has its own");
    world.run(send(&time, &left, 3, 10));
    let captured = left.counters().captured.get();
    assert!(captured > 0);
    drop(first);
    world.run(send(&time, &left, 3, 10));
    assert_eq!(left.counters().captured.get(), captured);
    let mut second = left.capture(100, Event::new()).expect("the first has ended");
    assert_eq!(drain(&mut second), [], "what passed before is not its business");
    world.run(send(&time, &left, 1, 10));
    assert!(!drain(&mut second).is_empty());
}

#[test]
fn a_reader_is_woken_when_frames_are_there() {
    let (mut world, left, _right) = two();
    let seen = Rc::new(RefCell::new(Vec::new()));
    let (frames, event) = (seen.clone(), Event::new());
    let mut capture = left.capture(100, event.clone()).unwrap();
    world.spawn("reader", async move {
        loop {
            event.wait().await;
            frames.borrow_mut().extend(drain(&mut capture));
        }
    });
    let time = world.time.clone();
    world.run(time.sleep(Duration::from_millis(5)));
    assert!(seen.borrow().is_empty());
    world.run(send(&time, &left, 3, 10));
    assert_eq!(seen.borrow().len() as u64, left.counters().captured.get());
    assert!(seen.borrow().len() > 3);
}

#[test]
fn a_frame_that_the_card_refused_at_first_is_seen_once() {
    let conditions = Conditions { interval: Duration::from_millis(2), queue: 1, ..Conditions::default() };
    let (mut world, left, right) = two_on(conditions, 1);
    let mut capture = left.capture(100, Event::new()).unwrap();
    let time = world.time.clone();
    world.run(async {
        let mut listener = right.listen(80).await.unwrap();
        let mut client = left.connect(at(RIGHT, 80)).await.unwrap();
        let (_server, _) = listener.accept().await.unwrap();
        client.write_all(&pattern(12_000)).await.unwrap();
        client.flush().await.unwrap();
        time.sleep(Duration::from_secs(1)).await;
    });
    assert!(left.counters().tx_blocked.get() > 0, "the card had no room at times");
    let frames = drain(&mut capture);
    let sent = frames.iter().filter(|frame| frame.1 == Direction::Sent).count() as u64;
    assert_eq!(sent, left.counters().tx_frames.get());
}

#[test]
fn frames_that_pass_while_others_are_read_are_lost_and_counted() {
    let (mut world, left, _right) = two();
    let mut capture = left.capture(100, Event::new()).unwrap();
    let time = world.time.clone();
    world.run(send(&time, &left, 2, 10));
    let mut socket = world.run(async { left.udp(0).await }).unwrap();
    world.run(async {
        let mut sent = false;
        let sending = std::future::poll_fn(|context| {
            capture.read(&mut |_| {
                if !sent {
                    sent = true;
                    assert!(socket.poll_send_to(context, b"meanwhile", at(RIGHT, 7)).is_ready());
                }
                true
            });
            std::task::Poll::Ready(())
        });
        sending.await;
    });
    assert_eq!((capture.take_lost(), left.counters().capture_dropped.get()), (1, 1));
    assert_eq!(drain(&mut capture), []);
}
