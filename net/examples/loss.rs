//! Measures TCP over wires that lose frames: what `bench/loss.txt` holds.
//!
//! One stack sends to another over a simulated wire of a gigabit a second, in virtual time: the same table comes out on
//! any computer. `cargo run -p unik-net --example loss` prints it, `cargo unik bench loss` writes it down.

use std::{cell::Cell, net::Ipv4Addr, rc::Rc};

use embedded_io_async::{Read, Write};
use unik_net::{
    Config, Error, Net,
    wire::{Conditions, numbers, wire},
};
use unik_sched::{
    Executor,
    time::{Duration, Instant, Time},
};
use unik_testkit::VirtualClock;

/// Frames lost of 1000.
const LOSSES: [u32; 7] = [0, 1, 5, 10, 20, 50, 100];
/// Bytes of the buffers of both ends, which is the window.
const BUFFERS: [usize; 4] = [4 << 10, 16 << 10, 64 << 10, 256 << 10];
const ROUND_TRIPS: [Duration; 3] =
    [Duration::from_micros(100), Duration::from_millis(10), Duration::from_millis(50)];
/// Bytes of a transfer, and transfers of a cell, each with another seed.
const LENGTH: usize = 2 << 20;
const SEEDS: u64 = 6;
/// A frame of 1500 bytes at a gigabit a second.
const INTERVAL: Duration = Duration::from_micros(12);
const QUEUE: usize = 256;

const SENDER: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 1);
const RECEIVER: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 2);

fn main() {
    println!(
        "goodput in KiB/s and the longest pause in ms: {SEEDS} transfers of {} MiB each over a simulated wire (1 Gbit/s)",
        LENGTH >> 20
    );
    for round_trip in ROUND_TRIPS {
        println!("\nround trip {:?}", round_trip);
        print!("{:>8}", "loss %");
        for buffer in BUFFERS {
            print!("{:>15} KiB", buffer >> 10);
        }
        println!();
        for loss in LOSSES {
            print!("{:>6}.{}", loss / 10, loss % 10);
            for buffer in BUFFERS {
                let (goodput, pause) = cell(loss, buffer, round_trip);
                print!("{goodput:>11}{pause:>8}");
            }
            println!();
        }
    }
}

/// The goodput in KiB a second of all transfers of a cell together, and the longest pause of any in milliseconds.
fn cell(loss: u32, buffer: usize, round_trip: Duration) -> (u64, u128) {
    let (mut spent, mut longest) = (Duration::ZERO, Duration::ZERO);
    for seed in 0..SEEDS {
        let conditions = Conditions {
            delay: round_trip / 2,
            loss,
            interval: INTERVAL,
            queue: QUEUE,
            ..Conditions::default()
        };
        let (time, pause) = transfer(conditions, buffer, seed);
        spent += time;
        longest = longest.max(pause);
    }
    let bytes = SEEDS as u128 * LENGTH as u128;
    ((bytes * 1_000_000_000 / spent.as_nanos() / 1024) as u64, longest.as_millis())
}

fn config(address: Ipv4Addr, buffer: usize) -> Config {
    let config = Config::fixed(address, 24).expect("the address is a host's");
    let mut limits = config.limits();
    (limits.tcp_receive, limits.tcp_transmit) = (buffer, buffer);
    config.with_limits(limits)
}

/// The time that a transfer takes, and the longest one in which the receiver had nothing to read.
fn transfer(conditions: Conditions, buffer: usize, seed: u64) -> (Duration, Duration) {
    let time = Time::new(VirtualClock::new());
    let mut executor = Executor::new(&time, 8);
    let (left, right, wire) = wire(&time, conditions, seed);
    let spawner = executor.spawner();
    let stack = |name, end, address, seed| {
        let (net, driver) =
            Net::new(name, Box::new(end), config(address, buffer), time.clone(), numbers(seed));
        spawner.spawn(name, driver.run()).expect("there is room for a task");
        net
    };
    let (left, right) =
        (stack("sender", left, SENDER, 2 * seed), stack("receiver", right, RECEIVER, 2 * seed + 1));
    spawner.spawn("wire", wire.run()).expect("there is room for a task");
    let begun = Rc::new(Cell::new(Instant::ZERO));
    spawner
        .spawn("send", {
            let (time, begun) = (time.clone(), begun.clone());
            async move { send(left, &time, &begun).await.expect("the connection holds") }
        })
        .expect("there is room for a task");
    let (ended, longest) =
        executor.block_on("receive", receive(right, &time, &begun)).expect("the connection holds");
    (ended.duration_since(begun.get()), longest)
}

async fn send(net: Net, time: &Time, begun: &Cell<Instant>) -> Result<(), Error> {
    let mut stream = net.connect((RECEIVER, 80).into()).await?;
    begun.set(time.now());
    let piece = [7; 8192];
    for _ in 0..LENGTH / piece.len() {
        stream.write_all(&piece).await?;
    }
    stream.close().await
}

/// When the last byte was received, and the longest pause before one.
async fn receive(net: Net, time: &Time, begun: &Cell<Instant>) -> Result<(Instant, Duration), Error> {
    let mut listener = net.listen(80).await?;
    let (mut stream, _) = listener.accept().await?;
    let (mut bytes, mut received) = ([0; 16 << 10], 0);
    let (mut last, mut longest) = (time.now().max(begun.get()), Duration::ZERO);
    while received < LENGTH {
        let length = stream.read(&mut bytes).await?;
        assert!(length > 0, "the stream ended after {received} bytes");
        received += length;
        let now = time.now();
        longest = longest.max(now.duration_since(last));
        last = now;
    }
    Ok((last, longest))
}
