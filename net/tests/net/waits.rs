//! What the scheduler is told that tasks wait for in the network.

use std::net::Ipv4Addr;

use embedded_io_async::{Read, Write};
use unik_net::{Config, wire::Conditions};
use unik_sched::time::Duration;

use crate::world::{RIGHT, World, at, two, two_on};

/// What the task `name` waits for once all others wait.
fn waits_for(world: &mut World, name: &str) -> &'static str {
    let time = world.time.clone();
    world.run(time.sleep(Duration::from_millis(10)));
    let mut waits_for = None;
    world.spawner().tasks(&mut |task| {
        if task.name == name {
            waits_for = Some(task.waits_for);
        }
    });
    waits_for.expect("the task still runs")
}

#[test]
fn the_driver_waits_for_the_network() {
    let (mut world, _left, _right) = two();
    assert_eq!(waits_for(&mut world, "left"), "network");
}

#[test]
fn a_stack_without_a_lease_has_tasks_that_wait_for_an_address() {
    let mut world = World::new(Conditions::default(), 1);
    let end = world.left.take().unwrap();
    let net = world.stack("net0", end, Config::dhcp(), 1);
    world.spawn("task", async move { net.configured().await });
    assert_eq!(waits_for(&mut world, "task"), "address");
    assert_eq!(waits_for(&mut world, "net0"), "network", "its timer for the next request is a detail");
}

#[test]
fn a_socket_waits_for_datagrams_or_for_room() {
    let conditions = Conditions { interval: Duration::from_secs(1), queue: 1, ..Conditions::default() };
    let (mut world, left, right) = two_on(conditions, 1);
    world.spawn("receiver", async move {
        let mut socket = right.udp(7).await.unwrap();
        socket.receive_from(&mut [0; 10]).await.unwrap();
    });
    world.spawn("sender", async move {
        let mut socket = left.udp(0).await.unwrap();
        loop {
            socket.send_to(b"x", at(Ipv4Addr::BROADCAST, 9)).await.unwrap();
        }
    });
    assert_eq!(waits_for(&mut world, "receiver"), "udp receive");
    assert_eq!(waits_for(&mut world, "sender"), "udp send");
}

#[test]
fn each_step_of_a_connection_is_told() {
    let (mut world, left, right) = two();
    let time = world.time.clone();
    let mut listener = world.run(async { right.listen(80).await }).unwrap();
    let mut stream = world.run(async { left.connect(at(RIGHT, 80)).await }).unwrap();
    let (mut server, _) = world.run(listener.accept()).unwrap();
    world.spawn("connect", async move { drop(left.connect(at(Ipv4Addr::new(10, 0, 0, 9), 80)).await) });
    assert_eq!(waits_for(&mut world, "connect"), "tcp connect");
    world.spawn("accept", async move { drop(listener.accept().await) });
    assert_eq!(waits_for(&mut world, "accept"), "tcp accept");
    world.spawn("read", async move {
        let _ = time.timeout(Duration::from_secs(1), server.read(&mut [0; 10])).await;
        std::future::pending::<()>().await;
        drop(server);
    });
    assert_eq!(waits_for(&mut world, "read"), "tcp read", "and not for its time limit");
    world.spawn("write", async move {
        loop {
            stream.write_all(&[0; 1000]).await.unwrap();
        }
    });
    assert_eq!(waits_for(&mut world, "write"), "tcp write");
}

#[test]
fn the_end_of_a_connection_is_waited_for_in_two_ways() {
    let mut world = World::new(Conditions::default(), 1);
    let (left, right) = (world.left(), world.right());
    let wire = world.wire.as_ref().unwrap().controls();
    let mut listener = world.run(async { right.listen(80).await }).unwrap();
    let mut one = world.run(async { left.connect(at(RIGHT, 80)).await }).unwrap();
    let mut other = world.run(async { left.connect(at(RIGHT, 80)).await }).unwrap();
    let _accepted = world.run(listener.accept()).unwrap();
    wire(Conditions { loss: 1000, ..Conditions::default() });
    world.spawn("flush", async move {
        one.write_all(b"x").await.unwrap();
        let _ = one.flush().await;
    });
    world.spawn("close", async move {
        let _ = other.close().await;
    });
    assert_eq!(waits_for(&mut world, "flush"), "tcp flush");
    assert_eq!(waits_for(&mut world, "close"), "tcp close");
}
