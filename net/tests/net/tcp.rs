//! TCP between two stacks on a good wire, and against a hand-made peer.

use std::{cell::Cell, net::Ipv4Addr, rc::Rc};

use embedded_io_async::{Read, Write};
use unik_net::{Config, Error, Net, TcpStream, wire::Conditions};
use unik_sched::time::Duration;

use crate::world::{LEFT, RIGHT, World, at, pattern, two};

/// A connection from left to right: its two ends.
async fn pair(left: &Net, right: &Net) -> (TcpStream, TcpStream) {
    let mut listener = right.listen(80).await.unwrap();
    let client = left.connect(at(RIGHT, 80)).await.unwrap();
    let (server, peer) = listener.accept().await.unwrap();
    assert_eq!(client.peer_address(), at(RIGHT, 80));
    assert_eq!(peer.ip(), LEFT);
    assert_eq!(server.peer_address(), peer);
    (client, server)
}

async fn read_all(stream: &mut impl Read<Error = Error>) -> Result<Vec<u8>, Error> {
    let (mut all, mut part) = (Vec::new(), [0; 777]);
    loop {
        match stream.read(&mut part).await? {
            0 => return Ok(all),
            length => all.extend_from_slice(&part[..length]),
        }
    }
}

#[test]
fn bytes_go_both_ways_and_both_sides_close() {
    let (mut world, left, right) = two();
    world.run(async {
        let (mut client, mut server) = pair(&left, &right).await;
        client.write_all(b"question").await.unwrap();
        let mut bytes = [0; 8];
        server.read_exact(&mut bytes).await.unwrap();
        assert_eq!(&bytes, b"question");
        server.write_all(b"answer").await.unwrap();
        server.flush().await.unwrap();
        server.close().await.unwrap();
        assert_eq!(read_all(&mut client).await.unwrap(), b"answer");
        client.close().await.unwrap();
        assert_eq!(server.read(&mut bytes).await, Ok(0));
        assert_eq!(server.read(&mut bytes).await, Ok(0));
    });
    world.run(world.time.clone().sleep(Duration::from_secs(15)));
    assert_eq!((left.counters().tcp_closed.get(), right.counters().tcp_closed.get()), (1, 1));
}

#[test]
fn much_data_arrives_in_order_in_both_directions_at_once() {
    let (mut world, left, right) = two();
    let sent = Rc::new(pattern(300_000));
    let expected = sent.clone();
    let done = Rc::new(Cell::new(false));
    let (mut client, mut server) = world.run(pair(&left, &right));
    world.spawn("server", {
        let done = done.clone();
        async move {
            let (mut part, mut seen) = ([0; 1000], 0);
            loop {
                let length = server.read(&mut part).await.unwrap();
                if length == 0 {
                    break;
                }
                assert_eq!(part[..length], expected[seen..seen + length]);
                seen += length;
                server.write_all(&part[..length]).await.unwrap();
            }
            assert_eq!(seen, expected.len());
            done.set(true);
        }
    });
    let spawner = world.spawner();
    let back = world.run(async move {
        let received = Rc::new(Cell::new(0));
        let (mut reader, mut writer) = client.split();
        let _ = spawner;
        let write = async {
            writer.write_all(&sent).await.unwrap();
            writer.close().await.unwrap();
        };
        let read = async {
            let back = read_all(&mut reader).await.unwrap();
            received.set(back.len());
            assert!(back == *sent);
        };
        both(write, read).await;
        received.get()
    });
    assert_eq!(back, 300_000);
    assert!(done.get());
}

/// Runs two futures to their ends.
async fn both(one: impl Future<Output = ()>, other: impl Future<Output = ()>) {
    let (mut one, mut other) = (Box::pin(one), Box::pin(other));
    let (mut first, mut second) = (false, false);
    std::future::poll_fn(|context| {
        first = first || one.as_mut().poll(context).is_ready();
        second = second || other.as_mut().poll(context).is_ready();
        if first && second { std::task::Poll::Ready(()) } else { std::task::Poll::Pending }
    })
    .await
}

#[test]
fn a_write_that_does_not_fit_takes_half_of_the_buffer_or_nothing() {
    let (mut world, left, right) = two();
    let (mut client, mut server) = world.run(pair(&left, &right));
    let sent = pattern(300_000);
    let expected = sent.clone();
    world.spawn("server", async move { assert!(read_all(&mut server).await.unwrap() == expected) });
    let taken = world.run(async move {
        let (mut taken, mut rest) = (Vec::new(), &sent[..]);
        while !rest.is_empty() {
            let length = client.write(rest).await.unwrap();
            rest = &rest[length..];
            taken.push((length, rest.len()));
        }
        client.close().await.unwrap();
        taken
    });
    let buffer = taken[0].0;
    assert!(taken.len() > 4, "{taken:?}");
    for (length, rest) in taken {
        assert!(rest == 0 || length >= buffer / 2, "{length} of {buffer}, {rest} left");
    }
}

#[test]
fn after_closing_its_half_an_end_still_reads_but_cannot_write() {
    let (mut world, left, right) = two();
    world.run(async {
        let (mut client, mut server) = pair(&left, &right).await;
        client.close().await.unwrap();
        assert_eq!(client.write(b"more").await, Err(Error::Closed));
        let mut bytes = [0; 16];
        assert_eq!(server.read(&mut bytes).await, Ok(0));
        server.write_all(b"still talking").await.unwrap();
        server.close().await.unwrap();
        assert_eq!(read_all(&mut client).await.unwrap(), b"still talking");
    });
}

#[test]
fn the_end_of_the_stream_is_remembered_after_time_wait() {
    let (mut world, left, right) = two();
    let time = world.time.clone();
    world.run(async {
        let (mut client, mut server) = pair(&left, &right).await;
        client.close().await.unwrap();
        server.write_all(b"goodbye").await.unwrap();
        server.close().await.unwrap();
        let mut bytes = [0; 16];
        assert_eq!(client.read(&mut bytes).await, Ok(7));
        time.sleep(Duration::from_secs(30)).await;
        assert_eq!(client.read(&mut bytes).await, Ok(0));
        assert_eq!(server.read(&mut bytes).await, Ok(0));
    });
}

#[test]
fn what_a_slow_reader_has_not_read_outlives_time_wait() {
    let (mut world, left, right) = two();
    let time = world.time.clone();
    world.run(async {
        let (mut client, mut server) = pair(&left, &right).await;
        client.close().await.unwrap();
        server.write_all(b"take your time").await.unwrap();
        server.close().await.unwrap();
        let mut bytes = [0; 5];
        assert_eq!(client.read(&mut bytes).await, Ok(5));
        time.sleep(Duration::from_secs(60)).await;
        assert_eq!(read_all(&mut client).await.unwrap(), b"your time");
    });
}

#[test]
fn a_dropped_stream_delivers_what_was_written_and_leaves_no_socket() {
    let (mut world, left, right) = two();
    let time = world.time.clone();
    world.run(async {
        let (mut client, mut server) = pair(&left, &right).await;
        client.write_all(b"last words").await.unwrap();
        drop(client);
        assert_eq!(read_all(&mut server).await.unwrap(), b"last words");
        drop(server);
        time.sleep(Duration::from_secs(11)).await;
        assert_eq!(left.counters().tcp_closed.get(), 1);
        assert_eq!(right.counters().tcp_closed.get(), 1);
    });
}

#[test]
fn an_abort_is_a_reset_for_the_peer() {
    let (mut world, left, right) = two();
    world.run(async {
        let (mut client, mut server) = pair(&left, &right).await;
        client.abort();
        let mut bytes = [0; 16];
        assert_eq!(server.read(&mut bytes).await, Err(Error::ConnectionReset));
        assert_eq!(server.write(&bytes).await, Err(Error::ConnectionReset));
        assert_eq!(client.write(&bytes).await, Err(Error::Closed));
    });
    assert_eq!(right.counters().tcp_resets.get(), 1);
}

#[test]
fn data_before_a_reset_can_still_be_read() {
    let (mut world, left, right) = two();
    let time = world.time.clone();
    world.run(async {
        let (mut client, mut server) = pair(&left, &right).await;
        client.write_all(b"before").await.unwrap();
        client.flush().await.unwrap();
        client.abort();
        time.sleep(Duration::from_millis(1)).await;
        let mut bytes = [0; 16];
        assert_eq!(server.read(&mut bytes).await, Ok(6));
        assert_eq!(server.read(&mut bytes).await, Err(Error::ConnectionReset));
    });
}

#[test]
fn a_connection_to_a_closed_port_is_refused() {
    let (mut world, left, _right) = two();
    world.run(async {
        assert_eq!(left.connect(at(RIGHT, 81)).await.err(), Some(Error::ConnectionRefused));
    });
    world.run(world.time.clone().sleep(Duration::from_secs(1)));
    assert_eq!(left.counters().tcp_closed.get(), 1);
}

#[test]
fn a_connection_to_nobody_times_out() {
    let (mut world, left, _right) = two();
    let time = world.time.clone();
    world.run(async {
        assert_eq!(left.connect(at(Ipv4Addr::new(10, 0, 0, 77), 80)).await.err(), Some(Error::TimedOut));
    });
    assert!(time.now() >= unik_sched::time::Instant::from_millis(29_000));
}

#[test]
fn connecting_nowhere_is_an_error_at_once() {
    let (mut world, left, _right) = two();
    world.run(async {
        for (address, error) in [
            (at(Ipv4Addr::new(8, 8, 8, 8), 80), Error::Unreachable),
            (at(RIGHT, 0), Error::InvalidAddress),
            (at(Ipv4Addr::BROADCAST, 80), Error::InvalidAddress),
            ("[fe80::1]:80".parse().unwrap(), Error::Unreachable),
            ("[ff02::1]:80".parse().unwrap(), Error::InvalidAddress),
            ("[::]:80".parse().unwrap(), Error::InvalidAddress),
        ] {
            assert_eq!(left.connect(address).await.err(), Some(error));
        }
        assert!(left.listen(0).await.err() == Some(Error::InvalidAddress));
        let _listener = left.listen(80).await.unwrap();
        assert!(left.listen(80).await.err() == Some(Error::PortInUse));
    });
}

#[test]
fn a_silent_peer_is_given_up_after_the_timeout() {
    let mut world = World::new(Conditions::default(), 1);
    let (left, right) = (world.left(), world.right());
    let cut = world.wire.as_ref().unwrap().controls();
    let time = world.time.clone();
    world.run(async {
        let (mut client, _server) = pair(&left, &right).await;
        client.set_timeout(Some(Duration::from_secs(3)));
        client.set_keep_alive(Some(Duration::from_secs(1)));
        let mut bytes = [0; 4];
        // A living peer answers the probes.
        assert!(time.timeout(Duration::from_secs(20), client.read(&mut bytes)).await.is_err());
        cut(Conditions { loss: 1000, ..Conditions::default() });
        assert_eq!(client.read(&mut bytes).await, Err(Error::TimedOut));
    });
}

#[test]
fn a_cancelled_connection_attempt_leaves_nothing() {
    let (mut world, left, _right) = two();
    let time = world.time.clone();
    world.run(async {
        let attempt = left.connect(at(Ipv4Addr::new(10, 0, 0, 77), 80));
        assert!(time.timeout(Duration::from_secs(2), attempt).await.is_err());
        time.sleep(Duration::from_secs(90)).await;
    });
    assert_eq!(left.counters().tcp_closed.get(), 1);
}

#[test]
fn a_stream_dropped_towards_a_peer_that_never_closes_is_cut_in_the_end() {
    let (mut world, left, right) = two();
    let time = world.time.clone();
    world.run(async {
        let (client, mut server) = pair(&left, &right).await;
        drop(client);
        assert_eq!(server.read(&mut [0]).await, Ok(0));
        time.sleep(Duration::from_secs(70)).await;
        assert_eq!(left.counters().tcp_close_overdue.get(), 1);
        assert_eq!(left.counters().tcp_closed.get(), 1);
        assert_eq!(server.write(b"anybody?").await, Err(Error::ConnectionReset));
    });
}

#[test]
fn without_an_address_nothing_connects() {
    let mut world = World::new(Conditions::default(), 1);
    let end = world.left.take().unwrap();
    let net = world.stack("left", end, Config::dhcp(), 1);
    world.run(async {
        assert_eq!(net.connect(at(RIGHT, 80)).await.err(), Some(Error::NotConfigured));
    });
}
