//! The log to a collector in the network, where `log.syslog=ADDRESS` names one.

mod message;

use crate::backend;
use crate::counters::Counters;
use crate::outcome::Failure;
use crate::resource::{Resource, at_once};
use crate::system::System;
use alloc::boxed::Box;
use alloc::format;
use alloc::rc::Rc;
use alloc::string::{String, ToString};
use core::cell::Cell;
use core::net::SocketAddr;
use message::{Message, Origin};
use unik_kernel::journal::Entry;
use unik_net::{Net, UdpSocket, parse_end};
use unik_sched::Spawner;
use unik_sched::sync::Event;
use unik_sched::time::{Duration, Time};

const KEY: &str = "log.syslog";
const NAME: &str = "syslog";
/// The port of collectors (RFC 5426, 3.3).
const PORT: u16 = 514;
/// Messages that are sent in a row, and the pause behind them: until the collector's card is known, no more can wait.
const BURST: u32 = 8;
const PAUSE: Duration = Duration::from_millis(10);
/// Whose records of the levels debug and trace stay here: sending one would make others.
const OWN: [&str; 3] = ["unik_net", "unik_virtio", "smoltcp"];

unik_sched::counters! {
    /// What the sender of the log has counted.
    pub struct SyslogCounters {
        /// Records sent.
        sent,
        /// Records that made way for newer ones before they could be sent.
        missed,
        /// Records of the network itself that are not sent, because sending them would make more of them.
        withheld,
        /// Records that the network did not take.
        failed,
    }
}

/// Sends the log to the collector that `log.syslog=ADDRESS[:PORT]` names, once it [follows](Self::follow) a network: every
/// record in a datagram of its own (RFC 5424, RFC 5426), those from before it included as far as the journal keeps them.
///
/// Whoever logs never waits for it: what the journal has given up before it was sent is counted as missed. A datagram that
/// gets lost is gone.
///
/// ```no_run
/// use unik::{Syslog, net::Net};
///
/// #[unik::main]
/// async fn main(net: Net, syslog: Syslog) {
///     syslog.follow(&net);
///     unik::log::info!("this goes to the console, and to the collector");
/// }
/// ```
#[derive(Clone)]
pub struct Syslog(Rc<Parts>);

struct Parts {
    collector: Option<SocketAddr>,
    host: &'static str,
    application: &'static str,
    news: Event,
    time: Time,
    spawner: Spawner,
    counters: Counters,
    is_followed: Cell<bool>,
}

impl Syslog {
    /// Sends the log through `net` from now on. Does nothing where no collector is named, or a second time; where there is no
    /// room for the task, it says so in the log and may be called again.
    pub fn follow(&self, net: &Net) {
        let parts = &*self.0;
        let Some(collector) = parts.collector.filter(|_| !parts.is_followed.get()) else { return };
        let host = match net.address_at(0) {
            Some((address, _)) if parts.host.is_empty() => address.to_string(),
            _ => parts.host.to_string(),
        };
        let counters = Rc::new(SyslogCounters::new());
        let sender = Sender {
            net: net.clone(),
            collector,
            host,
            application: parts.application,
            news: parts.news.clone(),
            time: parts.time.clone(),
            counters: counters.clone(),
        };
        if let Err(error) = parts.spawner.spawn(NAME, sender.run()) {
            return log::error!("{NAME}: the log is not sent: {error}");
        }
        parts.counters.register(NAME, counters);
        parts.is_followed.set(true);
    }
}

impl Resource for Syslog {
    fn take<const LOOKED: bool>(system: &System) -> impl Future<Output = Result<Self, Failure>> {
        at_once(|| take(system))
    }

    fn is_present(_: &System) -> bool {
        true
    }
}

fn take(system: &System) -> Result<Syslog, Failure> {
    let words = system.config();
    let (value, host) = (words.get(KEY), words.get("hostname").unwrap_or_default());
    let collector = match value {
        None => None,
        Some(value) => Some(parse_end(value, PORT).ok_or_else(|| {
            Failure::Configuration(format!(
                "{KEY}={value}: expected an address, like 10.0.2.2 or 10.0.2.2:514"
            ))
        })?),
    };
    let news = Event::new();
    if collector.is_some() {
        backend::follow_log(system.backend(), &news);
        // What was written before.
        news.set();
    }
    Ok(Syslog(Rc::new(Parts {
        collector,
        host,
        application: system.name(),
        news,
        time: system.time().clone(),
        spawner: system.spawner().clone(),
        counters: system.counters().clone(),
        is_followed: Cell::new(false),
    })))
}

/// The task that sends.
struct Sender {
    net: Net,
    collector: SocketAddr,
    host: String,
    application: &'static str,
    news: Event,
    time: Time,
    counters: Rc<SyslogCounters>,
}

impl Sender {
    async fn run(self) {
        let mut socket = match self.net.udp(0).await {
            Ok(socket) => socket,
            Err(error) => return log::error!("{NAME}: the log is not sent: {error}"),
        };
        let (mut message, mut next) = (Box::new(Message::new()), 0);
        loop {
            self.news.wait().await;
            let mut sent = 0;
            while self.take_next(&mut next, &mut message) {
                self.send(&mut socket, &message).await;
                sent += 1;
                if sent % BURST == 0 {
                    self.time.sleep(PAUSE).await;
                }
            }
        }
    }

    /// Writes the record at `next` or the first one behind it into `message`. False when there is none.
    fn take_next(&self, next: &mut u64, message: &mut Message) -> bool {
        let (wanted, mut is_there) = (*next, false);
        let origin = Origin { host: &self.host, application: self.application };
        backend::records(wanted, &mut |entry| {
            self.counters.missed.add(entry.number.saturating_sub(*next));
            *next = entry.number + 1;
            is_there = !is_own(entry);
            if !is_there {
                self.counters.withheld.increment();
                return true;
            }
            message.write(&origin, self.date(entry), entry);
            false
        });
        is_there
    }

    /// When a record was written, where the date is known.
    fn date(&self, entry: &Entry<'_>) -> Option<Duration> {
        let age = self.time.now().as_nanos().saturating_sub(entry.time);
        backend::wall_clock()?.checked_sub(Duration::from_nanos(age))
    }

    async fn send(&self, socket: &mut UdpSocket, message: &Message) {
        match socket.send_to(message.as_bytes(), self.collector).await {
            Ok(()) => self.counters.sent.increment(),
            Err(_) => self.counters.failed.increment(),
        }
    }
}

/// Whether sending the record would make more of its kind.
fn is_own(entry: &Entry<'_>) -> bool {
    entry.level > log::Level::Info && OWN.iter().any(|own| entry.target.starts_with(own))
}
