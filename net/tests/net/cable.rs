//! Two cards joined by a cable: between two stacks on simulated wires, and with cards made by hand.

use std::{cell::Cell, cell::RefCell, collections::VecDeque, rc::Rc};

use embedded_io_async::{Read, Write};
use unik_net::{
    Cable, CableCounters, Checksum, Frame, Net, Nic, Offload, Offloads,
    wire::{Conditions, wire},
};
use unik_sched::{counter::CounterSet, sync::Event, time::Duration};
use unik_virtio::{Buffer, Pool};

use crate::{
    frames::{read_udp, udp},
    world::{LEFT, RIGHT, World, at, fixed, pattern},
};

struct Joined {
    world: World,
    left: Net,
    right: Net,
    counters: Rc<CableCounters>,
    /// Changes the wire of the left stack.
    change: Box<dyn Fn(Conditions)>,
}

/// Two stacks, each on a wire of its own, and a cable between the other ends.
fn joined(conditions: Conditions) -> Joined {
    let mut world = World::new(conditions, 1);
    let (near, far, line) = wire(&world.time, conditions, 2);
    world.spawn("second wire", line.run());
    let change = world.wire.as_ref().unwrap().controls();
    let left = world.left();
    let right = world.stack("right", far, fixed(RIGHT), 2);
    let cable = Cable::new(Box::new(world.right.take().unwrap()), Box::new(near));
    let counters = cable.counters();
    world.spawn("cable", cable.run());
    Joined { world, left, right, counters, change: Box::new(change) }
}

#[test]
fn stacks_at_both_ends_of_a_cable_talk_as_if_there_were_none() {
    let Joined { mut world, left, right, counters, .. } = joined(Conditions::default());
    let data = pattern(100_000);
    let (sent, spawner) = (data.clone(), world.spawner());
    let received = world.run(async {
        let mut listener = right.listen(80).await.unwrap();
        let mut client = left.connect(at(RIGHT, 80)).await.unwrap();
        let (mut server, peer) = listener.accept().await.unwrap();
        assert_eq!(peer.ip(), LEFT);
        spawner
            .spawn("writer", async move {
                client.write_all(&sent).await.unwrap();
                client.close().await.unwrap();
            })
            .unwrap();
        let mut received = Vec::new();
        let mut chunk = [0; 4096];
        loop {
            match server.read(&mut chunk).await.unwrap() {
                0 => return received,
                length => received.extend_from_slice(&chunk[..length]),
            }
        }
    });
    assert!(received == data);
    assert_eq!((counters.no_room.get(), counters.unfit.get()), (0, 0));
    assert!(counters.frames.get() > data.len() as u64 / 1460, "all of it passed");
}

#[test]
fn a_slow_wire_loses_frames_and_does_not_hold_up_the_other_way() {
    let Joined { mut world, left, right, counters, change } = joined(Conditions::default());
    let slow = Conditions { queue: 4, interval: Duration::from_millis(10), ..Conditions::default() };
    world.run(async {
        // Both know each other's hardware address from here on.
        let (mut one, mut other) = (left.udp(1).await.unwrap(), right.udp(1).await.unwrap());
        one.send_to(b"hello", at(RIGHT, 1)).await.unwrap();
        other.receive_from(&mut [0; 8]).await.unwrap();
    });
    // The wire of the left stack becomes slow for whoever sends on it: 100 frames in a second, and 4 that wait.
    let time = world.time.clone();
    change(slow);
    world.run(async {
        let mut other = right.udp(2).await.unwrap();
        for number in 0..200u8 {
            other.send_to(&[number], at(LEFT, 9)).await.unwrap();
            time.sleep(Duration::from_micros(100)).await;
        }
    });
    assert!(counters.no_room.get() > 150, "{} lost", counters.no_room.get());
}

/// A card made by hand: what it receives is put there, and what it sends stays until it is taken.
#[derive(Clone)]
struct Shelf(Rc<Inner>);

struct Inner {
    pool: Pool,
    event: Event,
    arriving: RefCell<VecDeque<Frame>>,
    leaving: RefCell<Vec<Frame>>,
    room: Cell<usize>,
    offloads: Offloads,
}

impl Shelf {
    fn new(pool: &Pool, room: usize, offloads: Offloads) -> Self {
        let (arriving, leaving) = (RefCell::default(), RefCell::default());
        let (pool, event) = (pool.clone(), Event::new());
        Shelf(Rc::new(Inner { pool, event, arriving, leaving, room: Cell::new(room), offloads }))
    }

    /// Receives a frame; gives the place of its first byte, or `None` where there is no buffer.
    fn put(&self, bytes: &[u8], offload: Offload) -> Option<*const u8> {
        let mut buffer = self.0.pool.allocate()?;
        buffer.copy_from(bytes).expect("the frame fits");
        let place = buffer.as_ptr();
        self.0.arriving.borrow_mut().push_back(Frame { buffer, offload });
        self.0.event.set();
        Some(place)
    }
}

impl Nic for Shelf {
    fn hardware_address(&self) -> [u8; 6] {
        [2, 0, 0, 0, 0, 9]
    }

    fn mtu(&self) -> usize {
        1500
    }

    fn offloads(&self) -> Offloads {
        self.0.offloads
    }

    fn receive(&mut self) -> Option<Frame> {
        self.0.arriving.borrow_mut().pop_front()
    }

    fn allocate(&mut self, _: usize) -> Option<Buffer> {
        self.0.pool.allocate()
    }

    fn transmit(&mut self, frame: Frame) -> Result<(), Frame> {
        let mut leaving = self.0.leaving.borrow_mut();
        if leaving.len() >= self.0.room.get() {
            return Err(frame);
        }
        leaving.push(frame);
        Ok(())
    }

    fn flush(&mut self) {}

    fn arm(&mut self) -> bool {
        !self.0.arriving.borrow().is_empty()
    }

    fn disarm(&mut self) {}

    fn event(&self) -> Event {
        self.0.event.clone()
    }

    fn counters(&self) -> Rc<dyn CounterSet> {
        Rc::new(CableCounters::new())
    }
}

fn shelves(room: usize, offloads: Offloads) -> (World, Pool, Shelf, Shelf, Rc<CableCounters>) {
    let world = World::new(Conditions::default(), 1);
    let pool = Pool::heap(256);
    let (one, other) = (Shelf::new(&pool, room, offloads), Shelf::new(&pool, room, offloads));
    let cable = Cable::new(Box::new(one.clone()), Box::new(other.clone()));
    let counters = cable.counters();
    world.spawn("cable", cable.run());
    (world, pool, one, other, counters)
}

fn settle(world: &mut World) {
    let time = world.time.clone();
    world.run(time.sleep(Duration::from_millis(1)));
}

#[test]
fn a_frame_leaves_in_the_buffer_that_it_came_in() {
    let (mut world, pool, one, other, _) = shelves(10, Offloads::default());
    let there = one.put(&pattern(1514), Offload::default()).unwrap();
    let back = other.put(&pattern(60), Offload::default()).unwrap();
    settle(&mut world);
    for (card, place, length) in [(&one, back, 60), (&other, there, 1514)] {
        let frames = card.0.leaving.take();
        assert_eq!(frames.len(), 1);
        assert_eq!((frames[0].buffer.as_ptr(), &frames[0].buffer[..]), (place, &pattern(length)[..]));
    }
    assert_eq!(pool.available(), pool.capacity(), "each buffer is back in its pool");
}

#[test]
fn a_card_that_sends_nothing_keeps_no_more_than_its_queue_holds() {
    let (mut world, pool, one, other, counters) = shelves(64, Offloads::default());
    other.0.room.set(64);
    for number in 0..1000 {
        one.put(&[number as u8; 60], Offload::default()).expect("there is always a buffer to receive into");
        other.put(&[number as u8; 60], Offload::default()).expect("there is always a buffer to receive into");
        one.0.leaving.take();
        if number % 10 == 0 {
            settle(&mut world);
        }
    }
    settle(&mut world);
    assert_eq!(pool.available(), pool.capacity() - 64 - one.0.leaving.borrow().len());
    assert_eq!((counters.frames.get(), counters.no_room.get()), (1064, 936));
}

#[test]
fn a_checksum_that_no_card_completes_is_completed_on_the_way() {
    let mut question = udp((LEFT, 5000), (RIGHT, 7), b"partial");
    let whole = question.clone();
    // The sum of the pseudo header: addresses, protocol and length.
    let sum = 0x0a00 + 1 + 0x0a00 + 2 + 17 + 15_u16;
    question[40..42].copy_from_slice(&sum.to_be_bytes());
    let offload = Offload { checksum: Checksum::Partial { start: 34, offset: 6 }, segment: None };
    for able in [false, true] {
        let (mut world, _, one, other, counters) =
            shelves(10, Offloads { checksum: able, ..Offloads::default() });
        one.put(&question, offload);
        one.put(&question[..40], offload);
        settle(&mut world);
        let frames = other.0.leaving.take();
        assert_eq!((frames.len(), counters.unfit.get()), (1, 1), "the second ends before its checksum");
        if able {
            assert_eq!((&frames[0].buffer[..], frames[0].offload), (&question[..], offload));
        } else {
            assert_eq!((&frames[0].buffer[..], frames[0].offload), (&whole[..], Offload::default()));
            assert_eq!(read_udp(&frames[0].buffer), Some((5000, 7, b"partial".to_vec())));
        }
    }
}

#[test]
fn a_frame_longer_than_a_card_sends_is_lost_and_counted() {
    let (mut world, _, one, other, counters) = shelves(10, Offloads::default());
    one.put(&pattern(1518), Offload::default());
    one.put(&pattern(1519), Offload::default());
    settle(&mut world);
    assert_eq!(other.0.leaving.borrow().len(), 1, "with a tag it is not too long");
    assert_eq!(counters.unfit.get(), 1);
}

#[test]
fn a_cable_sleeps_while_nothing_passes() {
    let (mut world, _, one, _, counters) = shelves(10, Offloads::default());
    settle(&mut world);
    let turns = counters.turns.get();
    let time = world.time.clone();
    world.run(time.sleep(Duration::from_secs(100)));
    assert_eq!(counters.turns.get(), turns);
    one.put(&pattern(60), Offload::default());
    settle(&mut world);
    assert_eq!(counters.frames.get(), 1);
}
