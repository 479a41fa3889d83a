//! A device that breaks the rules ends its queue; nothing panics and no buffer is lost or given out twice.

use crate::common::{TestDevice, device, numbered, pool, post, send};
use unik_testkit::{DeviceModel, Random, Setup};
use unik_virtio::{Buffer, Device, Direction, Error};

/// The queue is dead, keeps its buffers while the device lives, and gives all of them back afterwards.
fn assert_dead(mut device: TestDevice, pool: &unik_virtio::Pool, held: usize) {
    for _ in 0..3 {
        assert_eq!(device.complete(0).unwrap_err(), Error::DeviceBroken);
    }
    assert!(device.is_broken());
    assert_eq!(device.free(0), 0);
    assert!(!device.unmask(0), "there is nothing to go on with");
    assert_eq!(device.counters().device_errors, 1);
    let buffer = numbered(pool, 0);
    let rejected = device.submit(0, buffer, Direction::ToDevice).unwrap_err();
    assert_eq!(rejected.reason, Error::DeviceBroken);
    let rejected = device.submit_split(0, rejected.buffer, 2, Direction::ToDevice).unwrap_err();
    assert_eq!(rejected.reason, Error::DeviceBroken);
    drop(rejected);
    device.kick(0);
    assert_eq!(pool.capacity() - pool.available(), held);
    drop(device);
    assert_eq!(pool.available(), pool.capacity());
}

#[test]
fn an_id_outside_the_queue_is_refused() {
    for id in [4, 5, 0x1_0000, 0x1_0001, u32::MAX] {
        let (mut device, model) = device(&[4], true);
        let pool = pool(8);
        send(&mut device, &pool, 0);
        send(&mut device, &pool, 1);
        model.lie_used(0, id, 0);
        assert_dead(device, &pool, 2);
    }
}

#[test]
fn an_id_that_the_device_does_not_have_is_refused() {
    let (mut device, model) = device(&[4], true);
    let pool = pool(8);
    send(&mut device, &pool, 0);
    let head = model.take(0).unwrap().head;
    model.lie_used(0, u32::from(head) + 1, 0);
    assert_dead(device, &pool, 1);
}

#[test]
fn the_second_half_of_a_chain_is_not_a_chain() {
    let (mut device, model) = device(&[4], true);
    let pool = pool(8);
    device.submit_split(0, numbered(&pool, 0), 2, Direction::ToDevice).unwrap();
    let head = model.take(0).unwrap().head;
    model.lie_used(0, u32::from(head) + 1, 0);
    assert_dead(device, &pool, 1);
}

#[test]
fn the_same_id_twice_gives_the_buffer_once() {
    let (mut device, model) = device(&[4], true);
    let pool = pool(8);
    send(&mut device, &pool, 0);
    send(&mut device, &pool, 1);
    let chain = model.take(0).unwrap();
    model.give_back(0, &chain, b"");
    model.give_back(0, &chain, b"");
    let buffer = device.complete(0).unwrap().unwrap();
    assert_eq!(device.complete(0).unwrap_err(), Error::DeviceBroken);
    drop(buffer);
    assert_dead(device, &pool, 1);
}

#[test]
fn more_bytes_than_there_was_room_for_are_refused() {
    for written in [Buffer::CAPACITY as u32 + 1, 0x1_0000, 0x1_0001, u32::MAX] {
        let (mut device, model) = device(&[4], true);
        let pool = pool(8);
        post(&mut device, &pool);
        let head = model.take(0).unwrap().head;
        model.lie_used(0, u32::from(head), written);
        assert_dead(device, &pool, 1);
    }
}

#[test]
fn the_whole_room_may_be_written() {
    let (mut device, model) = device(&[4], true);
    let pool = pool(8);
    post(&mut device, &pool);
    let chain = model.take(0).unwrap();
    model.give_back(0, &chain, &[7; Buffer::CAPACITY]);
    assert_eq!(&device.complete(0).unwrap().unwrap()[..], [7; Buffer::CAPACITY]);
}

#[test]
fn the_length_of_what_the_device_only_read_means_nothing() {
    let (mut device, model) = device(&[4], true);
    let pool = pool(8);
    send(&mut device, &pool, 9);
    let head = model.take(0).unwrap().head;
    model.lie_used(0, u32::from(head), u32::MAX);
    assert_eq!(crate::common::number(&device.complete(0).unwrap().unwrap()), 9);
}

#[test]
fn an_index_that_jumps_is_refused() {
    for count in [3, 4, 5, 0x7fff, 0x8000, 0xffff] {
        let (mut device, model) = device(&[4], true);
        let pool = pool(8);
        send(&mut device, &pool, 0);
        send(&mut device, &pool, 1);
        model.lie_used_index(0, count);
        assert_dead(device, &pool, 2);
    }
}

#[test]
fn an_index_that_goes_back_is_refused() {
    let (mut device, model) = device(&[4], true);
    let pool = pool(8);
    send(&mut device, &pool, 0);
    model.serve(0, |_| Vec::new());
    assert!(device.complete(0).unwrap().is_some());
    model.lie_used_index(0, 0_u16.wrapping_sub(1));
    assert_dead(device, &pool, 0);
}

#[test]
fn an_index_that_moves_without_an_element_gives_at_most_what_the_device_has() {
    let (mut device, model) = device(&[4], true);
    let pool = pool(8);
    // The zeroed element names chain 0, which the device has: it may as well have returned it.
    send(&mut device, &pool, 0);
    model.lie_used_index(0, 1);
    assert!(device.complete(0).unwrap().is_some());
    assert!(device.complete(0).unwrap().is_none());
    send(&mut device, &pool, 1);
    send(&mut device, &pool, 2);
    model.lie_used_index(0, 2);
    let first = device.complete(0).unwrap();
    assert!(first.is_some());
    drop(first);
    assert_dead(device, &pool, 1);
}

#[test]
fn other_queues_live_on() {
    let (mut device, model) = device(&[4, 4], true);
    let pool = pool(8);
    send(&mut device, &pool, 0);
    model.lie_used(0, 99, 0);
    assert_eq!(device.complete(0).unwrap_err(), Error::DeviceBroken);
    device.submit(1, numbered(&pool, 7), Direction::ToDevice).unwrap();
    model.serve(1, |_| Vec::new());
    assert_eq!(crate::common::number(&device.complete(1).unwrap().unwrap()), 7);
}

#[test]
fn a_scribbled_descriptor_table_does_not_confuse_the_driver() {
    let (mut device, model) = device(&[4], true);
    let pool = pool(8);
    for value in 0..4 {
        send(&mut device, &pool, value);
    }
    let chains: Vec<_> = std::iter::from_fn(|| model.take(0)).collect();
    model.lie_scribble(0, 0xff);
    for chain in &chains {
        model.give_back(0, chain, b"");
    }
    for value in 0..4 {
        assert_eq!(crate::common::number(&device.complete(0).unwrap().unwrap()), value);
    }
    for value in 4..8 {
        send(&mut device, &pool, value);
    }
    assert_eq!(device.free(0), 0);
}

#[test]
fn random_lies_never_panic_and_never_duplicate_a_buffer() {
    for seed in 0..2_000 {
        let mut random = Random::new(seed);
        let event_index = random.one_in(2);
        let (mut device, model) = device(&[1 << random.below(5)], event_index);
        let pool = pool(32);
        let mut ring = vec![0; 6 + 8 * device.queue_size(0)];
        let mut held = Vec::new();
        for _ in 0..50 {
            if let Some(buffer) = pool.allocate() {
                let _ = match random.below(3) {
                    0 => device.submit(0, buffer, Direction::FromDevice),
                    1 => device.submit_split(0, buffer, 12, Direction::FromDevice),
                    _ => device.submit(0, buffer, Direction::ToDevice),
                };
            }
            random.fill(&mut ring);
            // Mostly small numbers: the lies that come closest to the truth.
            for byte in &mut ring {
                *byte = if random.one_in(4) { *byte & 3 } else { 0 };
            }
            model.lie_used_ring(0, &ring);
            if let Ok(Some(buffer)) = device.complete(0) {
                assert!(buffer.len() <= buffer.room());
                assert!(!held.contains(&buffer.as_ptr()), "seed {seed}: a buffer came back twice");
                held.push(buffer.as_ptr());
                if random.one_in(2) {
                    held.pop();
                    drop(buffer);
                } else {
                    std::mem::forget(buffer);
                }
            }
            device.kick(0);
            device.unmask(0);
            device.mask(0);
        }
        drop(device);
        assert_eq!(pool.capacity() - pool.available(), held.len(), "seed {seed}");
    }
}

#[test]
fn a_device_that_refuses_features_is_not_driven() {
    let model = DeviceModel::new(Setup::default());
    model.lie_about_features();
    let refused = Device::<unik_testkit::HostHal, _>::try_new(model.transport(), 0, &[4]);
    assert_eq!(refused.err(), Some(Error::FeaturesRefused));
    assert_eq!(model.resets(), 2, "once before, once after");
}

#[test]
fn a_configuration_that_never_stays_the_same_is_given_up() {
    let model = DeviceModel::new(Setup { configuration: vec![1, 2, 3, 4], ..Setup::default() });
    let device: TestDevice = Device::try_new(model.transport(), 0, &[4]).unwrap();
    assert_eq!(device.read_config::<[u8; 2]>(1), Ok([2, 3]));
    assert_eq!(device.read_config::<u32>(0), Ok(0x0403_0201));
    assert_eq!(device.read_config::<u32>(2), Err(Error::NoSuchConfiguration), "not aligned");
    assert_eq!(device.read_config::<u64>(0), Err(Error::NoSuchConfiguration), "not there");
    assert_eq!(device.read_config::<u8>(usize::MAX), Err(Error::NoSuchConfiguration));
    model.lie_about_configuration();
    assert_eq!(device.read_config::<u32>(0), Err(Error::NoSuchConfiguration));
}

#[test]
fn a_device_that_gives_itself_up_is_noticed_by_the_interrupt_that_nothing_explains() {
    let (mut device, model) = device(&[4, 4], true);
    let pool = pool(8);
    post(&mut device, &pool);
    model.give_up();
    assert!(device.acknowledge().configuration);
    assert!(device.complete(0).unwrap().is_none(), "so far it is just silent");
    assert!(device.unmask(0), "there is something to be told");
    for queue in [0, 1] {
        assert_eq!(device.complete(queue).unwrap_err(), Error::NeedsReset);
    }
    assert!(!device.unmask(0), "and that is all");
    assert!(device.is_broken());
    assert_eq!(device.counters().device_errors, 0, "it broke no rule");
    drop(device);
    assert_eq!(model.resets(), 2, "one at the start, one at the end");
    assert_eq!(pool.available(), pool.capacity());
}

#[test]
fn the_status_is_not_asked_for_after_an_interrupt_about_a_queue() {
    let (mut device, model) = device(&[4], true);
    let pool = pool(8);
    send(&mut device, &pool, 0);
    assert_eq!(model.serve(0, |_| Vec::new()), 1);
    model.give_up();
    device.acknowledge();
    assert!(device.complete(0).unwrap().is_some());
    assert!(!device.unmask(0), "what was found explains the interrupt");
}
