//! Cables between two ends in one process: raw frames, ends that come and go, rubbish, and two stacks that talk.

#![expect(clippy::unwrap_used, reason = "a test that fails may panic, in its helpers as well")]

use std::collections::BTreeMap;
use std::fs;
use std::io::{Read, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::sync::atomic::{AtomicU32, Ordering};

use unik_host::{Error, HostPlatform, Link, Role};
use unik_net::{Config, Net, Nic};
use unik_sched::time::{Platform, Time};
use unik_sched::{Executor, Spawner};

/// A folder of its own for each test, removed at its end.
struct Folder(PathBuf);

impl Folder {
    fn new() -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let path = std::env::temp_dir().join(format!("unik-link-{}-{number}", std::process::id()));
        fs::create_dir(&path).unwrap();
        Self(path)
    }

    fn path(&self) -> PathBuf {
        self.0.join("cable")
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn open(platform: &Rc<HostPlatform>, path: &Path) -> Link {
    Link::try_new(platform, path, 128).unwrap()
}

fn send(link: &mut Link, bytes: &[u8]) {
    let mut buffer = link.allocate(1514).unwrap();
    buffer.copy_from(bytes).unwrap();
    assert!(link.transmit(buffer.into()).is_ok());
    link.flush();
}

/// Waits on the platform, as an executor would, until there is a frame.
fn receive(platform: &HostPlatform, link: &mut Link) -> Vec<u8> {
    loop {
        if let Some(frame) = link.receive() {
            return frame.buffer.to_vec();
        }
        if !link.arm() {
            platform.idle(None);
        }
        link.disarm();
    }
}

fn count(link: &Link, name: &str) -> u64 {
    let mut counts = BTreeMap::new();
    link.counters().visit(&mut |name, value| {
        counts.insert(name, value);
    });
    counts[name]
}

/// A link that is served, and the bare stream of its other end.
fn with_bare_peer(platform: &Rc<HostPlatform>, folder: &Folder) -> (Link, UnixStream) {
    let mut link = open(platform, &folder.path());
    let stream = UnixStream::connect(folder.path()).unwrap();
    assert!(link.receive().is_none());
    assert!(link.is_plugged());
    (link, stream)
}

fn framed(frame: &[u8]) -> Vec<u8> {
    [&(frame.len() as u32).to_be_bytes()[..], frame].concat()
}

#[test]
fn the_first_end_serves_the_path_and_the_second_connects() {
    let (folder, platform) = (Folder::new(), HostPlatform::new());
    let first = open(&platform, &folder.path());
    let second = open(&platform, &folder.path());
    assert_eq!((first.role(), second.role()), (Role::Server, Role::Client));
    assert_ne!(first.hardware_address(), second.hardware_address());
    assert_eq!(first.mtu(), 1500);
}

#[test]
fn frames_of_all_sizes_pass_both_ways_in_order() {
    let (folder, platform) = (Folder::new(), HostPlatform::new());
    let mut first = open(&platform, &folder.path());
    let mut second = open(&platform, &folder.path());
    for length in 14..=1514 {
        let frame: Vec<u8> = (0..length).map(|index| (index * length) as u8).collect();
        send(&mut second, &frame);
        assert_eq!(receive(&platform, &mut first), frame);
        send(&mut first, &frame);
        assert_eq!(receive(&platform, &mut second), frame);
    }
    assert_eq!(count(&first, "received"), 1501);
    assert_eq!(count(&first, "transmitted"), 1501);
}

#[test]
fn frames_queued_together_arrive_together() {
    let (folder, platform) = (Folder::new(), HostPlatform::new());
    let mut first = open(&platform, &folder.path());
    let mut second = open(&platform, &folder.path());
    for number in 0..50 {
        let mut buffer = second.allocate(1514).unwrap();
        buffer.copy_from(&[number; 60]).unwrap();
        assert!(second.transmit(buffer.into()).is_ok());
    }
    assert_eq!(count(&second, "transmitted"), 0);
    second.flush();
    assert_eq!(count(&second, "transmitted"), 50);
    for number in 0..50 {
        assert_eq!(receive(&platform, &mut first), [number; 60]);
    }
}

#[test]
fn an_end_that_does_not_read_fills_the_queue_and_loses_nothing() {
    let (folder, platform) = (Folder::new(), HostPlatform::new());
    let mut first = open(&platform, &folder.path());
    let mut second = open(&platform, &folder.path());
    assert!(first.receive().is_none());
    let mut sent = 0_u32;
    loop {
        let mut buffer = second.allocate(1514).unwrap();
        buffer.copy_from(&[0; 1514]).unwrap();
        buffer[..4].copy_from_slice(&sent.to_be_bytes());
        if second.transmit(buffer.into()).is_err() {
            break;
        }
        second.flush();
        sent += 1;
    }
    assert_eq!(count(&second, "transmit_full"), 1);
    // the full end still receives
    send(&mut first, &[1; 60]);
    assert_eq!(receive(&platform, &mut second), [1; 60]);
    for number in 0..sent {
        let frame = receive(&platform, &mut first);
        assert_eq!((frame.len(), &frame[..4]), (1514, &number.to_be_bytes()[..]));
        second.flush();
    }
    assert_eq!(count(&second, "transmitted"), u64::from(sent));
}

#[test]
fn room_to_send_again_is_news() {
    let (folder, platform) = (Folder::new(), HostPlatform::new());
    let (mut link, mut stream) = with_bare_peer(&platform, &folder);
    loop {
        let mut buffer = link.allocate(1514).unwrap();
        buffer.copy_from(&[0; 1514]).unwrap();
        if link.transmit(buffer.into()).is_err() {
            break;
        }
        link.flush();
    }
    assert!(!link.arm());
    stream.set_nonblocking(true).unwrap();
    while stream.read(&mut [0; 65536]).is_ok_and(|count| count > 0) {}
    platform.idle(None);
    assert!(link.event().is_set());
    let before = count(&link, "transmitted");
    link.flush();
    assert!(count(&link, "transmitted") > before);
}

#[test]
fn frames_without_another_end_are_lost_and_counted() {
    let (folder, platform) = (Folder::new(), HostPlatform::new());
    let mut link = open(&platform, &folder.path());
    send(&mut link, &[0; 60]);
    assert_eq!(count(&link, "transmit_unplugged"), 1);
    assert!(!link.is_plugged());
}

#[test]
fn an_end_that_goes_makes_room_for_the_next_one() {
    let (folder, platform) = (Folder::new(), HostPlatform::new());
    let mut server = open(&platform, &folder.path());
    for round in 1..=3 {
        let mut client = open(&platform, &folder.path());
        assert_eq!(client.role(), Role::Client);
        send(&mut client, &[round; 60]);
        assert_eq!(receive(&platform, &mut server), [round; 60]);
        drop(client);
        assert!(server.receive().is_none());
        assert!(!server.is_plugged());
        assert_eq!(count(&server, "unplugged"), u64::from(round));
    }
}

#[test]
fn a_third_end_waits_for_the_second_to_go() {
    let (folder, platform) = (Folder::new(), HostPlatform::new());
    let mut server = open(&platform, &folder.path());
    let mut second = open(&platform, &folder.path());
    let mut third = open(&platform, &folder.path());
    send(&mut third, &[3; 60]);
    send(&mut second, &[2; 60]);
    assert_eq!(receive(&platform, &mut server), [2; 60]);
    drop(second);
    assert_eq!(receive(&platform, &mut server), [3; 60]);
}

#[test]
fn an_end_whose_server_goes_is_unplugged_and_sleeps() {
    let (folder, platform) = (Folder::new(), HostPlatform::new());
    let server = open(&platform, &folder.path());
    let mut client = open(&platform, &folder.path());
    drop(server);
    assert!(!folder.path().exists());
    assert!(client.receive().is_none());
    assert!(!client.is_plugged());
    send(&mut client, &[0; 60]);
    assert!(!client.arm());
    platform.idle(Some(platform.now()));
    assert!(!client.event().is_set());
}

#[test]
fn the_socket_of_a_process_that_died_is_replaced() {
    let (folder, platform) = (Folder::new(), HostPlatform::new());
    drop(UnixListener::bind(folder.path()).unwrap());
    assert!(folder.path().exists());
    assert_eq!(open(&platform, &folder.path()).role(), Role::Server);
    assert!(!folder.path().exists());
}

#[test]
fn an_end_that_goes_leaves_the_socket_of_another_one_alone() {
    let (folder, platform) = (Folder::new(), HostPlatform::new());
    let replaced = open(&platform, &folder.path());
    fs::remove_file(folder.path()).unwrap();
    let _other = open(&platform, &folder.path());
    drop(replaced);
    assert!(folder.path().exists());
}

#[test]
fn what_is_no_socket_is_left_alone() {
    let (folder, platform) = (Folder::new(), HostPlatform::new());
    fs::write(folder.path(), "precious").unwrap();
    assert_eq!(Link::try_new(&platform, &folder.path(), 4).err(), Some(Error::NotASocket));
    assert_eq!(fs::read(folder.path()).unwrap(), b"precious");
}

#[test]
fn a_path_that_cannot_be_had_is_a_sentence() {
    let (folder, platform) = (Folder::new(), HostPlatform::new());
    let sentence = |path: PathBuf| Link::try_new(&platform, &path, 4).err().unwrap().to_string();
    assert_eq!(
        sentence(folder.0.join("missing").join("cable")),
        "the link cannot be opened: No such file or directory (os error 2)"
    );
    assert_eq!(
        sentence(folder.0.join("x".repeat(200))),
        "the path of a link is too long for a socket or contains a NUL"
    );
}

#[test]
fn frames_are_preceded_by_their_length() {
    let (folder, platform) = (Folder::new(), HostPlatform::new());
    let (mut link, mut stream) = with_bare_peer(&platform, &folder);
    send(&mut link, &[7; 300]);
    let mut bytes = [0; 304];
    stream.read_exact(&mut bytes).unwrap();
    assert_eq!(bytes[..4], [0, 0, 1, 44]);
    assert_eq!(bytes[4..], [7; 300]);
}

#[test]
fn frames_of_impossible_length_are_dropped_and_the_stream_goes_on() {
    let (folder, platform) = (Folder::new(), HostPlatform::new());
    let (mut link, mut stream) = with_bare_peer(&platform, &folder);
    let bytes = [framed(&[1; 13]), framed(&[2; 9000]), framed(&[]), framed(&[3; 14])].concat();
    stream.write_all(&bytes).unwrap();
    assert_eq!(receive(&platform, &mut link), [3; 14]);
    assert_eq!(count(&link, "receive_too_short"), 2);
    assert_eq!(count(&link, "receive_too_long"), 1);
}

#[test]
fn a_stream_that_is_no_sequence_of_frames_is_closed() {
    let (folder, platform) = (Folder::new(), HostPlatform::new());
    let (mut link, mut stream) = with_bare_peer(&platform, &folder);
    stream.write_all(b"GET / HTTP/1.1\r\n\r\n").unwrap();
    assert!(link.receive().is_none());
    assert!(!link.is_plugged());
    assert_eq!(count(&link, "unplugged"), 1);
}

/// Starts a stack on `link` with the address `ip`.
fn start(name: &'static str, link: Link, ip: &str, time: &Time, spawner: &Spawner) -> Net {
    let mut get = |key: &str| (key == "net0.ip").then_some(ip);
    let config = Config::parse("net0", &mut get).unwrap();
    let (net, driver) = Net::new(name, Box::new(link), config, time.clone(), Box::new(|| 1));
    spawner.spawn(name, driver.run()).unwrap();
    net
}

#[test]
fn two_stacks_talk_over_a_link() {
    let (folder, platform) = (Folder::new(), HostPlatform::new());
    let time = Time::new(platform.clone());
    let mut executor = Executor::new(&time, 16);
    let spawner = executor.spawner();
    let server = start("server", open(&platform, &folder.path()), "10.0.0.1/24", &time, &spawner);
    let client = start("client", open(&platform, &folder.path()), "10.0.0.2/24", &time, &spawner);
    executor.block_on("main", async {
        let mut echo = server.udp(7).await.unwrap();
        spawner
            .spawn("echo", async move {
                let mut datagram = [0; 1500];
                while let Ok((length, peer)) = echo.receive_from(&mut datagram).await {
                    echo.send_to(&datagram[..length], peer).await.unwrap();
                }
            })
            .unwrap();
        let mut socket = client.udp(0).await.unwrap();
        let mut answer = [0; 1500];
        for length in [0, 1, 100, 1472] {
            let question = vec![length as u8; length];
            socket.send_to(&question, "10.0.0.1:7".parse().unwrap()).await.unwrap();
            let (received, peer) = socket.receive_from(&mut answer).await.unwrap();
            assert_eq!(peer, "10.0.0.1:7".parse().unwrap());
            assert_eq!(answer[..received], question);
        }
    });
}
