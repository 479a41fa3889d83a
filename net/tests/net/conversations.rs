//! Whole conversations over wires that do everything a wire can do: they end, no byte is wrong, and nothing is left.
//!
//! A seed decides on the wire, the buffers, the number of connections, and what each end of each connection does. Time is
//! virtual, and a world in which nobody waits for anything any more panics: a conversation that stalls is a failure.
//!
//! `UNIK_SEEDS=100000 cargo test -p unik-net --test net conversations` runs as many seeds of each kind;
//! `UNIK_SEED=17` runs that one alone, and `UNIK_PCAP=FILE` keeps its frames if it fails.

use std::{
    cell::{Cell, RefCell},
    future::poll_fn,
    pin::pin,
    rc::Rc,
    task::Poll,
};

use embedded_io_async::{Read, Write};
use unik_net::{
    Config, Error, Net, Protocol, SocketInfo, TcpReader, TcpStream, TcpWriter,
    wire::{Conditions, Tap},
};
use unik_sched::time::{Duration, Time};
use unik_testkit::Random;

use crate::world::{LEFT, RIGHT, World, at, fixed};

/// How long a conversation may take, and how long its last traces may stay: a dropped stream says goodbye for a minute at
/// most, and then waits.
const PATIENCE: Duration = Duration::from_secs(3600);
const TRACES: Duration = Duration::from_secs(150);

/// What an end does with its connection when the time has come.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Exit {
    /// Closes its half after the last byte, reads until the peer has done so too, and drops the stream.
    Close,
    /// Drops the stream after the last byte; what comes from the peer is not read.
    Drop,
    /// Resets the connection in the middle.
    Abort,
    /// Drops the stream in the middle.
    Vanish,
}

/// What one end does.
#[derive(Clone, Copy, Debug)]
struct Part {
    /// Bytes that it sends.
    length: usize,
    /// It begins to send when the peer has closed its half.
    last: bool,
    exit: Exit,
    /// The bytes, sent and received together, that are the middle.
    middle: usize,
    /// It rests for so long after each read.
    rest: Duration,
    seed: u64,
}

/// What came of it.
#[derive(Clone, Copy, Debug)]
struct Outcome {
    received: usize,
    /// The peer has closed its half.
    finished: bool,
    failure: Option<Error>,
}

/// The byte at a place of what an end sends.
fn byte(salt: u64, place: usize) -> u8 {
    ((place as u64 ^ salt).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 33) as u8
}

/// Writes all that this end has to say, and closes its half where it is to.
async fn speak(mut writer: TcpWriter<'_>, part: Part, salt: u64, count: &Cell<usize>) -> Result<(), Error> {
    let mut random = Random::new(part.seed);
    let (mut sent, mut piece) = (0, Vec::new());
    while sent < part.length {
        let length = (1 + random.below(4000)).min(part.length - sent);
        piece.clear();
        piece.extend((sent..sent + length).map(|place| byte(salt, place)));
        let mut rest = &piece[..];
        while !rest.is_empty() {
            let written = writer.write(rest).await?;
            rest = &rest[written..];
            count.set(count.get() + written);
        }
        sent += length;
    }
    if part.exit == Exit::Close { writer.close().await } else { Ok(()) }
}

/// Reads and checks all that comes, until the peer closes its half.
async fn hear(
    mut reader: TcpReader<'_>,
    part: Part,
    salt: u64,
    time: &Time,
    outcome: &Cell<Outcome>,
    count: &Cell<usize>,
) -> Result<(), Error> {
    let mut random = Random::new(part.seed + 1);
    let mut bytes = [0; 3000];
    loop {
        let room = 1 + random.below(bytes.len());
        let length = reader.read(&mut bytes[..room]).await?;
        let mut now = outcome.get();
        if length == 0 {
            now.finished = true;
            outcome.set(now);
            return Ok(());
        }
        for (place, seen) in (now.received..).zip(&bytes[..length]) {
            assert_eq!(*seen, byte(salt, place), "the byte at {place}");
        }
        now.received += length;
        outcome.set(now);
        count.set(count.get() + length);
        if !part.rest.is_zero() && random.one_in(4) {
            time.sleep(part.rest).await;
        }
    }
}

/// One end of a conversation, from the connection to the end of the stream.
async fn converse(
    mut stream: TcpStream,
    part: Part,
    salts: (u64, u64),
    guarded: bool,
    time: &Time,
) -> Outcome {
    if guarded {
        // The reset of a peer may be lost: who only listens finds out by asking.
        stream.set_keep_alive(Some(Duration::from_secs(10)));
        stream.set_timeout(Some(Duration::from_secs(300)));
    }
    let outcome = Cell::new(Outcome { received: 0, finished: false, failure: None });
    let count = Cell::new(0);
    let failure = {
        let (reader, writer) = stream.split();
        let mut hearing = pin!(hear(reader, part, salts.1, time, &outcome, &count));
        let mut speaking = pin!(speak(writer, part, salts.0, &count));
        let (mut heard, mut spoken) = (None, None);
        poll_fn(|context| {
            if heard.is_none()
                && let Poll::Ready(result) = hearing.as_mut().poll(context)
            {
                heard = Some(result);
            }
            if spoken.is_none()
                && (!part.last || heard.is_some())
                && let Poll::Ready(result) = speaking.as_mut().poll(context)
            {
                spoken = Some(result);
            }
            if let Some(Err(error)) = heard.or(spoken) {
                return Poll::Ready(Some(error));
            }
            if let Some(Err(error)) = spoken {
                return Poll::Ready(Some(error));
            }
            let is_middle = matches!(part.exit, Exit::Abort | Exit::Vanish) && count.get() >= part.middle;
            let is_through = spoken.is_some() && (heard.is_some() || part.exit != Exit::Close);
            if is_middle || is_through { Poll::Ready(None) } else { Poll::Pending }
        })
        .await
    };
    if part.exit == Exit::Abort {
        stream.abort();
    }
    Outcome { failure, ..outcome.get() }
}

/// What the seed decides on.
struct Scene {
    conditions: Conditions,
    left: Config,
    right: Config,
    parts: Vec<(Part, Part)>,
}

fn pick<T: Copy>(random: &mut Random, choices: &[T]) -> T {
    choices[random.below(choices.len())]
}

fn buffers(random: &mut Random, address: std::net::Ipv4Addr) -> Config {
    const SIZES: [usize; 9] = [1, 7, 100, 600, 1460, 2048, 4096, 16_384, 65_536];
    let mut config = fixed(address);
    let mut limits = config.limits();
    let least = if random.one_in(4) { 0 } else { 4 };
    limits.tcp_receive = pick(random, &SIZES[least..]);
    limits.tcp_transmit = pick(random, &SIZES[least..]);
    limits.tcp_bytes = 16 << 20;
    limits.budget = pick(random, &[1, 3, 64]);
    config = config.with_limits(limits);
    config
}

fn conditions(random: &mut Random) -> Conditions {
    let delay = Duration::from_nanos(pick(random, &[0, 50_001, 333_333, 5_000_000, 40_000_007]));
    let interval = Duration::from_nanos(pick(random, &[0, 0, 12_001, 300_000]));
    Conditions {
        delay,
        interval,
        loss: pick(random, &[0, 5, 20, 50, 100]),
        duplication: pick(random, &[0, 0, 10, 100, 300]),
        reordering: pick(random, &[0, 0, 10, 100, 300]),
        lateness: Duration::from_micros(pick(random, &[10, 500, 5000, 60_000])),
        corruption: pick(random, &[0, 0, 5, 30]),
        queue: pick(random, &[1, 3, 16, 64]),
        mtu: pick(random, &[576, 1500, 1500]),
    }
}

impl Scene {
    fn new(seed: u64, exits: &[Exit], connections: usize) -> Scene {
        let mut random = Random::new(seed);
        let (left, right) = (buffers(&mut random, LEFT), buffers(&mut random, RIGHT));
        let conditions = conditions(&mut random);
        let tiny = [&left, &right]
            .map(|config| config.limits().tcp_receive.min(config.limits().tcp_transmit))
            .into_iter()
            .min();
        // A window of a byte is worth a packet a byte.
        let most = (tiny.unwrap_or(0) * 60).min(60_000) / connections;
        let mut parts = Vec::new();
        for _ in 0..connections {
            let mut part = |may_be_last| Part {
                length: pick(&mut random, &[0, 1, 1 + most / 10, most, most]),
                last: may_be_last && random.one_in(3),
                exit: pick(&mut random, exits),
                middle: random.below(most + 1),
                rest: Duration::from_micros(pick(&mut random, &[0, 0, 100, 20_000])),
                seed: random.next_u64() >> 1,
            };
            let (client, mut server) = (part(false), part(true));
            // Waiting for a FIN that does not come before one's own would be waiting for ever.
            server.last &= client.exit == Exit::Close;
            parts.push((client, server));
        }
        Scene { conditions, left, right, parts }
    }
}

/// What became of a scene: of each connection the client's outcome, and the server's where it came to accept.
struct Course {
    outcomes: Vec<(Outcome, Option<Outcome>)>,
    /// Dropped streams that could not deliver all in time.
    overdue: u64,
    _record: Record,
}

/// What the tasks of a scene share.
#[derive(Default)]
struct Stage {
    outcomes: RefCell<Vec<(Option<Outcome>, Option<Outcome>)>>,
    tasks: Cell<usize>,
}

/// Accepts one connection, unless the client has come and gone without.
async fn serve(net: Net, index: usize, part: Part, guarded: bool, time: Time, stage: Rc<Stage>) {
    let mut listener = net.listen(port(index)).await.expect("the port is free");
    let outcome = loop {
        if let Ok(accepted) = time.timeout(Duration::from_secs(60), listener.accept()).await {
            let (stream, _) = accepted.expect("accepting does not fail");
            break Some(
                converse(stream, part, (2 * index as u64 + 1, 2 * index as u64), guarded, &time).await,
            );
        }
        if stage.outcomes.borrow()[index].0.is_some() {
            break None;
        }
    };
    stage.outcomes.borrow_mut()[index].1 = outcome;
    stage.tasks.set(stage.tasks.get() - 1);
}

/// Connects, as often as it takes.
async fn call(net: Net, index: usize, part: Part, guarded: bool, time: Time, stage: Rc<Stage>) {
    let stream = loop {
        match net.connect(at(RIGHT, port(index))).await {
            Ok(stream) => break stream,
            // The other end gives a handshake up a little earlier.
            Err(error) => assert!(matches!(error, Error::TimedOut | Error::ConnectionRefused), "{error}"),
        }
    };
    let outcome = converse(stream, part, (2 * index as u64, 2 * index as u64 + 1), guarded, &time).await;
    stage.outcomes.borrow_mut()[index].0 = Some(outcome);
    stage.tasks.set(stage.tasks.get() - 1);
}

/// A port for each connection, so that both ends know what to expect.
fn port(index: usize) -> u16 {
    80 + index as u16
}

/// Plays a scene to its end.
fn play(seed: u64, scene: &Scene) -> Course {
    let mut world = World::new(scene.conditions, seed);
    let (left, right) = (world.left.take().unwrap(), world.right.take().unwrap());
    let left = world.stack("left", left, scene.left.clone(), 2 * seed);
    let right = world.stack("right", right, scene.right.clone(), 2 * seed + 1);
    let is_cut = |part: &Part| part.exit != Exit::Close;
    let guarded = scene.parts.iter().any(|(client, server)| is_cut(client) || is_cut(server));
    let stage = Rc::new(Stage::default());
    for (index, (client, server)) in scene.parts.iter().copied().enumerate() {
        stage.outcomes.borrow_mut().push((None, None));
        stage.tasks.set(stage.tasks.get() + 2);
        world
            .spawn("server", serve(right.clone(), index, server, guarded, world.time.clone(), stage.clone()));
        world.spawn("client", call(left.clone(), index, client, guarded, world.time.clone(), stage.clone()));
    }
    let (time, record) = (world.time.clone(), Record(world.tap.clone()));
    world.run(async {
        let ended = wait_until(&time, || stage.tasks.get() == 0);
        if time.timeout(PATIENCE, ended).await.is_err() {
            panic!("it stalls: {:?}\n{:?}\n{:?}", stage.outcomes.borrow(), list(&left), list(&right));
        }
        let gone = wait_until(&time, || list(&left).is_empty() && list(&right).is_empty());
        if time.timeout(TRACES, gone).await.is_err() {
            panic!("something is left:\n{:?}\n{:?}", list(&left), list(&right));
        }
    });
    let overdue = [&left, &right].map(|net| net.counters().tcp_close_overdue.get()).iter().sum();
    let outcomes = stage.outcomes.borrow();
    let outcomes = outcomes.iter().map(|(client, server)| (client.expect("it has ended"), *server)).collect();
    Course { outcomes, overdue, _record: record }
}

/// Leaves the frames of a scene that fails behind, in the file that `UNIK_PCAP` names.
struct Record(Tap);

impl Drop for Record {
    fn drop(&mut self) {
        if std::thread::panicking()
            && let Some(path) = std::env::var_os("UNIK_PCAP")
        {
            let _ = std::fs::write(path, self.0.file());
        }
    }
}

async fn wait_until(time: &Time, mut reached: impl FnMut() -> bool) {
    while !reached() {
        time.sleep(Duration::from_millis(500)).await;
    }
}

/// The TCP sockets of a stack.
fn list(net: &Net) -> Vec<SocketInfo> {
    let mut sockets = Vec::new();
    net.sockets(0, &mut |_, socket| {
        if socket.protocol == Protocol::Tcp {
            sockets.push(*socket);
        }
        true
    });
    sockets
}

/// Plays as many scenes as is asked for, or `count`, and shows the seed of one that fails.
fn for_seeds(count: u64, mut test: impl FnMut(u64)) {
    let number = |name| std::env::var(name).ok().and_then(|value| value.parse::<u64>().ok());
    let seeds = match number("UNIK_SEED") {
        Some(seed) => seed..seed + 1,
        None => 0..number("UNIK_SEEDS").unwrap_or(count),
    };
    for seed in seeds {
        let result = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| test(seed)));
        if let Err(panic) = result {
            eprintln!("this was seed {seed}: UNIK_SEED={seed} runs it alone");
            std::panic::resume_unwind(panic);
        }
    }
}

/// Both ends have all that the other one sent.
fn check_all(scene: &Scene, course: &Course) {
    for ((client, server), (at_client, at_server)) in scene.parts.iter().zip(&course.outcomes) {
        let Some(at_server) = *at_server else {
            // Five answers to a SYN in a row were lost: the handshake was given up.
            assert!(scene.conditions.loss >= 50, "the server has not accepted");
            continue;
        };
        for (part, peer, outcome) in [(client, server, *at_client), (server, client, at_server)] {
            // Where so much is lost, a FIN that is repeated may find that the other end has stopped waiting for it.
            let is_late = outcome.finished && scene.conditions.loss >= 50;
            let expected = outcome.failure.filter(|error| is_late && *error == Error::ConnectionReset);
            assert_eq!(outcome.failure, expected, "{part:?}");
            assert!(part.exit != Exit::Close || (outcome.finished && outcome.received == peer.length));
        }
    }
}

#[test]
fn whoever_closes_after_the_last_byte_loses_none() {
    for_seeds(1200, |seed| {
        let scene = Scene::new(seed, &[Exit::Close], 1);
        check_all(&scene, &play(seed, &scene));
    });
}

#[test]
fn a_stream_that_is_dropped_after_the_last_byte_loses_none() {
    for_seeds(700, |seed| {
        let scene = Scene::new(seed, &[Exit::Close, Exit::Drop], 1);
        let course = play(seed, &scene);
        if course.overdue == 0 {
            check_all(&scene, &course);
        }
    });
}

#[test]
fn whatever_is_cut_in_the_middle_ends_at_both_ends() {
    for_seeds(700, |seed| {
        let scene = Scene::new(seed, &[Exit::Abort, Exit::Vanish, Exit::Close, Exit::Drop], 1);
        let course = play(seed, &scene);
        for (client, server) in &course.outcomes {
            for outcome in [Some(*client), *server].into_iter().flatten() {
                assert!(matches!(outcome.failure, None | Some(Error::ConnectionReset | Error::TimedOut)));
            }
        }
    });
}

#[test]
fn many_connections_at_once_do_not_mix() {
    for_seeds(80, |seed| {
        let scene = Scene::new(seed, &[Exit::Close], 24);
        check_all(&scene, &play(seed, &scene));
    });
}

#[test]
fn many_that_are_cut_at_once_all_end() {
    for_seeds(80, |seed| {
        play(seed, &Scene::new(seed, &[Exit::Abort, Exit::Vanish, Exit::Close, Exit::Drop], 24));
    });
}
