//! The simulated wire itself.

use unik_net::{Nic, wire::Conditions};
use unik_sched::time::{Duration, Instant};

use crate::world::World;

fn send(world: &mut World, byte: u8) -> bool {
    let end = world.left.as_mut().unwrap();
    let mut buffer = end.allocate(60).unwrap();
    buffer.copy_from(&[byte; 60]).unwrap();
    end.transmit(buffer.into()).is_ok()
}

fn received(world: &mut World) -> Vec<u8> {
    let end = world.right.as_mut().unwrap();
    std::iter::from_fn(|| end.receive()).map(|frame| frame.buffer[0]).collect()
}

#[test]
fn a_frame_arrives_after_the_delay_and_not_before() {
    let mut world = World::new(Conditions::default(), 1);
    assert!(send(&mut world, 1));
    assert_eq!(received(&mut world), []);
    world.clock.advance(Duration::from_micros(49));
    assert_eq!(received(&mut world), []);
    world.clock.advance(Duration::from_micros(1));
    assert_eq!(received(&mut world), [1]);
}

#[test]
fn a_sleeping_end_is_told_of_a_frame_when_it_is_due() {
    let mut world = World::new(Conditions::default(), 1);
    let event = world.right.as_ref().unwrap().event();
    assert!(!world.right.as_mut().unwrap().arm());
    send(&mut world, 1);
    world.run(event.wait());
    assert_eq!(world.time.now(), Instant::from_micros(50));
    assert_eq!(received(&mut world), [1]);
}

#[test]
fn the_same_seed_gives_the_same_wire() {
    let conditions =
        Conditions { loss: 200, duplication: 200, reordering: 200, queue: 1000, ..Conditions::default() };
    let course = |seed| {
        let mut world = World::new(conditions, seed);
        let mut all = Vec::new();
        for byte in 0..200 {
            assert!(send(&mut world, byte));
            world.clock.advance(Duration::from_millis(1));
            all.extend(received(&mut world));
        }
        all
    };
    assert_eq!(course(7), course(7));
    assert_ne!(course(7), course(8));
    assert!(course(7).windows(2).any(|pair| pair[0] > pair[1]), "some frames are overtaken");
}

#[test]
fn a_full_queue_refuses_until_a_frame_has_left() {
    let mut world =
        World::new(Conditions { queue: 2, interval: Duration::from_micros(10), ..Conditions::default() }, 1);
    assert!(send(&mut world, 1) && send(&mut world, 2));
    assert!(!send(&mut world, 3));
    let event = world.left.as_ref().unwrap().event();
    assert!(!world.left.as_mut().unwrap().arm());
    world.run(event.wait());
    assert_eq!(world.time.now(), Instant::from_micros(10));
    assert!(send(&mut world, 3));
}

#[test]
fn a_tap_records_what_is_put_onto_the_wire() {
    let mut world = World::new(Conditions { loss: 1000, ..Conditions::default() }, 1);
    world.clock.advance(Duration::from_micros(1_500_000));
    send(&mut world, 9);
    let frames = world.tap.frames();
    assert_eq!(frames.len(), 1);
    assert_eq!(frames[0].0, Instant::from_micros(1_500_000));
    assert_eq!(frames[0].1, [9; 60]);
    assert_eq!(world.tap.file()[..4], [0x4d, 0x3c, 0xb2, 0xa1]);
}

#[test]
fn a_corrupted_frame_arrives_with_one_bit_flipped() {
    let mut world = World::new(Conditions { corruption: 500, ..Conditions::default() }, 1);
    let mut flipped = 0;
    for _ in 0..100 {
        assert!(send(&mut world, 0));
        world.clock.advance(Duration::from_millis(1));
        let frame = world.right.as_mut().unwrap().receive().expect("none is lost").buffer;
        let bits: u32 = frame.iter().map(|byte| byte.count_ones()).sum();
        assert!(bits <= 1);
        flipped += bits;
    }
    let counters = world.left.as_ref().unwrap().wire_counters();
    assert_eq!(u64::from(flipped), counters.corrupted.get());
    assert!((30..70).contains(&flipped), "{flipped} of 100");
}
