//! The log to a collector in the network, where `log.syslog=ADDRESS` names one.
//!
//! One task follows the journal, in which the log is written, and carries the lines of an appliance's traffic, of which there may
//! be so many that the log would hold nothing else.

mod message;
mod sender;
mod traffic;

pub use traffic::Destinations;

use crate::backend;
use crate::counters::Counters;
use crate::outcome::Failure;
use crate::resource::{Resource, at_once};
use crate::system::System;
use alloc::format;
use alloc::rc::Rc;
use core::cell::Cell;
use core::net::SocketAddr;
use traffic::Traffic;
use unik_net::{Net, parse_end};
use unik_sched::Spawner;
use unik_sched::sync::{Event, Lines};
use unik_sched::time::Time;

const KEY: &str = "log.syslog";
const NAME: &str = "syslog";
/// The port of collectors (RFC 5426, 3.3).
const PORT: u16 = 514;

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
    registry: Counters,
    counters: Rc<SyslogCounters>,
    is_followed: Cell<bool>,
}

impl Syslog {
    /// Sends the log through `net` from now on. Does nothing where no collector is named, or a second time; where there is no
    /// room for the task, it says so in the log and may be called again.
    pub fn follow(&self, net: &Net) {
        if self.0.collector.is_some() {
            self.start(net, None);
        }
    }

    /// The same, and carries `lines` of an appliance's traffic, as records of `target`, to where `to` says: to the collector,
    /// where one is named, to the journal, and to the console. What becomes of them is counted as `target`.
    ///
    /// Whoever writes them waits for nobody; the task carries some in each of its turns, and what comes faster than that is lost
    /// and counted.
    pub fn carry(&self, net: &Net, lines: &Lines, target: &'static str, to: Destinations) {
        self.start(net, Some(Traffic { lines: lines.clone(), target, to }));
    }

    #[inline(never)]
    fn start(&self, net: &Net, traffic: Option<Traffic>) {
        let parts = &self.0;
        if parts.is_followed.get() {
            return;
        }
        let lines = traffic.as_ref().map(|traffic| (traffic.target, traffic.lines.counters()));
        if let Err(error) = parts.spawner.spawn(NAME, sender::run(parts.clone(), net.clone(), traffic)) {
            return log::error!("{NAME}: the log is not sent: {error}");
        }
        parts.is_followed.set(true);
        parts.registry.register(NAME, parts.counters.clone());
        if let Some((target, counters)) = lines {
            parts.registry.register(target, counters);
        }
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
        registry: system.counters().clone(),
        counters: Rc::new(SyslogCounters::new()),
        is_followed: Cell::new(false),
    })))
}
