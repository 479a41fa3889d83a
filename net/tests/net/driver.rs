//! The driver task: what it costs, and that it shares.

use std::{cell::Cell, rc::Rc};

use embedded_io_async::{Read as _, Write as _};
use smoltcp::wire::ArpOperation;
use unik_net::{
    Net,
    wire::{Conditions, numbers, wire},
};
use unik_sched::{
    Executor,
    time::{Duration, Instant, Platform, Time},
};

use crate::{
    frames::{BROADCAST, PEER, Peer, arp, ping},
    world::{LEFT, RIGHT, World, at, fixed, two},
};

#[test]
fn an_idle_stack_takes_no_turns() {
    let (mut world, left, right) = two();
    let time = world.time.clone();
    world.run(time.sleep(Duration::from_secs(1)));
    let before = (left.counters().turns.get(), right.counters().turns.get());
    assert_eq!(before, (1, 1));
    world.run(time.sleep(Duration::from_secs(3600)));
    assert_eq!((left.counters().turns.get(), right.counters().turns.get()), before);
}

#[test]
fn an_idle_connection_takes_no_turns() {
    let (mut world, left, right) = two();
    let time = world.time.clone();
    world.run(async {
        let mut listener = right.listen(80).await.unwrap();
        let _client = left.connect(at(RIGHT, 80)).await.unwrap();
        let _server = listener.accept().await.unwrap();
        time.sleep(Duration::from_secs(60)).await;
        let before = (left.counters().turns.get(), right.counters().turns.get());
        time.sleep(Duration::from_secs(3600)).await;
        assert_eq!((left.counters().turns.get(), right.counters().turns.get()), before);
    });
}

#[test]
fn many_datagrams_sent_at_once_take_one_turn() {
    let (mut world, left, right) = two();
    let time = world.time.clone();
    world.run(async {
        let mut client = left.udp(0).await.unwrap();
        let mut server = right.udp(7).await.unwrap();
        client.send_to(b"hello", at(RIGHT, 7)).await.unwrap();
        server.receive_from(&mut [0; 64]).await.unwrap();
        time.sleep(Duration::from_secs(1)).await;
        let before = (left.counters().turns.get(), right.counters().turns.get());
        for _ in 0..20 {
            client.send_to(b"hello", at(RIGHT, 7)).await.unwrap();
        }
        time.sleep(Duration::from_secs(1)).await;
        assert_eq!((left.counters().turns.get(), right.counters().turns.get()), (before.0 + 1, before.1 + 1));
        for _ in 0..20 {
            server.receive_from(&mut [0; 64]).await.unwrap();
        }
    });
}

#[test]
fn an_acknowledgement_that_leaves_nothing_to_do_takes_one_turn() {
    let (mut world, left, right) = two();
    let time = world.time.clone();
    world.run(async {
        let mut listener = right.listen(80).await.unwrap();
        let mut client = left.connect(at(RIGHT, 80)).await.unwrap();
        let (mut server, _) = listener.accept().await.unwrap();
        time.sleep(Duration::from_secs(60)).await;
        for _ in 0..5 {
            client.write(b"hello").await.unwrap();
            let mut said = [0; 64];
            assert_eq!(server.read(&mut said).await.unwrap(), 5);
            // The acknowledgement is held back for 10 ms, and nothing is overdue after 100.
            time.sleep(Duration::from_millis(5)).await;
            let before = left.counters().turns.get();
            time.sleep(Duration::from_millis(100)).await;
            client.flush().await.unwrap();
            assert_eq!(left.counters().turns.get(), before + 1);
            time.sleep(Duration::from_secs(60)).await;
        }
    });
}

#[test]
fn a_flood_of_frames_lets_other_tasks_run() {
    let mut world = World::new(Conditions { queue: 2000, ..Conditions::default() }, 1);
    let net = world.left();
    let mut peer = Peer { end: world.right.take().unwrap(), time: world.time.clone() };
    peer.say(&arp(ArpOperation::Request, (RIGHT, PEER), (LEFT, [0; 6]), BROADCAST));
    for _ in 0..1000 {
        peer.say(&ping(RIGHT, LEFT, b"flood"));
    }
    let polls = Rc::new(Cell::new(0));
    world.spawn("other", {
        let (polls, time, counters) = (polls.clone(), world.time.clone(), net.counters());
        async move {
            while counters.rx_frames.get() < 1001 {
                polls.set(polls.get() + 1);
                time.sleep(Duration::from_nanos(1)).await;
            }
        }
    });
    world.run(world.time.clone().sleep(Duration::from_secs(1)));
    assert_eq!(net.counters().rx_frames.get(), 1001);
    assert!(net.counters().rx_budget_spent.get() >= 15);
    assert_eq!(net.counters().tx_frames.get(), 1001);
}

/// A clock that goes on while it is read, as that of a machine does.
struct Running(Cell<Instant>);

impl Platform for Running {
    fn now(&self) -> Instant {
        self.0.set(self.0.get() + Duration::from_millis(3));
        self.0.get()
    }

    fn idle(&self, until: Option<Instant>) {
        self.0.set(self.0.get().max(until.expect("something is due")));
    }
}

#[test]
fn a_deadline_that_passes_during_a_turn_does_not_hold_the_driver() {
    let time = Time::new(Rc::new(Running(Cell::new(Instant::ZERO))));
    let mut executor = Executor::new(&time, 8);
    let (near, far, line) = wire(&time, Conditions { loss: 100, ..Conditions::default() }, 1);
    let spawner = executor.spawner();
    spawner.spawn("wire", line.run()).unwrap();
    let [left, right] = [(LEFT, near), (RIGHT, far)].map(|(address, end)| {
        let (net, driver) = Net::new("net", Box::new(end), fixed(address), time.clone(), numbers(1));
        spawner.spawn("net", driver.run()).unwrap();
        net
    });
    executor.block_on("test", async {
        let mut listener = right.listen(80).await.unwrap();
        let mut client = left.connect(at(RIGHT, 80)).await.unwrap();
        let (mut server, _) = listener.accept().await.unwrap();
        for _ in 0..300 {
            client.write_all(&[1; 100]).await.unwrap();
            server.read_exact(&mut [0; 100]).await.unwrap();
        }
    });
}
