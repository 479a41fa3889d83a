//! What the tests run in: a clock, an executor, a wire, and a stack at one or both of its ends.

use std::{future::Future, net::Ipv4Addr, net::SocketAddr, rc::Rc};

use unik_net::{
    Config, Net, Nic,
    wire::{Conditions, End, Tap, Wire, numbers, wire},
};
use unik_sched::{Executor, Spawner, time::Time};
use unik_testkit::VirtualClock;

pub(crate) const LEFT: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 1);
pub(crate) const RIGHT: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 2);

/// A wire with two ends, and time.
pub(crate) struct World {
    pub(crate) clock: Rc<VirtualClock>,
    pub(crate) time: Time,
    pub(crate) executor: Executor,
    pub(crate) tap: Tap,
    pub(crate) left: Option<End>,
    pub(crate) right: Option<End>,
    pub(crate) wire: Option<Wire>,
}

impl World {
    pub(crate) fn new(conditions: Conditions, seed: u64) -> Self {
        let clock = VirtualClock::new();
        let time = Time::new(clock.clone());
        let (left, right, wire) = wire(&time, conditions, seed);
        let tap = wire.tap();
        let executor = Executor::new(&time, 64);
        World { clock, time, executor, tap, left: Some(left), right: Some(right), wire: Some(wire) }
    }

    pub(crate) fn spawner(&self) -> Spawner {
        self.executor.spawner()
    }

    pub(crate) fn spawn(&self, name: &'static str, task: impl Future<Output = ()> + 'static) {
        self.spawner().spawn(name, task).expect("there is room for a task");
    }

    /// Puts a stack on a card.
    pub(crate) fn stack(
        &self,
        name: &'static str,
        nic: impl Nic + 'static,
        config: Config,
        seed: u64,
    ) -> Net {
        let (net, driver) = Net::new(name, Box::new(nic), config, self.time.clone(), numbers(seed));
        self.spawn(name, driver.run());
        net
    }

    /// A stack at the left end.
    pub(crate) fn left(&mut self) -> Net {
        let end = self.left.take().expect("the left end is free");
        self.stack("left", end, fixed(LEFT), 1)
    }

    /// A stack at the right end.
    pub(crate) fn right(&mut self) -> Net {
        let end = self.right.take().expect("the right end is free");
        self.stack("right", end, fixed(RIGHT), 2)
    }

    /// Runs a conversation to its end.
    pub(crate) fn run<T>(&mut self, conversation: impl Future<Output = T>) -> T {
        if let Some(wire) = self.wire.take() {
            self.spawn("wire", wire.run());
        }
        self.executor.block_on("test", conversation)
    }
}

/// Two stacks on a good wire.
pub(crate) fn two() -> (World, Net, Net) {
    two_on(Conditions::default(), 1)
}

/// Two stacks on any wire.
pub(crate) fn two_on(conditions: Conditions, seed: u64) -> (World, Net, Net) {
    let mut world = World::new(conditions, seed);
    let (left, right) = (world.left(), world.right());
    (world, left, right)
}

pub(crate) fn fixed(address: Ipv4Addr) -> Config {
    Config::fixed(address, 24).expect("the address is a host's")
}

pub(crate) fn at(address: Ipv4Addr, port: u16) -> SocketAddr {
    SocketAddr::from((address, port))
}

/// Bytes that tell where they stand.
pub(crate) fn pattern(length: usize) -> Vec<u8> {
    (0..length as u32).map(|index| (index.wrapping_mul(2_654_435_761) >> 13) as u8).collect()
}
