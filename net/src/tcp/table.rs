//! All connections of a stack: where they stand, how they are found, and which of them need to be looked after.
//!
//! A connection is looked after ([`crate::stack::Stack::advance`]) when it stands in the queue: because a segment came
//! for it, because its stream was used, or because its timer is due. All others cost nothing, however many they are.
//!
//! A timer is only ever set to an earlier time. What is due later than that is found out when it fires: a connection
//! whose retransmission timer moves with every segment does not touch the queue of timers for it.

use alloc::vec::Vec;

use unik_sched::{TimerQueue, time::Instant};

use crate::{
    glance::Flow,
    ip::address::End,
    tcp::{
        connection::{Connection, Work},
        index::FlowIndex,
        list::{Links, List},
        listener::Listener,
        time_wait::TimeWait,
    },
};

/// All listeners and connections.
pub(crate) struct TcpTable {
    pub(crate) listeners: Vec<Listener>,
    pub(crate) next_listener: u32,
    /// By number.
    connections: Vec<Option<Connection>>,
    index: FlowIndex,
    /// Of those that are not in use, and of those that are looked after next.
    links: Links,
    free: List,
    queue: List,
    /// Of those that listeners have.
    pub(crate) arrivals: Links,
    timers: TimerQueue<u32>,
    pub(crate) time_wait: TimeWait,
    /// Memory that the connections take, in bytes.
    pub(crate) bytes: usize,
}

impl TcpTable {
    /// Room for `connections` and for `time_wait` that have ended; `secret` is the key of the hash over their ends.
    pub(crate) fn new(connections: usize, time_wait: usize, secret: [u64; 2]) -> Self {
        TcpTable {
            listeners: Vec::new(),
            next_listener: 0,
            connections: Vec::new(),
            index: FlowIndex::new(secret),
            links: Links::new(),
            free: List::new(),
            queue: List::new(),
            arrivals: Links::new(),
            timers: TimerQueue::new(connections),
            time_wait: TimeWait::new(time_wait, secret),
            bytes: 0,
        }
    }

    /// Connections that there are.
    pub(crate) fn len(&self) -> usize {
        self.connections.len() - self.free.len()
    }

    /// Numbers that are or were in use: each is below this one.
    pub(crate) fn positions(&self) -> usize {
        self.connections.len()
    }

    #[inline]
    pub(crate) fn get(&self, number: u32) -> Option<&Connection> {
        self.connections.get(number as usize)?.as_ref()
    }

    #[inline]
    pub(crate) fn get_mut(&mut self, number: u32) -> Option<&mut Connection> {
        self.connections.get_mut(number as usize)?.as_mut()
    }

    /// The open connection with these ends.
    #[inline]
    pub(crate) fn find(&self, flow: &Flow) -> Option<u32> {
        self.index.find(flow)
    }

    /// Whether a connection to `peer` uses this port.
    pub(crate) fn uses(&self, peer: End, local: End) -> bool {
        let flow = Flow { source: peer, destination: local };
        self.find(&flow).is_some() || self.time_wait.knows(&flow)
    }

    /// Takes the memory for one more connection in all tables, so that nothing about it fails later. False when it
    /// lacks.
    pub(crate) fn try_reserve(&mut self) -> bool {
        if self.free.first().is_some() {
            return true;
        }
        let count = self.connections.len() + 1;
        let fits = self.connections.try_reserve(1).is_ok()
            && self.links.try_reserve(count)
            && self.arrivals.try_reserve(count)
            && self.timers.try_reserve(count)
            && self.index.try_reserve(count);
        if fits {
            self.links.push(&mut self.free, self.connections.len() as u32);
            self.connections.push(None);
        }
        fits
    }

    /// Puts a connection into the place that [`TcpTable::try_reserve`] has found, and returns its number.
    pub(crate) fn add(&mut self, connection: Connection) -> Option<u32> {
        let number = self.links.pop(&mut self.free)?;
        self.bytes += connection.bytes;
        self.index.insert(&connection.flow, number);
        *self.connections.get_mut(number as usize)? = Some(connection);
        Some(number)
    }

    /// Takes a connection out.
    pub(crate) fn remove(&mut self, number: u32) -> Option<Connection> {
        self.set_work(number, Work::None);
        let connection = self.connections.get_mut(number as usize)?.take()?;
        self.links.push(&mut self.free, number);
        self.bytes -= connection.bytes;
        self.index.remove(number);
        if let Some((_, key)) = connection.timer {
            self.timers.cancel(key);
        }
        Some(connection)
    }

    /// Forgets the ends of a connection whose socket has ended, so that they can be used again.
    pub(crate) fn forget_ends(&mut self, number: u32) {
        self.index.remove(number);
    }

    /// Moves a connection to the list of what is to be done with it.
    #[inline(never)]
    fn set_work(&mut self, number: u32, work: Work) {
        let Some(connection) = self.connections.get_mut(number as usize).and_then(Option::as_mut) else {
            return;
        };
        if connection.work == work {
            return;
        }
        match core::mem::replace(&mut connection.work, work) {
            Work::None => {}
            Work::Now => self.links.remove(&mut self.queue, number),
        }
        match work {
            Work::None => {}
            Work::Now => self.links.push(&mut self.queue, number),
        }
    }

    /// Lets a connection be looked after next.
    pub(crate) fn enqueue(&mut self, number: u32) {
        self.set_work(number, Work::Now);
    }

    /// Lets all be looked after next.
    pub(crate) fn enqueue_all(&mut self) {
        for number in 0..self.connections.len() {
            self.enqueue(number as u32);
        }
    }

    /// Connections to be looked after now.
    pub(crate) fn queued(&self) -> usize {
        self.queue.len()
    }

    /// Takes the next one that is to be looked after.
    pub(crate) fn dequeue(&mut self) -> Option<u32> {
        let number = self.queue.first()?;
        self.set_work(number, Work::None);
        Some(number)
    }

    /// Lets a connection be looked after at `due` at the latest.
    #[inline]
    pub(crate) fn set_timer(&mut self, number: u32, due: Instant) {
        let Some(connection) = self.connections.get_mut(number as usize).and_then(Option::as_mut) else {
            return;
        };
        if let Some((set, key)) = connection.timer {
            if set <= due {
                return;
            }
            self.timers.cancel(key);
        }
        connection.timer = self.timers.insert(due, number).map(|key| (due, key));
    }

    /// When the next connection is due, those that only wait for their end included.
    pub(crate) fn due(&self) -> Option<Instant> {
        crate::stack::earlier(self.timers.next_deadline(), self.time_wait.due())
    }

    /// Lets those be looked after that are due.
    pub(crate) fn expire(&mut self, now: Instant) {
        while let Some(number) = self.timers.pop_due(now) {
            if let Some(connection) = self.get_mut(number) {
                connection.timer = None;
            }
            self.enqueue(number);
        }
        self.time_wait.expire(now);
    }
}
