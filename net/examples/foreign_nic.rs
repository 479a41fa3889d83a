//! unik-net in an ordinary program: a network card and a clock of one's own, no virtual machine.
//!
//! The card here hands its frames to a second stack in the same process; one on a tap device, a radio or another
//! driver crate implements the same ten methods. Run it with `cargo run -p unik-net --example foreign_nic`.

use std::{
    cell::RefCell,
    collections::VecDeque,
    error::Error,
    hash::{BuildHasher, RandomState},
    rc::Rc,
    thread,
};

use embedded_io_async::{Read, Write};
use unik_net::{Config, Frame, Net, Nic, Random};
use unik_sched::{
    Executor,
    counter::CounterSet,
    sync::Event,
    time::{Instant, Platform, Time},
};
use unik_virtio::{Buffer, Pool};

unik_sched::counters! {
    /// What the card counts.
    struct CardCounters {
        /// Frames sent.
        sent,
    }
}

/// One direction of the cable: the frames under way, and whom to tell.
#[derive(Clone)]
struct Cable {
    frames: Rc<RefCell<VecDeque<Vec<u8>>>>,
    event: Event,
}

impl Cable {
    fn new() -> Self {
        Cable { frames: Rc::default(), event: Event::new() }
    }
}

/// A card that is nothing but two queues.
struct Card {
    address: [u8; 6],
    pool: Pool,
    incoming: Cable,
    outgoing: Cable,
    counters: Rc<CardCounters>,
}

impl Card {
    fn new(last: u8, incoming: &Cable, outgoing: &Cable) -> Box<Self> {
        Box::new(Card {
            address: [2, 0, 0, 0, 0, last],
            pool: Pool::heap(64),
            incoming: incoming.clone(),
            outgoing: outgoing.clone(),
            counters: Rc::new(CardCounters::new()),
        })
    }
}

impl Nic for Card {
    fn hardware_address(&self) -> [u8; 6] {
        self.address
    }

    fn mtu(&self) -> usize {
        1500
    }

    fn receive(&mut self) -> Option<Frame> {
        let bytes = self.incoming.frames.borrow_mut().pop_front()?;
        let mut buffer = self.pool.allocate()?;
        buffer.copy_from(&bytes).ok()?;
        Some(buffer.into())
    }

    fn allocate(&mut self, _length: usize) -> Option<Buffer> {
        self.pool.allocate()
    }

    fn transmit(&mut self, frame: Frame) -> Result<(), Frame> {
        self.outgoing.frames.borrow_mut().push_back(frame.buffer.to_vec());
        self.counters.sent.increment();
        Ok(())
    }

    fn flush(&mut self) {
        self.outgoing.event.set();
    }

    fn arm(&mut self) -> bool {
        !self.incoming.frames.borrow().is_empty()
    }

    fn disarm(&mut self) {}

    fn event(&self) -> Event {
        self.incoming.event.clone()
    }

    fn counters(&self) -> Rc<dyn CounterSet> {
        self.counters.clone()
    }
}

/// The clock of the operating system.
struct HostClock(std::time::Instant);

impl Platform for HostClock {
    fn now(&self) -> Instant {
        Instant::from_nanos(self.0.elapsed().as_nanos() as u64)
    }

    fn idle(&self, until: Option<Instant>) {
        let until = until.expect("somebody waits for something");
        thread::sleep(until.duration_since(self.now()));
    }
}

/// Numbers that differ from run to run; an appliance has a generator of its own for this.
fn random() -> Random {
    Box::new(|| RandomState::new().hash_one(0))
}

fn main() -> Result<(), Box<dyn Error>> {
    let time = Time::new(Rc::new(HostClock(std::time::Instant::now())));
    let mut executor = Executor::new(&time, 8);
    let spawner = executor.spawner();
    let (there, back) = (Cable::new(), Cable::new());
    let fixed = |last| Config::fixed([10, 0, 0, last].into(), 24).ok_or("no host can have this address");

    let (client, driver) = Net::new("client", Card::new(1, &back, &there), fixed(1)?, time.clone(), random());
    spawner.spawn("client", driver.run())?;
    let (server, driver) = Net::new("server", Card::new(2, &there, &back), fixed(2)?, time.clone(), random());
    spawner.spawn("server", driver.run())?;

    let answer = executor.block_on("main", async {
        let mut listener = server.listen(7).await?;
        let mut stream = client.connect(([10, 0, 0, 2], 7).into()).await?;
        let (mut service, peer) = listener.accept().await?;
        println!("accepted {peer}");
        stream.write_all(b"hello, foreign card").await?;
        let mut bytes = [0; 64];
        let length = service.read(&mut bytes).await?;
        service.write_all(&bytes[..length]).await?;
        let length = stream.read(&mut bytes).await?;
        Ok::<_, unik_net::Error>(String::from_utf8_lossy(&bytes[..length]).into_owned())
    })?;
    println!("echoed: {answer}");
    assert_eq!(answer, "hello, foreign card");
    Ok(())
}
