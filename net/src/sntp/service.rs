//! The task that asks a server, and the date it has learned.

use alloc::rc::Rc;
use core::cell::RefCell;
use core::net::SocketAddr;

use unik_sched::{
    sync::Event,
    time::{Duration, Time},
};

use super::{Client, LENGTH, Refusal, TIMEOUT};
use crate::{Error, Net, Random, UdpSocket};

/// Datagrams looked at for one question: more are an attempt to drown the answer.
const DATAGRAM_LIMIT: usize = 16;

unik_sched::counters! {
    /// What a client of a time server has counted.
    pub struct SntpCounters {
        /// Questions sent.
        asked,
        /// Answers believed.
        believed,
        /// Datagrams that were no answer to the question.
        foreign,
        /// Answers not believed for another reason.
        refused,
        /// Questions without an answer in time.
        unanswered,
    }
}

/// The date that was learned from a server; clones share it.
#[derive(Clone)]
pub struct Sntp(Rc<Shared>);

struct Shared {
    client: RefCell<Client>,
    time: Time,
    learned: Event,
    counters: Rc<SntpCounters>,
}

/// The task that asks. Spawn [`SntpDriver::run`] once.
#[must_use = "without its driver task nothing is asked"]
pub struct SntpDriver {
    shared: Rc<Shared>,
    net: Net,
    server: SocketAddr,
    random: Random,
}

impl Sntp {
    /// A client of `server` on `net`; `random` makes its questions and ports unpredictable. Nothing is asked until the
    /// [`SntpDriver`] runs.
    pub fn new(net: Net, server: SocketAddr, time: Time, random: Random) -> (Sntp, SntpDriver) {
        let client = RefCell::new(Client::new());
        let (learned, counters) = (Event::new(), Rc::new(SntpCounters::new()));
        let shared = Rc::new(Shared { client, time, learned, counters });
        (Sntp(shared.clone()), SntpDriver { shared, net, server, random })
    }

    /// The date, as time since the Unix epoch, once an answer was believed.
    pub fn date(&self) -> Option<Duration> {
        self.0.client.borrow().date(self.0.time.now())
    }

    /// Waits until an answer was believed. A server that never answers is waited for without end: set a time limit.
    pub async fn learned(&self) {
        while self.date().is_none() {
            self.0.learned.wait().await;
        }
        // For the next one who waits.
        self.0.learned.set();
    }

    /// What the client has counted.
    pub fn counters(&self) -> Rc<SntpCounters> {
        self.0.counters.clone()
    }
}

impl SntpDriver {
    /// Asks again and again, until the server wants no more questions.
    pub async fn run(mut self) {
        loop {
            // A port of its own for each question is one more thing to guess. Without one there is a pause as well.
            if let Ok(socket) = self.net.udp(0).await {
                // What cannot be sent is not answered either.
                let _ = self.exchange(socket).await;
            }
            let pause = self.shared.client.borrow_mut().pause((self.random)());
            let Some(pause) = pause else {
                return log::warn!("sntp: {} refuses to tell the time and is not asked again", self.server);
            };
            self.shared.time.sleep(pause).await;
        }
    }

    /// One question, and its answer if that comes in time.
    async fn exchange(&mut self, mut socket: UdpSocket) -> Result<(), Error> {
        let Shared { client, time, counters, .. } = &*self.shared;
        let server = self.server;
        let start = time.now();
        let question = client.borrow_mut().ask(start, (self.random)());
        counters.asked.increment();
        socket.send_to(&question, server).await?;
        // Longer answers end in what is not looked at.
        let mut datagram = [0; 4 * LENGTH];
        for _ in 0..DATAGRAM_LIMIT {
            let left = (start + TIMEOUT).duration_since(time.now());
            let Ok(received) = time.timeout(left, socket.receive_from(&mut datagram)).await else { break };
            let (length, sender) = received?;
            let message = datagram.get(..length).unwrap_or_default();
            let outcome = if sender == server {
                client.borrow_mut().answer(time.now(), message)
            } else {
                Err(Refusal::Foreign)
            };
            match outcome {
                Err(Refusal::Foreign) => counters.foreign.increment(),
                Err(refusal) => {
                    counters.refused.increment();
                    log::debug!("sntp: the answer of {server} is not believed: {refusal}");
                    return Ok(());
                }
                Ok(()) => {
                    counters.believed.increment();
                    self.shared.learned.set();
                    return Ok(());
                }
            }
        }
        counters.unanswered.increment();
        Ok(())
    }
}
