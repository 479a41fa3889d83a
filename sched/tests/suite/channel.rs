//! Channels.

use std::rc::Rc;

use unik_sched::sync::{Closed, Sender, TryReceiveError, TrySendError, channel};
use unik_sched::{Executor, select, yield_now};

use crate::support::{Puppet, Trace, machine};

fn sending(executor: &Executor, trace: &Trace, name: &'static str, sender: &Sender<u32>, value: u32) {
    let (sender, notes) = (sender.clone(), trace.clone());
    let task = async move {
        if let Err(Closed(value)) = sender.send(value).await {
            notes.note(format!("closed({value})"));
        }
    };
    executor.spawner().spawn(name, trace.clone().polls(name, task)).expect("there is room");
}

#[test]
fn a_full_channel_makes_senders_wait_in_order() {
    let (_, _, mut executor) = machine(8);
    let trace = Trace::default();
    let (sender, mut receiver) = channel(1);
    for (name, value) in [("a", 1), ("b", 2), ("c", 3)] {
        sending(&executor, &trace, name, &sender, value);
    }
    assert!(!executor.turn());
    assert_eq!(trace.take(), "a! b c");
    for (value, expected) in [(1, "b!"), (2, "c!"), (3, "")] {
        assert_eq!(receiver.try_receive(), Ok(value));
        assert!(!executor.turn());
        assert_eq!(trace.take(), expected);
    }
    assert_eq!(receiver.try_receive(), Err(TryReceiveError::Empty));
}

#[test]
fn room_for_two_lets_two_senders_go_on() {
    let (_, _, mut executor) = machine(8);
    let trace = Trace::default();
    let (sender, mut receiver) = channel(2);
    for (name, value) in [("a", 1), ("b", 2), ("c", 3), ("d", 4), ("e", 5)] {
        sending(&executor, &trace, name, &sender, value);
    }
    executor.turn();
    assert_eq!(trace.take(), "a! b! c d e");
    assert_eq!((receiver.try_receive(), receiver.try_receive()), (Ok(1), Ok(2)));
    while executor.turn() {}
    assert_eq!(trace.take(), "c! d!", "e is not woken: there is no room");
    assert_eq!((receiver.len(), receiver.capacity()), (2, 2));
}

#[test]
fn a_receiver_is_woken_once_for_many_messages() {
    let (_, _, mut executor) = machine(8);
    let trace = Trace::default();
    let (sender, mut receiver) = channel(4);
    let notes = trace.clone();
    let task = async move {
        while let Some(value) = receiver.receive().await {
            notes.note(format!("{value}"));
        }
    };
    executor.spawner().spawn("receiver", trace.clone().polls("receiver", task)).unwrap();
    executor.turn();
    for value in 1..=3 {
        sender.try_send(value).unwrap();
    }
    assert!(!executor.turn());
    assert_eq!(trace.take(), "receiver 1 2 3 receiver");
    drop(sender);
    executor.turn();
    assert_eq!(trace.take(), "receiver!");
}

#[test]
fn a_message_refused_is_counted_and_comes_back() {
    let (sender, mut receiver) = channel(1);
    assert_eq!(sender.try_send("a"), Ok(()));
    assert_eq!(sender.try_send("b"), Err(TrySendError::Full("b")));
    assert_eq!(receiver.refused(), 1);
    receiver.close();
    assert!(sender.is_closed());
    assert_eq!(sender.try_send("c"), Err(TrySendError::Closed("c")));
    assert_eq!(receiver.try_receive(), Ok("a"), "what was in the channel can still be received");
    assert_eq!(receiver.try_receive(), Err(TryReceiveError::Closed));
}

#[test]
fn a_try_does_not_overtake_a_sender_that_waits() {
    let (_, _, mut executor) = machine(8);
    let trace = Trace::default();
    let (sender, mut receiver) = channel(1);
    sender.try_send(1).unwrap();
    sending(&executor, &trace, "a", &sender, 2);
    executor.turn();
    assert_eq!(receiver.try_receive(), Ok(1));
    assert_eq!(sender.try_send(3), Err(TrySendError::Full(3)), "the room is a's");
    executor.turn();
    assert_eq!(receiver.try_receive(), Ok(2));
}

#[test]
fn closing_gives_all_waiting_senders_their_messages_back() {
    let (_, _, mut executor) = machine(8);
    let trace = Trace::default();
    let (sender, receiver) = channel(1);
    for (name, value) in [("a", 1), ("b", 2), ("c", 3)] {
        sending(&executor, &trace, name, &sender, value);
    }
    executor.turn();
    trace.take();
    drop(receiver);
    assert!(!executor.turn());
    assert_eq!(trace.take(), "closed(2) b! closed(3) c!");
}

#[test]
fn when_all_senders_are_gone_the_receiver_ends() {
    let (_, _, mut executor) = machine(8);
    let trace = Trace::default();
    let (sender, mut receiver) = channel::<u32>(1);
    let other = sender.clone();
    let task = async move { assert_eq!(receiver.receive().await, None) };
    executor.spawner().spawn("receiver", trace.clone().polls("receiver", task)).unwrap();
    executor.turn();
    drop(sender);
    executor.turn();
    assert_eq!(trace.take(), "receiver", "one sender is left");
    drop(other);
    executor.turn();
    assert_eq!(trace.take(), "receiver!");
}

#[test]
fn the_room_of_a_sender_that_gave_up_goes_to_the_next() {
    let (_, _, mut executor) = machine(8);
    let (trace, puppet) = (Trace::default(), Puppet::default());
    let (sender, mut receiver) = channel(1);
    sender.try_send(1).unwrap();
    let (first, stop) = (sender.clone(), puppet.future());
    let impatient = async move {
        select(stop, first.send(2)).await;
    };
    executor.spawner().spawn("a", trace.clone().polls("a", impatient)).unwrap();
    sending(&executor, &trace, "b", &sender, 3);
    executor.turn();
    trace.take();
    puppet.finish();
    assert_eq!(receiver.try_receive(), Ok(1));
    while executor.turn() {}
    assert_eq!(trace.take(), "a! b!");
    assert_eq!(receiver.try_receive(), Ok(3), "the message of a was not sent");
}

#[test]
fn a_slow_receiver_holds_a_fast_sender_back() {
    let (_, _, mut executor) = machine(8);
    let (sender, mut receiver) = channel(2);
    let source = async move {
        for value in 0..100 {
            sender.send(value).await.unwrap();
        }
    };
    executor.spawner().spawn("source", source).unwrap();
    let received = executor.block_on("main", async move {
        let mut received = Vec::new();
        loop {
            yield_now().await;
            assert!(receiver.len() <= 2);
            match receiver.receive().await {
                Some(value) => received.push(value),
                None => return received,
            }
        }
    });
    assert!(received.into_iter().eq(0..100));
}

#[test]
fn messages_left_are_dropped_with_the_receiver() {
    let (sender, receiver) = channel(2);
    let message = Rc::new(());
    sender.try_send(message.clone()).unwrap();
    drop(receiver);
    assert_eq!(Rc::strong_count(&message), 1);
}
