//! Network frames in batches: there and back, beside whatever else a queue holds, and with a device that lies.

use std::iter;

use crate::common::{EVENT_INDEX, TestDevice, chain_number, device, numbered, pool, send, with_setup};
use unik_testkit::{Chain, DeviceModel, HostHal, Random, Setup};
use unik_virtio::{Batch, Buffer, Device, Direction, Error, NET_HEADER, Pool};

const INDIRECT: u64 = 1 << 28;

/// What a device writes in front of a frame about which nothing is left to do: there is one buffer.
const PLAIN: [u8; NET_HEADER] = [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0];

/// A device that takes tables of descriptors.
fn with_tables(size: u16) -> (TestDevice, DeviceModel) {
    let setup = Setup { features: EVENT_INDEX | INDIRECT, queue_sizes: vec![size], ..Setup::default() };
    with_setup(setup)
}

/// A frame behind a header.
fn behind(header: [u8; NET_HEADER], number: u32) -> Vec<u8> {
    [&header[..], &number.to_le_bytes()].concat()
}

/// Has so many buffers posted, and takes them as the device.
fn posted(device: &mut TestDevice, model: &DeviceModel, pool: &Pool, count: usize) -> Vec<Chain> {
    assert_eq!(device.post(0, pool, NET_HEADER, count), count);
    let chains: Vec<Chain> = iter::from_fn(|| model.take(0)).collect();
    assert_eq!(chains.len(), count);
    chains
}

/// The numbers of the frames of a batch, which then is empty.
fn numbers(batch: &mut Batch) -> Vec<u32> {
    iter::from_fn(|| batch.pop()).map(|buffer| crate::common::number(&buffer)).collect()
}

/// The queue is dead, by one break of the rules, and everything comes back with the end of the device.
fn assert_dead(mut device: TestDevice, pool: &Pool) {
    let mut batch = Batch::new();
    for _ in 0..2 {
        assert_eq!(device.receive_batch(0, &mut batch), Err(Error::DeviceBroken));
        assert_eq!(device.reclaim_batch(0), Err(Error::DeviceBroken));
        assert_eq!(device.complete(0).unwrap_err(), Error::DeviceBroken);
    }
    assert_eq!(device.counters().device_errors, 1);
    assert_eq!((device.post(0, pool, NET_HEADER, 1), device.free(0)), (0, 0));
    assert!(batch.push(numbered(pool, 0)).is_ok());
    assert_eq!((device.send_batch(0, &mut batch), batch.len()), (0, 1));
    drop((device, batch));
    assert_eq!(pool.available(), pool.capacity());
}

#[test]
fn frames_come_without_their_headers_and_in_the_order_of_the_device() {
    let (mut device, model) = device(&[8], true);
    let pool = pool(8);
    let mut batch = Batch::new();
    for round in 0..10_000 {
        let chains = posted(&mut device, &model, &pool, 8);
        for (number, chain) in (round..).zip(chains.iter().rev()) {
            assert_eq!(chain.room(), Buffer::CAPACITY + NET_HEADER);
            model.give_back(0, chain, &behind(PLAIN, number));
        }
        assert_eq!((device.receive_batch(0, &mut batch), device.free(0)), (Ok(8), 8));
        let headroom = batch.get(0).map(|buffer| buffer.headroom());
        assert_eq!(headroom, Some(Buffer::HEADROOM));
        assert_eq!(numbers(&mut batch), (round..round + 8).collect::<Vec<_>>());
    }
    assert_eq!((device.counters().completions, pool.available()), (80_000, 8));
}

#[test]
fn a_batch_that_is_full_leaves_the_rest() {
    let (mut device, model) = device(&[128], true);
    let pool = pool(128);
    for (number, chain) in (0..).zip(posted(&mut device, &model, &pool, 100)) {
        model.give_back(0, &chain, &behind(PLAIN, number));
    }
    let mut batch = Batch::new();
    assert_eq!(device.receive_batch(0, &mut batch), Ok(Batch::SIZE));
    assert_eq!(device.receive_batch(0, &mut batch), Ok(0));
    assert_eq!(numbers(&mut batch), (0..64).collect::<Vec<_>>());
    assert_eq!(device.receive_batch(0, &mut batch), Ok(36));
    assert_eq!(numbers(&mut batch), (64..100).collect::<Vec<_>>());
}

#[test]
fn a_header_that_says_something_ends_a_batch_and_is_left_to_be_judged() {
    let told: [(usize, u8); 5] = [(0, 1), (1, 1), (1, 4), (10, 2), (11, 1)];
    for (place, value) in told {
        let (mut device, model) = device(&[4], true);
        let pool = pool(8);
        let mut header = PLAIN;
        header[place] = value;
        let chains = posted(&mut device, &model, &pool, 3);
        for (number, header) in [(0, PLAIN), (1, header), (2, PLAIN)] {
            model.give_back(0, &chains[number as usize], &behind(header, number));
        }
        let mut batch = Batch::new();
        assert_eq!(device.receive_batch(0, &mut batch), Ok(1));
        assert_eq!(device.receive_batch(0, &mut batch), Ok(0), "nobody has taken it");
        let single = device.complete(0).unwrap().unwrap();
        assert_eq!(&single[..], behind(header, 1));
        assert_eq!(device.receive_batch(0, &mut batch), Ok(1));
        assert_eq!(numbers(&mut batch), [0, 2]);
    }
}

#[test]
fn a_frame_shorter_than_its_header_ends_a_batch() {
    for length in 0..=NET_HEADER {
        let (mut device, model) = device(&[4], true);
        let pool = pool(8);
        let chains = posted(&mut device, &model, &pool, 2);
        model.give_back(0, &chains[0], &PLAIN[..length]);
        model.give_back(0, &chains[1], &behind(PLAIN, 1));
        let mut batch = Batch::new();
        assert_eq!(device.receive_batch(0, &mut batch), Ok(0));
        assert_eq!(&device.complete(0).unwrap().unwrap()[..], &PLAIN[..length]);
        assert_eq!(device.receive_batch(0, &mut batch), Ok(1));
    }
}

#[test]
fn a_frame_longer_than_its_buffer_ends_the_queue() {
    let most = (Buffer::CAPACITY + NET_HEADER) as u32;
    for written in [most + 1, 2048, 4096, 0xffff, 0x1_0000, 0x1_000d, 0x1_0040, u32::MAX] {
        let (mut device, model) = device(&[4], true);
        let pool = pool(8);
        let chains = posted(&mut device, &model, &pool, 2);
        model.give_back(0, &chains[0], &behind(PLAIN, 7));
        model.lie_used(0, chains[1].head.into(), written);
        let mut batch = Batch::new();
        assert_eq!(device.receive_batch(0, &mut batch), Ok(1), "{written}");
        assert_eq!(numbers(&mut batch), [7]);
        assert_eq!(device.complete(0).unwrap_err(), Error::DeviceBroken, "{written}");
        assert_dead(device, &pool);
    }
}

#[test]
fn a_buffer_may_be_filled_to_its_end() {
    let (mut device, model) = device(&[4], true);
    let pool = pool(8);
    let [chain] = &posted(&mut device, &model, &pool, 1)[..] else { panic!("one was posted") };
    let mut frame = vec![7; Buffer::CAPACITY + NET_HEADER];
    frame[..NET_HEADER].copy_from_slice(&PLAIN);
    model.give_back(0, chain, &frame);
    let mut batch = Batch::new();
    assert_eq!(device.receive_batch(0, &mut batch), Ok(1));
    assert_eq!(batch.get(0).map(|buffer| &buffer[..]), Some(&[7; Buffer::CAPACITY][..]));
}

/// Ids that the device does not have: outside of the queue, one that it gave back, and one that is free.
#[test]
fn what_the_device_does_not_have_ends_the_queue() {
    for lie in [0, 1, 2, 4, 0x1_0000, u32::MAX] {
        let (mut device, model) = device(&[4], true);
        let pool = pool(8);
        let chains = posted(&mut device, &model, &pool, 2);
        let heads: Vec<u32> = chains.iter().map(|chain| chain.head.into()).collect();
        model.give_back(0, &chains[0], &behind(PLAIN, 1));
        let is_second = lie == heads[1];
        model.lie_used(0, lie, 16);
        let mut batch = Batch::new();
        let count = device.receive_batch(0, &mut batch).unwrap();
        if is_second {
            // That one it has. What is in the buffer is what was there before, which begins with zeroes.
            assert_eq!(count, 2);
            continue;
        }
        assert_eq!((count, numbers(&mut batch)), (1, vec![1]));
        assert_eq!(device.complete(0).unwrap_err(), Error::DeviceBroken);
        assert_dead(device, &pool);
    }
}

#[test]
fn an_index_that_runs_ahead_ends_the_queue() {
    for count in [3, 5, 0x7fff, 0xffff] {
        let (mut device, model) = device(&[4], true);
        let pool = pool(8);
        posted(&mut device, &model, &pool, 2);
        model.lie_used_index(0, count);
        assert_eq!(device.receive_batch(0, &mut Batch::new()), Err(Error::DeviceBroken));
        assert_dead(device, &pool);
        let (mut device, model) = with_tables(4);
        send(&mut device, &pool, 0);
        model.lie_used_index(0, count);
        assert_eq!(device.reclaim_batch(0), Err(Error::DeviceBroken));
        assert_dead(device, &pool);
    }
}

#[test]
fn batches_leave_behind_headers_that_say_nothing() {
    let (mut device, model) = device(&[4], true);
    let pool = pool(8);
    let mut batch = Batch::new();
    for number in 0..6 {
        let mut buffer = numbered(&pool, number);
        // What was there before is not sent.
        buffer.grow_front(Buffer::HEADROOM).unwrap().fill(0xff);
        buffer.trim_front(Buffer::HEADROOM).unwrap();
        assert!(batch.push(buffer).is_ok());
    }
    assert_eq!((device.send_batch(0, &mut batch), batch.len(), device.free(0)), (4, 2, 0));
    for number in 0..4 {
        let chain = model.take(0).unwrap();
        assert_eq!(chain.bytes(), behind([0; NET_HEADER], number));
        model.give_back(0, &chain, b"");
    }
    assert_eq!((device.reclaim_batch(0), device.free(0), pool.available()), (Ok(4), 4, 6));
    assert_eq!(numbers(&mut batch), [4, 5]);
}

#[test]
fn a_buffer_that_cannot_go_in_a_batch_stays_with_all_behind_it() {
    let foreign = Pool::heap(1);
    let odd: [&dyn Fn(&Pool) -> Buffer; 3] = [
        &|pool| {
            let mut chained = numbered(pool, 1);
            assert!(chained.append(numbered(pool, 2)).is_ok());
            chained
        },
        &|_| numbered(&foreign, 1),
        &|pool| {
            let mut without_room = numbered(pool, 1);
            without_room.grow_front(Buffer::HEADROOM - NET_HEADER + 1).unwrap();
            without_room
        },
    ];
    for odd in odd {
        let (mut device, _model) = device(&[8], true);
        let pool = pool(8);
        let mut batch = Batch::new();
        let odd = odd(&pool);
        let (headroom, length) = (odd.headroom(), odd.total_len());
        for buffer in [numbered(&pool, 0), odd, numbered(&pool, 3)] {
            assert!(batch.push(buffer).is_ok());
        }
        assert_eq!((device.send_batch(0, &mut batch), batch.len(), device.free(0)), (1, 2, 7));
        let odd = batch.pop().unwrap();
        assert_eq!((odd.headroom(), odd.total_len()), (headroom, length), "it is as it was");
    }
}

#[test]
fn what_was_sent_in_one_way_or_another_is_taken_back_together() {
    for tables in [false, true] {
        let (mut device, model) = if tables { with_tables(16) } else { device(&[16], true) };
        let pool = pool(16);
        let mut batch = Batch::new();
        for round in 0..5_000 {
            for number in 0..3 {
                assert!(batch.push(numbered(&pool, number)).is_ok());
            }
            assert_eq!(device.send_batch(0, &mut batch), 3);
            let mut chained = numbered(&pool, 3);
            assert!(chained.append(numbered(&pool, 4)).is_ok());
            device.submit_chain(0, chained).unwrap();
            device.submit_split(0, numbered(&pool, 5), 2, Direction::ToDevice).unwrap();
            send(&mut device, &pool, 6);
            let mut chains: Vec<Chain> = iter::from_fn(|| model.take(0)).collect();
            chains.rotate_left(round % 6);
            chains.iter().for_each(|chain| model.give_back(0, chain, b""));
            assert_eq!((device.reclaim_batch(0), device.free(0), pool.available()), (Ok(6), 16, 16));
        }
        assert_eq!(device.counters().completions, 30_000);
    }
}

#[test]
fn taking_back_ends_the_queue_where_the_device_lies() {
    // The second one of a chain, one that was given back, one that is free, and none of the queue.
    for lie in [1, 2, 3, 4, u32::MAX] {
        let (mut device, model) = device(&[4], true);
        let pool = pool(8);
        let mut chained = numbered(&pool, 0);
        assert!(chained.append(numbered(&pool, 1)).is_ok());
        device.submit_chain(0, chained).unwrap();
        send(&mut device, &pool, 2);
        let chains: Vec<Chain> = iter::from_fn(|| model.take(0)).collect();
        assert_eq!((chains[0].head, chains[1].head), (0, 2));
        model.give_back(0, &chains[1], b"");
        model.lie_used(0, lie, 0);
        assert_eq!(device.reclaim_batch(0), Err(Error::DeviceBroken), "{lie}");
        assert_dead(device, &pool);
    }
}

#[test]
fn a_device_of_the_old_kind_gets_its_header_apart() {
    let setup = Setup { features: 0, queue_sizes: vec![4], legacy: true, ..Setup::default() };
    let model = DeviceModel::new(setup);
    let mut device: TestDevice = Device::try_new(model.transport(), 0, &[4]).unwrap();
    device.start();
    assert!(!device.any_layout());
    let pool = pool(8);
    assert_eq!(device.post(0, &pool, 10, 4), 2, "each takes two descriptors");
    let chain = model.take(0).unwrap();
    let lengths: Vec<u32> = chain.writable.iter().map(|(_, length)| *length).collect();
    assert_eq!(lengths, [10, Buffer::CAPACITY as u32]);
    model.give_back(0, &chain, &[0; 60]);
    assert_eq!(device.receive_batch(0, &mut Batch::new()), Ok(0), "it is none of a batch");
    assert_eq!((device.complete(0).unwrap().unwrap().len(), device.free(0)), (60, 2));
}

#[test]
fn a_pool_ends_with_the_last_of_its_buffers_wherever_that_is() {
    let before = HostHal::pages();
    // In a batch.
    let (first, mut batch) = (pool(2), Batch::new());
    assert!(batch.push(numbered(&first, 0)).is_ok());
    drop(first);
    assert_eq!(numbers(&mut batch), [0]);
    assert_eq!(HostHal::pages(), before);
    // In a queue: what is sent, a chain of which one buffer is left elsewhere, and what is posted.
    let (mut device, model) = with_tables(8);
    let queues = HostHal::pages();
    let second = pool(8);
    assert!(batch.push(numbered(&second, 1)).is_ok());
    assert_eq!(device.send_batch(0, &mut batch), 1);
    let mut chained = numbered(&second, 2);
    assert!(chained.append(numbered(&second, 3)).is_ok());
    device.submit_chain(0, chained).unwrap();
    drop(second);
    for number in [1, 2] {
        let chain = model.take(0).unwrap();
        assert!(HostHal::pages() > queues);
        let bytes = chain.bytes();
        let end = bytes.get(12..).filter(|end| !end.is_empty()).unwrap_or(&bytes);
        assert_eq!(end[..4], u32::to_le_bytes(number));
        model.give_back(0, &chain, b"");
        assert_eq!(device.reclaim_batch(0), Ok(1));
    }
    assert_eq!(HostHal::pages(), queues);
    let third = pool(2);
    assert_eq!(device.post(0, &third, NET_HEADER, 2), 2);
    drop(third);
    assert!(HostHal::pages() > queues);
    drop(device);
    assert_eq!(HostHal::pages(), before);
}

/// Hands something to the device, in one of the ways there are.
fn hand_over(device: &mut TestDevice, pool: &Pool, random: &mut Random) {
    let mut batch = Batch::new();
    match random.below(6) {
        0..3 => drop(device.post(0, pool, NET_HEADER, 1 + random.below(4))),
        3 => {
            (0..2).filter_map(|_| pool.allocate()).for_each(|buffer| drop(batch.push(buffer)));
            device.send_batch(0, &mut batch);
        }
        4 => {
            if let (Some(mut first), Some(mut second)) = (pool.allocate(), pool.allocate()) {
                assert!(first.set_len(9).is_ok() && second.set_len(9).is_ok());
                assert!(first.append(second).is_ok());
                drop(device.submit_chain(0, first));
            }
        }
        _ => drop(pool.allocate().map(|buffer| device.submit_split(0, buffer, 12, Direction::FromDevice))),
    }
}

/// Returns something as the device; mostly what it has, and mostly by the rules.
fn give_back(model: &DeviceModel, taken: &mut Vec<Chain>, random: &mut Random) {
    taken.extend(iter::from_fn(|| model.take(0)));
    if taken.is_empty() {
        return;
    }
    let chain = taken.swap_remove(random.below(taken.len()));
    let mut frame = behind(PLAIN, 7);
    frame[random.below(16)] = if random.one_in(4) { random.below(3) as u8 } else { 0 };
    frame.truncate(chain.room().min(frame.len() - if random.one_in(8) { random.below(16) } else { 0 }));
    if random.one_in(10) {
        let id = [u32::from(chain.head), random.below(20) as u32, u32::MAX][random.below(3)];
        let written = [0, 12, 13, 1996, 1997, 2048, 0xffff, 0x1_0010, u32::MAX][random.below(9)];
        model.lie_used(0, id, written);
    } else {
        model.give_back(0, &chain, &frame);
    }
}

/// Takes back what was sent, or what was received, in one of the ways there are.
fn take(device: &mut TestDevice, random: &mut Random) -> Vec<Buffer> {
    let mut batch = Batch::new();
    match random.below(4) {
        0 => drop(device.reclaim_batch(0)),
        1 => return device.complete(0).ok().flatten().into_iter().collect(),
        _ => drop(device.receive_batch(0, &mut batch)),
    }
    iter::from_fn(|| batch.pop()).collect()
}

#[test]
fn random_lies_never_give_a_buffer_twice_nor_more_of_it_than_there_is() {
    let (mut received, mut dead) = (0, 0);
    for seed in 0..5_000 {
        let mut random = Random::new(seed);
        let size = 1 << random.below(5);
        let (mut device, model) = if random.one_in(2) { with_tables(size) } else { device(&[size], true) };
        let pool = pool(32);
        let (mut taken, mut held) = (Vec::new(), Vec::<Buffer>::new());
        for _ in 0..40 {
            hand_over(&mut device, &pool, &mut random);
            (0..random.below(4)).for_each(|_| give_back(&model, &mut taken, &mut random));
            for mut buffer in take(&mut device, &mut random) {
                received += 1;
                assert!(buffer.len() <= buffer.room(), "seed {seed}");
                buffer.fill(seed as u8);
                let place = |buffer: &Buffer| buffer.as_ptr().addr() / 2048;
                let is_new = held.iter().all(|other| place(other) != place(&buffer));
                assert!(is_new, "seed {seed}: a buffer came back twice");
                held.push(buffer);
            }
            if random.one_in(2) {
                held.pop();
            }
        }
        dead += u64::from(device.is_broken());
        assert_eq!(device.counters().device_errors, u64::from(device.is_broken()));
        drop(device);
        let parts: usize = held.iter().map(|buffer| buffer.parts().count()).sum();
        assert_eq!(pool.capacity() - pool.available(), parts, "seed {seed}");
    }
    assert!(received > 20_000 && dead > 1_000, "{received} {dead}");
}

/// A queue that was used by batches and by single buffers, in turns, holds what is expected at any time.
#[test]
fn batches_and_single_buffers_take_turns() {
    let mut random = Random::new(0xba7c);
    let (mut device, model) = with_tables(16);
    let pool = pool(32);
    let (mut batch, mut sent, mut heard) = (Batch::new(), 0u32, 0u32);
    let mut taken: Vec<Chain> = Vec::new();
    for _ in 0..50_000 {
        if device.free(0) > 0 && pool.available() > 0 && random.one_in(2) {
            assert!(batch.push(numbered(&pool, sent)).is_ok());
            assert_eq!(device.send_batch(0, &mut batch), 1);
            sent += 1;
        } else if device.free(0) > 0 && pool.available() > 0 {
            send(&mut device, &pool, sent);
            sent += 1;
        }
        while let Some(chain) = model.take(0) {
            let bytes = chain.bytes();
            assert_eq!(bytes[bytes.len() - 4..], heard.to_le_bytes());
            if bytes.len() == 4 {
                assert_eq!(chain_number(&chain), heard);
            }
            heard += 1;
            taken.push(chain);
        }
        if !taken.is_empty() && random.one_in(2) {
            let chain = taken.swap_remove(random.below(taken.len()));
            model.give_back(0, &chain, b"");
        }
        if random.one_in(3) {
            device.reclaim_batch(0).unwrap();
        }
    }
    taken.iter().for_each(|chain| model.give_back(0, chain, b""));
    device.reclaim_batch(0).unwrap();
    assert_eq!((sent, device.free(0), pool.available()), (heard, 16, 32));
}
