//! Frames of several buffers: in the pool, on their way to the device and back.

use crate::common::{EVENT_INDEX, TestDevice, device, numbered, pool, send, with_setup};
use unik_testkit::{DeviceModel, HostHal, Random, Setup};
use unik_virtio::{Buffer, Direction, Error, Pool};

const INDIRECT: u64 = 1 << 28;

/// A device that takes tables of descriptors.
fn with_tables(size: u16) -> (TestDevice, DeviceModel) {
    let setup = Setup { features: EVENT_INDEX | INDIRECT, queue_sizes: vec![size], ..Setup::default() };
    with_setup(setup)
}

/// A buffer that holds `parts[0]`, followed by others that hold the rest.
fn chain(pool: &Pool, parts: &[&[u8]]) -> Buffer {
    let mut buffers = parts.iter().map(|part| {
        let mut buffer = pool.allocate().unwrap();
        buffer.copy_from(part).unwrap();
        buffer
    });
    let mut first = buffers.next().unwrap();
    for buffer in buffers {
        assert!(first.append(buffer).is_ok());
    }
    first
}

fn parts(buffer: &Buffer) -> Vec<&[u8]> {
    buffer.parts().collect()
}

#[test]
fn the_parts_of_a_chain_come_in_order_and_return_together() {
    let pool = Pool::heap(4);
    let mut first = chain(&pool, &[b"one"]);
    assert!(!first.is_chained());
    assert_eq!((parts(&first), first.total_len()), (vec![&b"one"[..]], 3));
    let mut second = pool.allocate().unwrap();
    second.copy_from(b"head:two").unwrap();
    second.trim_front(5).unwrap();
    assert!(first.append(second).is_ok());
    assert!(first.append(chain(&pool, &[b"three", b"four"])).is_ok());
    assert!(first.is_chained());
    assert_eq!(parts(&first), [&b"one"[..], b"two", b"three", b"four"]);
    assert_eq!((first.len(), first.total_len(), pool.available()), (3, 15, 0));
    first.grow_front(2).unwrap().copy_from_slice(b"> ");
    assert_eq!(parts(&first), [&b"> one"[..], b"two", b"three", b"four"]);
    drop(first);
    assert_eq!(pool.available(), 4);
    assert!(!pool.allocate().unwrap().is_chained());
}

#[test]
fn the_parts_of_a_chain_are_written_where_they_are_read() {
    let pool = Pool::heap(4);
    let mut buffer = chain(&pool, &[b"one", b"three", b"four"]);
    buffer.trim_front(1).unwrap();
    let all: Vec<&mut [u8]> = buffer.parts_mut().collect();
    assert_eq!(all, [&b"ne"[..], b"three", b"four"]);
    for (number, part) in (b'0'..).zip(all) {
        part.fill(number);
    }
    assert_eq!(parts(&buffer), [&b"00"[..], b"11111", b"2222"]);
    let mut single = chain(&pool, &[b"x"]);
    assert_eq!(single.parts_mut().count(), 1);
}

#[test]
fn a_reset_gives_the_followers_back() {
    let pool = Pool::heap(3);
    let mut buffer = chain(&pool, &[b"one", b"two", b"three"]);
    buffer.reset();
    assert_eq!((pool.available(), buffer.is_chained(), buffer.total_len()), (2, false, 0));
}

#[test]
fn only_buffers_of_one_pool_make_a_chain() {
    let (pool, other) = (Pool::heap(2), Pool::heap(2));
    let mut first = chain(&pool, &[b"one"]);
    let refused = first.append(chain(&other, &[b"two", b"three"])).unwrap_err();
    assert_eq!(parts(&refused), [&b"two"[..], b"three"]);
    drop(refused);
    assert_eq!((pool.available(), other.available()), (1, 2));
}

#[test]
fn a_pool_lives_until_the_last_chain_is_gone() {
    let before = HostHal::pages();
    let pool = pool(3);
    let buffer = chain(&pool, &[b"one", b"two", b"three"]);
    drop(pool);
    assert_eq!(parts(&buffer), [&b"one"[..], b"two", b"three"]);
    drop(buffer);
    assert_eq!(HostHal::pages(), before);
}

#[test]
fn chains_grow_and_end_at_random_and_no_slot_is_lost() {
    let seed = 0xcafe;
    println!("seed {seed:#x}");
    let mut random = Random::new(seed);
    let pool = Pool::heap(64);
    let mut chains: Vec<(Buffer, Vec<u32>)> = Vec::new();
    for value in 0..20_000 {
        if pool.available() > 0 {
            chains.push((numbered(&pool, value), vec![value]));
        }
        if chains.len() > 1 && random.one_in(2) {
            let (buffer, values) = chains.swap_remove(random.below(chains.len()));
            let at = random.below(chains.len());
            assert!(chains[at].0.append(buffer).is_ok());
            chains[at].1.extend(values);
        }
        if random.one_in(3) || pool.available() == 0 {
            let (buffer, values) = chains.swap_remove(random.below(chains.len()));
            let found: Vec<u32> =
                buffer.parts().map(|part| u32::from_le_bytes(part.try_into().unwrap())).collect();
            assert_eq!(found, values);
        }
        let held: usize = chains.iter().map(|(_, values)| values.len()).sum();
        assert_eq!(pool.available(), 64 - held);
    }
}

#[test]
fn without_tables_each_part_has_a_descriptor() {
    let (mut device, model) = device(&[4], true);
    let pool = pool(8);
    device.submit_chain(0, chain(&pool, &[b"one", b"two", b"three"])).unwrap();
    assert_eq!(device.free(0), 1);
    let rejected = device.submit_chain(0, chain(&pool, &[b"four", b"five"])).unwrap_err();
    assert_eq!(rejected.reason, Error::QueueFull);
    assert_eq!(parts(&rejected.buffer), [&b"four"[..], b"five"]);
    let taken = model.take(0).unwrap();
    assert_eq!(taken.readable, [b"one".to_vec(), b"two".to_vec(), b"three".to_vec()]);
    model.give_back(0, &taken, b"");
    let buffer = device.complete(0).unwrap().unwrap();
    assert_eq!(parts(&buffer), [&b"one"[..], b"two", b"three"]);
    assert_eq!(device.free(0), 4);
    drop((buffer, rejected));
    assert_eq!(pool.available(), 8);
}

#[test]
fn a_table_takes_one_descriptor_and_one_buffer_until_the_frame_is_back() {
    let (mut device, model) = with_tables(4);
    let pool = pool(40);
    let bytes: Vec<[u8; 2]> = (0..34_u8).map(|number| [number, number]).collect();
    let all: Vec<&[u8]> = bytes.iter().map(|part| &part[..]).collect();
    device.submit_chain(0, chain(&pool, &all)).unwrap();
    assert_eq!((device.free(0), pool.available()), (3, 40 - 35));
    let taken = model.take(0).unwrap();
    assert_eq!(taken.readable, all);
    model.give_back(0, &taken, b"");
    let buffer = device.complete(0).unwrap().unwrap();
    assert_eq!(buffer.total_len(), 68);
    drop(buffer);
    assert_eq!((device.free(0), pool.available()), (4, 40));
}

#[test]
fn without_a_buffer_for_the_table_each_part_has_a_descriptor() {
    let (mut device, model) = with_tables(4);
    let pool = pool(2);
    device.submit_chain(0, chain(&pool, &[b"one", b"two"])).unwrap();
    assert_eq!(device.free(0), 2);
    assert_eq!(model.take(0).unwrap().readable, [b"one".to_vec(), b"two".to_vec()]);
}

#[test]
fn a_full_queue_keeps_no_buffer_for_a_table() {
    let (mut device, _model) = with_tables(1);
    let pool = pool(8);
    send(&mut device, &pool, 0);
    let rejected = device.submit_chain(0, chain(&pool, &[b"one", b"two"])).unwrap_err();
    assert_eq!(rejected.reason, Error::QueueFull);
    assert_eq!(parts(&rejected.buffer), [&b"one"[..], b"two"]);
    assert_eq!(pool.available(), 5);
}

#[test]
fn chains_are_sent_as_chains_and_nothing_in_them_is_empty() {
    let (mut device, _model) = with_tables(8);
    let pool = pool(8);
    let reason = |result: Result<(), unik_virtio::Rejected>| result.unwrap_err().reason;
    let two = || chain(&pool, &[b"one", b"two"]);
    assert_eq!(reason(device.submit(0, two(), Direction::ToDevice)), Error::BadLength);
    assert_eq!(reason(device.submit(0, two(), Direction::FromDevice)), Error::BadLength);
    assert_eq!(reason(device.submit_split(0, two(), 1, Direction::ToDevice)), Error::BadLength);
    assert_eq!(reason(device.submit_chain(0, chain(&pool, &[b"one", b""]))), Error::BadLength);
    assert_eq!(reason(device.submit_chain(0, chain(&pool, &[b"", b"two"]))), Error::BadLength);
    assert_eq!(reason(device.submit_chain(1, two())), Error::NoSuchQueue);
    let foreign = chain(&Pool::heap(2), &[b"one", b"two"]);
    assert_eq!(reason(device.submit_chain(0, foreign)), Error::ForeignBuffer);
    assert_eq!((device.free(0), pool.available()), (8, 8));
}

#[test]
fn the_device_cannot_return_the_middle_of_a_chain() {
    for number in 1..4 {
        let (mut device, model) = device(&[8], true);
        let pool = pool(8);
        device.submit_chain(0, chain(&pool, &[b"one", b"two", b"three"])).unwrap();
        let head = model.take(0).unwrap().head;
        model.lie_used(0, u32::from(head) + number, 0);
        assert_eq!(device.complete(0).unwrap_err(), Error::DeviceBroken);
        assert_eq!(pool.available(), 5, "the chain stays with the device");
        drop(device);
        assert_eq!(pool.available(), 8);
    }
}

#[test]
fn chains_of_all_lengths_mix_with_single_buffers_at_random() {
    let seed = 0xbeef;
    println!("seed {seed:#x}");
    for tables in [false, true] {
        let mut random = Random::new(seed);
        let (mut device, model) = if tables { with_tables(32) } else { device(&[32], true) };
        let pool = pool(64);
        let mut with_device = Vec::new();
        for value in 0..20_000 {
            let length = 1 + random.below(6);
            if pool.available() >= length && device.free(0) >= length {
                let mut buffer = numbered(&pool, value);
                for _ in 1..length {
                    assert!(buffer.append(numbered(&pool, value)).is_ok());
                }
                let sent = if length == 1 {
                    device.submit(0, buffer, Direction::ToDevice)
                } else {
                    device.submit_chain(0, buffer)
                };
                assert!(sent.is_ok());
            }
            with_device.extend(model.take(0));
            if !with_device.is_empty() && random.one_in(2) {
                let taken = with_device.swap_remove(random.below(with_device.len()));
                model.give_back(0, &taken, b"");
                let buffer = device.complete(0).unwrap().unwrap();
                let mut all = buffer.parts().filter(|part| !part.is_empty());
                assert!(all.all(|part| part == taken.readable[0]));
            }
        }
        while let Some(taken) = with_device.pop().or_else(|| model.take(0)) {
            model.give_back(0, &taken, b"");
            drop(device.complete(0).unwrap().unwrap());
        }
        assert_eq!((device.free(0), pool.available()), (32, 64));
    }
}

#[test]
fn buffers_of_other_sizes_have_their_room_and_go_to_the_device_whole() {
    for size in [128, 2048, 4096, 65472] {
        let pool = Pool::try_sized::<HostHal>(3, size).unwrap();
        let mut buffers: Vec<Buffer> = std::iter::from_fn(|| pool.allocate()).collect();
        assert_eq!((buffers.len(), pool.room()), (3, size - Buffer::HEADROOM));
        for (number, buffer) in (1..).zip(&mut buffers) {
            assert_eq!(buffer.set_len(pool.room() + 1), Err(Error::TooLong));
            buffer.set_len(pool.room()).unwrap();
            buffer.grow_front(Buffer::HEADROOM).unwrap();
            buffer.fill(number);
        }
        let (mut device, model) = device(&[4], true);
        for (number, buffer) in (1..).zip(buffers) {
            device.submit(0, buffer, Direction::ToDevice).unwrap();
            assert_eq!(model.take(0).unwrap().bytes(), vec![number; size]);
        }
    }
    assert_eq!(Pool::heap_sized(1, usize::MAX).room(), 65472 - Buffer::HEADROOM);
    assert_eq!(Pool::heap_sized(0, 0).room(), 64);
    assert_eq!(Pool::try_sized::<HostHal>(1, 190).unwrap().room(), 128 - Buffer::HEADROOM);
    for size in [0, 127, 65536, usize::MAX] {
        assert_eq!(Pool::try_sized::<HostHal>(1, size).err(), Some(Error::PoolSize));
    }
}

#[test]
fn a_received_buffer_of_another_size_may_be_filled_to_its_end() {
    let (mut device, model) = device(&[4], true);
    let pool = Pool::try_sized::<HostHal>(1, 65472).unwrap();
    device.submit(0, pool.allocate().unwrap(), Direction::FromDevice).unwrap();
    let taken = model.take(0).unwrap();
    assert_eq!(taken.room(), pool.room());
    model.give_back(0, &taken, &vec![7; pool.room()]);
    let buffer = device.complete(0).unwrap().unwrap();
    assert_eq!(buffer.len(), pool.room());
    assert!(buffer.iter().all(|&byte| byte == 7));
}
