//! TCP over bad wires: every byte arrives, once and in order, for many seeds.

use std::{cell::Cell, rc::Rc};

use embedded_io_async::{Read, Write};
use unik_net::wire::Conditions;
use unik_sched::time::Duration;

use crate::world::{RIGHT, at, pattern, two_on};

/// Sends `length` bytes there and back over a wire, and returns the seconds that it took.
fn echo(conditions: Conditions, seed: u64, length: usize) -> f64 {
    let (mut world, left, right) = two_on(conditions, seed);
    let data = Rc::new(pattern(length));
    let echoed = Rc::new(Cell::new(0));
    let mut listener = world.run(async { right.listen(80).await }).expect("the port is free");
    world.spawn("echo", {
        let echoed = echoed.clone();
        async move {
            let (mut stream, _) = listener.accept().await.expect("a connection comes");
            let mut part = [0; 1024];
            loop {
                let length = stream.read(&mut part).await.expect("the connection holds");
                if length == 0 {
                    break;
                }
                stream.write_all(&part[..length]).await.expect("the connection holds");
                echoed.set(echoed.get() + length);
            }
            stream.close().await.expect("everything is acknowledged");
        }
    });
    let time = world.time.clone();
    let seconds = world.run(async move {
        let started = time.now();
        let mut stream = left.connect(at(RIGHT, 80)).await.expect("the connection is made");
        let (mut part, mut back) = ([0; 2048], 0);
        for chunk in data.chunks(5000) {
            stream.write_all(chunk).await.expect("the connection holds");
            let end = (back + chunk.len()).min(data.len());
            while back < end {
                let length = stream.read(&mut part).await.expect("the connection holds");
                assert!(length > 0, "seed {seed}: the stream ended after {back} bytes");
                assert_eq!(part[..length], data[back..back + length], "seed {seed}: at byte {back}");
                back += length;
            }
        }
        stream.close().await.expect("everything is acknowledged");
        assert_eq!(stream.read(&mut part).await.expect("the connection holds"), 0);
        time.now().duration_since(started).as_secs_f64()
    });
    assert_eq!(echoed.get(), length, "seed {seed}");
    seconds
}

#[test]
fn every_byte_arrives_over_wires_that_lose_one_to_ten_percent() {
    for seed in 0..60 {
        let loss = 10 + 10 * (seed as u32 % 10);
        echo(Conditions { loss, ..Conditions::default() }, seed, 60_000);
    }
}

#[test]
fn every_byte_arrives_over_wires_that_lose_double_and_reorder() {
    for seed in 100..140 {
        let conditions = Conditions {
            loss: 30,
            duplication: 50,
            reordering: 100,
            delay: Duration::from_millis(10),
            ..Conditions::default()
        };
        echo(conditions, seed, 60_000);
    }
}

#[test]
fn every_byte_arrives_over_a_narrow_wire_with_a_short_queue() {
    let conditions =
        Conditions { interval: Duration::from_millis(1), queue: 3, loss: 10, ..Conditions::default() };
    for seed in 200..210 {
        echo(conditions, seed, 60_000);
    }
}

#[test]
fn a_good_wire_is_used_well() {
    let seconds = echo(Conditions::default(), 1, 1_000_000);
    assert!(seconds < 1.0, "a megabyte there and back took {seconds} s");
}
