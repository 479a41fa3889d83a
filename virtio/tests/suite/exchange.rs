//! Buffers go to the device and come back: contents, order, wrap-around, full queues, both layouts.

use crate::common::{chain_number, device, number, numbered, pool, post, send, with_setup};
use unik_testkit::{Random, Setup};
use unik_virtio::{Buffer, Device, Direction, Error, Pool};

#[test]
fn the_device_reads_what_was_submitted() {
    let (mut device, model) = device(&[4], true);
    let pool = pool(1);
    let mut buffer = pool.allocate().unwrap();
    buffer.copy_from(b"body").unwrap();
    buffer.grow_front(5).unwrap().copy_from_slice(b"head:");
    device.submit(0, buffer, Direction::ToDevice).unwrap();
    let chain = model.take(0).unwrap();
    assert_eq!(chain.readable, [b"head:body".to_vec()]);
    assert_eq!(chain.writable, []);
    assert!(device.complete(0).unwrap().is_none());
    model.give_back(0, &chain, b"");
    let buffer = device.complete(0).unwrap().unwrap();
    assert_eq!(&buffer[..], b"head:body");
    assert!(device.complete(0).unwrap().is_none());
    assert_eq!(device.counters().completions, 1);
}

#[test]
fn a_received_buffer_has_the_length_that_the_device_wrote() {
    let (mut device, model) = device(&[4], true);
    let pool = pool(1);
    post(&mut device, &pool);
    let chain = model.take(0).unwrap();
    assert_eq!(chain.room(), Buffer::CAPACITY);
    model.give_back(0, &chain, b"frame");
    assert_eq!(&device.complete(0).unwrap().unwrap()[..], b"frame");
}

#[test]
fn headroom_taken_before_receiving_is_written_first() {
    let (mut device, model) = device(&[4], true);
    let mut buffer = pool(1).allocate().unwrap();
    buffer.grow_front(12).unwrap();
    device.submit(0, buffer, Direction::FromDevice).unwrap();
    let chain = model.take(0).unwrap();
    assert_eq!(chain.room(), Buffer::CAPACITY + 12);
    model.give_back(0, &chain, b"twelve bytesframe");
    let mut buffer = device.complete(0).unwrap().unwrap();
    buffer.trim_front(12).unwrap();
    assert_eq!(&buffer[..], b"frame");
    assert_eq!(buffer.headroom(), Buffer::HEADROOM);
}

#[test]
fn indices_wrap_around_past_65535() {
    let (mut device, model) = device(&[8], true);
    let pool = pool(8);
    let mut sent = 0;
    let mut returned = 0;
    while returned < 70_000 {
        for _ in 0..5 {
            send(&mut device, &pool, sent);
            sent += 1;
        }
        device.kick(0);
        model.serve(0, |_| Vec::new());
        while let Some(buffer) = device.complete(0).unwrap() {
            assert_eq!(number(&buffer), returned);
            returned += 1;
        }
        assert_eq!(sent, returned);
    }
    assert_eq!(device.counters().completions, u64::from(returned));
    assert_eq!(device.counters().device_errors, 0);
}

#[test]
fn completions_may_come_in_any_order() {
    let seed = 0x5eed;
    println!("seed {seed:#x}");
    let mut random = Random::new(seed);
    let (mut device, model) = device(&[16], true);
    let pool = pool(16);
    let mut next = 0;
    let mut chains = Vec::new();
    let mut expected = Vec::new();
    for _ in 0..20_000 {
        if device.free(0) > 0 && random.one_in(2) {
            send(&mut device, &pool, next);
            next += 1;
        }
        chains.extend(model.take(0));
        if !chains.is_empty() && random.one_in(3) {
            let chain = chains.swap_remove(random.below(chains.len()));
            expected.push(chain_number(&chain));
            model.give_back(0, &chain, b"");
        }
        if random.one_in(4) {
            while let Some(buffer) = device.complete(0).unwrap() {
                assert_eq!(number(&buffer), expected.remove(0));
            }
            assert!(expected.is_empty());
        }
    }
    assert!(next > 1000);
}

#[test]
fn a_full_queue_gives_the_buffer_back() {
    let (mut device, model) = device(&[4], true);
    let pool = pool(8);
    for value in 0..4 {
        assert_eq!(device.free(0), 4 - value as usize);
        send(&mut device, &pool, value);
    }
    let rejected = device.submit(0, numbered(&pool, 4), Direction::ToDevice).unwrap_err();
    assert_eq!(rejected.reason, Error::QueueFull);
    assert_eq!(number(&rejected.buffer), 4);
    model.serve(0, |_| Vec::new());
    assert_eq!(device.free(0), 0, "a descriptor is free once its buffer was taken back");
    assert!(device.complete(0).unwrap().is_some());
    device.submit(0, rejected.buffer, Direction::ToDevice).unwrap();
    assert_eq!(device.free(0), 0);
}

#[test]
fn an_empty_buffer_is_not_sent() {
    let (mut device, _model) = device(&[4], true);
    let rejected = device.submit(0, pool(1).allocate().unwrap(), Direction::ToDevice).unwrap_err();
    assert_eq!(rejected.reason, Error::BadLength);
    assert_eq!(device.free(0), 4);
}

#[test]
fn a_queue_that_is_not_there_takes_nothing() {
    let (mut device, _model) = device(&[4], true);
    let rejected = device.submit(1, numbered(&pool(1), 0), Direction::ToDevice).unwrap_err();
    assert_eq!(rejected.reason, Error::NoSuchQueue);
    let rejected = device.submit_split(1, rejected.buffer, 2, Direction::ToDevice).unwrap_err();
    assert_eq!(rejected.reason, Error::NoSuchQueue);
    assert_eq!(device.complete(1).unwrap_err(), Error::NoSuchQueue);
    assert_eq!(device.free(1), 0);
    assert!(!device.unmask(1));
    device.mask(1);
    device.kick(1);
}

#[test]
fn memory_that_the_device_cannot_reach_is_refused() {
    let (mut device, _model) = device(&[4], true);
    let rejected = device.submit(0, numbered(&Pool::heap(1), 0), Direction::ToDevice).unwrap_err();
    assert_eq!(rejected.reason, Error::ForeignBuffer);
    let rejected = device.submit_split(0, rejected.buffer, 2, Direction::ToDevice).unwrap_err();
    assert_eq!(rejected.reason, Error::ForeignBuffer);
}

#[test]
fn a_split_buffer_has_a_descriptor_for_its_header() {
    let (mut device, model) = device(&[4], true);
    let pool = pool(4);
    let mut buffer = pool.allocate().unwrap();
    buffer.copy_from(b"headbody").unwrap();
    device.submit_split(0, buffer, 4, Direction::ToDevice).unwrap();
    device.submit_split(0, pool.allocate().unwrap(), 10, Direction::FromDevice).unwrap();
    assert_eq!(device.free(0), 0);
    let rejected = device.submit_split(0, numbered(&pool, 0), 1, Direction::ToDevice).unwrap_err();
    assert_eq!(rejected.reason, Error::QueueFull);
    let chain = model.take(0).unwrap();
    assert_eq!(chain.readable, [b"head".to_vec(), b"body".to_vec()]);
    model.give_back(0, &chain, b"");
    let chain = model.take(0).unwrap();
    assert_eq!(chain.writable.iter().map(|part| part.1).collect::<Vec<_>>(), [10, 1974]);
    model.give_back(0, &chain, b"ten bytes.and the rest");
    assert_eq!(&device.complete(0).unwrap().unwrap()[..], b"headbody");
    assert_eq!(&device.complete(0).unwrap().unwrap()[..], b"ten bytes.and the rest");
    assert_eq!(device.free(0), 4);
}

#[test]
fn a_header_is_shorter_than_its_buffer_and_not_empty() {
    let (mut device, _model) = device(&[4], true);
    let mut buffer = numbered(&pool(1), 0);
    for header in [0, 4, 5, usize::MAX] {
        let rejected = device.submit_split(0, buffer, header, Direction::ToDevice).unwrap_err();
        assert_eq!(rejected.reason, Error::BadLength);
        buffer = rejected.buffer;
    }
    device.submit_split(0, buffer, 3, Direction::ToDevice).unwrap();
}

#[test]
fn whole_and_split_buffers_mix_at_random() {
    let seed = 0xc0ffee;
    println!("seed {seed:#x}");
    let mut random = Random::new(seed);
    let (mut device, model) = device(&[32], true);
    let pool = pool(32);
    let mut chains = Vec::new();
    let mut with_device = 0;
    for value in 0..50_000 {
        let split = random.one_in(2);
        let needed = if split { 2 } else { 1 };
        if device.free(0) >= needed {
            let buffer = numbered(&pool, value);
            if split {
                device.submit_split(0, buffer, 1 + random.below(3), Direction::ToDevice).unwrap();
            } else {
                device.submit(0, buffer, Direction::ToDevice).unwrap();
            }
            with_device += 1;
        }
        chains.extend(model.take(0));
        if !chains.is_empty() && random.one_in(2) {
            let chain = chains.swap_remove(random.below(chains.len()));
            model.give_back(0, &chain, b"");
            let buffer = device.complete(0).unwrap().unwrap();
            assert_eq!(number(&buffer), chain_number(&chain));
            with_device -= 1;
        }
        assert_eq!(pool.capacity() - pool.available(), with_device);
    }
}

#[test]
fn a_legacy_device_is_driven_in_its_layout() {
    let setup = Setup { legacy: true, queue_sizes: vec![128, 8], ..Setup::default() };
    let (mut device, model) = with_setup(setup);
    let addresses = model.addresses(0).unwrap();
    assert_eq!(addresses.used % 4096, 0);
    assert!(!device.any_layout());
    let pool = pool(8);
    for value in 0..1000 {
        send(&mut device, &pool, value);
        device.kick(0);
        model.serve(0, |_| Vec::new());
        assert_eq!(number(&device.complete(0).unwrap().unwrap()), value);
    }
}

#[test]
fn a_legacy_device_may_take_any_layout() {
    let features = crate::common::EVENT_INDEX | 1 << 27;
    let setup = Setup { legacy: true, features, ..Setup::default() };
    let (device, model) = with_setup(setup);
    assert!(device.any_layout());
    assert_eq!(model.features(), features);
}

#[test]
fn queues_of_one_and_of_the_largest_size_work() {
    for size in [1, 2, 32768] {
        let (mut device, model) = device(&[size], true);
        assert_eq!(device.queue_size(0), usize::from(size));
        let pool = pool(1);
        for value in 0..10 {
            send(&mut device, &pool, value);
            model.serve(0, |_| Vec::new());
            assert_eq!(number(&device.complete(0).unwrap().unwrap()), value);
        }
    }
}

#[test]
fn the_largest_queue_can_be_filled_and_wraps_its_index() {
    let (mut device, model) = device(&[32768], true);
    let pool = pool(32768);
    for round in 0..3 {
        for value in 0..32768 {
            send(&mut device, &pool, value);
        }
        assert_eq!(device.free(0), 0, "round {round}");
        assert_eq!(model.serve(0, |_| Vec::new()), 32768);
        for value in 0..32768 {
            assert_eq!(number(&device.complete(0).unwrap().unwrap()), value);
        }
    }
}

#[test]
fn a_buffer_moves_between_the_queues_of_two_devices() {
    let (mut left, left_model) = device(&[4, 4], true);
    let (mut right, right_model) = device(&[4, 4], true);
    let pool = pool(4);
    post(&mut left, &pool);
    left_model.serve(0, |_| b"a frame".to_vec());
    let frame = left.complete(0).unwrap().unwrap();
    right.submit(1, frame, Direction::ToDevice).unwrap();
    drop(left);
    let mut seen = Vec::new();
    right_model.serve(1, |chain| {
        seen = chain.bytes();
        Vec::new()
    });
    assert_eq!(seen, b"a frame");
    let frame = right.complete(1).unwrap().unwrap();
    assert_eq!(pool.available(), 3);
    drop(frame);
    assert_eq!(pool.available(), 4);
}

#[test]
fn queues_are_clipped_to_what_the_device_offers() {
    let model = unik_testkit::DeviceModel::new(Setup { queue_sizes: vec![64, 16], ..Setup::default() });
    let device: crate::common::TestDevice = Device::try_new(model.transport(), 0, &[100, 256]).unwrap();
    assert_eq!(device.queue_size(0), 64, "rounded down to a power of two");
    assert_eq!(device.queue_size(1), 16);
    assert_eq!(model.addresses(1).unwrap().size, 16);
}
