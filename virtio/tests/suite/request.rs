//! Requests: a question, data of several buffers, and a verdict.

use crate::common::{TestDevice, device, pool, with_setup};
use unik_testkit::{Random, Setup};
use unik_virtio::{Buffer, Completion, Direction, Error, Pool};

/// A buffer of `question` and the first of `parts`, followed by the others.
fn request(pool: &Pool, question: &[u8], parts: &[&[u8]]) -> Buffer {
    let mut first = pool.allocate().unwrap();
    first.copy_from(&[question, parts.first().copied().unwrap_or_default()].concat()).unwrap();
    for part in parts.iter().skip(1) {
        let mut buffer = pool.allocate().unwrap();
        buffer.copy_from(part).unwrap();
        assert!(first.append(buffer).is_ok());
    }
    first
}

/// What the device said last.
fn verdict(completion: &mut Completion) -> u8 {
    let verdict = completion.buffer.grow_front(1).unwrap()[0];
    completion.buffer.trim_front(1).unwrap();
    verdict
}

fn completion(device: &mut TestDevice) -> Completion {
    device.complete_request(0).unwrap().unwrap()
}

#[test]
fn data_to_the_device_follows_the_question_and_the_verdict_comes_last() {
    let (mut device, model) = device(&[8], true);
    let pool = pool(4);
    let id =
        device.submit_request(0, request(&pool, b"ask", &[b"one", b"two"]), 3, Direction::ToDevice).unwrap();
    assert_eq!(device.free(0), 4);
    let chain = model.take(0).unwrap();
    assert_eq!(chain.head, id);
    assert_eq!(chain.readable, [b"ask".to_vec(), b"one".to_vec(), b"two".to_vec()]);
    assert_eq!(chain.room(), 1);
    model.give_back(0, &chain, &[9]);
    let mut completion = completion(&mut device);
    assert_eq!((completion.id, completion.written, verdict(&mut completion)), (id, 1, 9));
    assert_eq!(completion.buffer.parts().collect::<Vec<_>>(), [&b"askone"[..], b"two"]);
    assert_eq!(device.free(0), 8);
    drop(completion);
    assert_eq!(pool.available(), 4);
}

#[test]
fn data_from_the_device_lies_behind_the_question_in_its_parts() {
    let (mut device, model) = device(&[8], true);
    let pool = pool(4);
    let buffer = request(&pool, b"ask", &[b"...", b"....", b".."]);
    device.submit_request(0, buffer, 3, Direction::FromDevice).unwrap();
    let chain = model.take(0).unwrap();
    assert_eq!((chain.bytes(), chain.room()), (b"ask".to_vec(), 3 + 4 + 2 + 1));
    model.give_back(0, &chain, b"abcdefghi\x07");
    let mut completion = completion(&mut device);
    assert_eq!((completion.written, verdict(&mut completion)), (10, 7));
    assert_eq!(completion.buffer.parts().collect::<Vec<_>>(), [&b"askabc"[..], b"defg", b"hi"]);
}

#[test]
fn a_request_without_data_is_a_question_and_a_verdict() {
    for direction in [Direction::ToDevice, Direction::FromDevice] {
        let (mut device, model) = device(&[2], true);
        let pool = pool(3);
        device.submit_request(0, request(&pool, b"ask", &[]), 3, direction).unwrap();
        let chain = model.take(0).unwrap();
        assert_eq!((chain.bytes(), chain.room()), (b"ask".to_vec(), 1));
        // The question may end where a follower begins.
        let buffer = request(&pool, b"ask", &[b"", b"data"]);
        let rejected = device.submit_request(0, buffer, 3, direction).unwrap_err();
        assert_eq!(rejected.reason, Error::QueueFull);
    }
}

#[test]
fn what_is_no_request_comes_back() {
    let (mut device, _model) = device(&[4], true);
    let pool = pool(8);
    let reason = |device: &mut TestDevice, buffer, question| {
        device.submit_request(0, buffer, question, Direction::FromDevice).unwrap_err().reason
    };
    assert_eq!(reason(&mut device, request(&pool, b"", &[b"data"]), 0), Error::BadLength);
    assert_eq!(reason(&mut device, request(&pool, b"ask", &[]), 4), Error::BadLength);
    assert_eq!(reason(&mut device, request(&pool, b"ask", &[b"data", b""]), 3), Error::BadLength);
    let mut flush = request(&pool, b"ask", &[]);
    flush.grow_front(flush.headroom()).unwrap();
    assert_eq!(reason(&mut device, flush, 3), Error::BadLength);
    assert_eq!(reason(&mut device, request(&pool, b"ask", &[b"a", b"b", b"c"]), 3), Error::QueueFull);
    assert_eq!(reason(&mut device, request(&Pool::heap(1), b"ask", &[]), 3), Error::ForeignBuffer);
    let rejected = device.submit_request(1, request(&pool, b"ask", &[]), 3, Direction::ToDevice).unwrap_err();
    assert_eq!((rejected.reason, &rejected.buffer[..]), (Error::NoSuchQueue, &b"ask"[..]));
    assert!(matches!(device.complete_request(1), Err(Error::NoSuchQueue)));
    assert_eq!((device.free(0), pool.available()), (4, 7));
}

#[test]
fn any_number_of_written_bytes_leaves_the_lengths_alone() {
    for written in [0, 5, u32::MAX] {
        let (mut device, model) = device(&[4], true);
        let pool = pool(2);
        let id =
            device.submit_request(0, request(&pool, b"ask", &[b"data"]), 3, Direction::FromDevice).unwrap();
        model.take(0).unwrap();
        model.lie_used(0, id.into(), written);
        let completion = completion(&mut device);
        assert_eq!((completion.written, completion.buffer.len()), (written, 7));
    }
}

#[test]
fn the_middle_of_a_request_or_one_that_was_answered_ends_the_queue() {
    for number in [1, 2, 0] {
        let (mut device, model) = device(&[8], true);
        let pool = pool(4);
        let buffer = || request(&pool, b"ask", &[b"data"]);
        let id = device.submit_request(0, buffer(), 3, Direction::FromDevice).unwrap();
        device.submit_request(0, buffer(), 3, Direction::FromDevice).unwrap();
        if number == 0 {
            model.lie_used(0, id.into(), 5);
            drop(completion(&mut device));
        }
        model.lie_used(0, u32::from(id) + number, 5);
        assert_eq!(device.complete_request(0).err(), Some(Error::DeviceBroken));
        assert!(device.submit_request(0, buffer(), 3, Direction::FromDevice).is_err());
        drop(device);
        assert_eq!(pool.available(), 4);
    }
}

#[test]
fn requests_of_all_shapes_are_answered_in_any_order() {
    let seed = 0xd15c;
    println!("seed {seed:#x}");
    for legacy in [false, true] {
        let mut random = Random::new(seed);
        let (mut device, model) =
            with_setup(Setup { queue_sizes: vec![32], features: 0, legacy, ..Setup::default() });
        let pool = pool(64);
        let (mut with_device, mut asked) = (Vec::new(), std::collections::BTreeMap::new());
        for value in 0..20_000_u32 {
            let question = value.to_le_bytes();
            let parts = vec![&b"abcd"[..]; random.below(5)];
            let direction = if random.one_in(2) { Direction::ToDevice } else { Direction::FromDevice };
            match device.submit_request(0, request(&pool, &question, &parts), 4, direction) {
                Ok(id) => assert!(asked.insert(id, (value, parts.len())).is_none()),
                Err(rejected) => assert_eq!(rejected.reason, Error::QueueFull),
            }
            with_device.extend(model.take(0));
            if !with_device.is_empty() && random.one_in(2) {
                let taken = with_device.swap_remove(random.below(with_device.len()));
                let room = taken.room();
                model.give_back(0, &taken, &vec![b'z'; room]);
                let mut completion = completion(&mut device);
                let (value, parts) = asked.remove(&completion.id).unwrap();
                assert_eq!((completion.written as usize, verdict(&mut completion)), (room, b'z'));
                assert_eq!(completion.buffer[..4], value.to_le_bytes());
                let data = if room > 1 { b"zzzz" } else { b"abcd" };
                let found: Vec<u8> = completion.buffer.parts().flatten().copied().skip(4).collect();
                assert_eq!(found, data.repeat(parts));
            }
        }
        let held: usize = asked.values().map(|(_, parts)| (*parts).max(1)).sum();
        assert_eq!(pool.available(), 64 - held);
    }
}
