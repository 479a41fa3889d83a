//! The date by a server in the network, where `ntp=ADDRESS` names one.

use crate::backend;
use crate::config::Config;
use crate::counters::Counters;
use crate::entropy::Entropy;
use crate::outcome::Failure;
use crate::resource::Resource;
use crate::system::System;
use alloc::boxed::Box;
use alloc::format;
use alloc::rc::Rc;
use core::cell::OnceCell;
use core::net::SocketAddr;
use unik_net::sntp::{PORT, Sntp};
use unik_net::{Net, parse_end};
use unik_sched::Spawner;
use unik_sched::time::{Duration, Time};

const NAME: &str = "ntp";

/// The date, corrected by SNTP once it [follows](Self::follow) a network; clones share it. Monotonic time
/// ([`Time`](crate::time::Time)) is never touched.
///
/// ```no_run
/// use unik::{NetClock, net::Net};
///
/// #[unik::main]
/// async fn main(net: Net, clock: NetClock) {
///     clock.follow(&net);
///     clock.corrected().await;
///     unik::log::info!("{:?} since the epoch", clock.since_epoch());
/// }
/// ```
#[derive(Clone)]
pub struct NetClock(Rc<Parts>);

struct Parts {
    server: Option<SocketAddr>,
    time: Time,
    spawner: Spawner,
    entropy: Entropy,
    counters: Counters,
    sntp: OnceCell<Sntp>,
}

impl NetClock {
    /// Asks the server that `ntp=` names, from now on and through `net`. Does nothing without that word, or a second time;
    /// where there is no room for the task, it says so in the log and may be called again.
    pub fn follow(&self, net: &Net) {
        let parts = &*self.0;
        let Some(server) = parts.server.filter(|_| parts.sntp.get().is_none()) else { return };
        let entropy = parts.entropy.clone();
        let random = Box::new(move || entropy.next_u64());
        let (sntp, driver) = Sntp::new(net.clone(), server, parts.time.clone(), random);
        if let Err(error) = parts.spawner.spawn(NAME, driver.run()) {
            return log::error!("{NAME}: {server} is not asked: {error}");
        }
        parts.counters.register(NAME, sntp.counters());
        parts.sntp.get_or_init(|| sntp);
    }

    /// Time since the Unix epoch: by the server once it was believed, by the machine until then. `None` where neither knows
    /// it.
    pub fn since_epoch(&self) -> Option<Duration> {
        self.0.sntp.get().and_then(Sntp::date).or_else(backend::wall_clock)
    }

    /// Whether the server's answers have been believed.
    pub fn is_corrected(&self) -> bool {
        self.0.sntp.get().is_some_and(|sntp| sntp.date().is_some())
    }

    /// Waits until the server was believed: without end if it never answers, so set a time limit. Returns at once where no
    /// server is followed.
    pub async fn corrected(&self) {
        if let Some(sntp) = self.0.sntp.get() {
            sntp.learned().await;
        }
    }
}

impl Resource for NetClock {
    async fn take<const LOOKED: bool>(system: &System) -> Result<Self, Failure> {
        let server = server(system.config())?;
        let (time, spawner) = (system.time().clone(), system.spawner().clone());
        let (entropy, counters) = (Entropy::of(system)?, system.counters().clone());
        Ok(Self(Rc::new(Parts { server, time, spawner, entropy, counters, sntp: OnceCell::new() })))
    }

    fn is_present(_: &System) -> bool {
        true
    }
}

/// `ntp=ADDRESS` or `ntp=ADDRESS:PORT`, where an address of IPv6 with a port stands in brackets.
fn server(words: Config) -> Result<Option<SocketAddr>, Failure> {
    let Some(value) = words.get(NAME) else { return Ok(None) };
    parse_end(value, PORT).map(Some).ok_or_else(|| {
        Failure::Configuration(format!(
            "{NAME}={value}: expected an IP address, like 192.0.2.1 or 2001:db8::1"
        ))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Words;
    use core::future::poll_fn;
    use core::pin::pin;
    use core::task::Poll;
    use unik_net::Config as NetConfig;
    use unik_net::wire::{Conditions, numbers, wire};
    use unik_sched::Executor;
    use unik_testkit::VirtualClock;

    fn read(line: &'static str) -> Option<SocketAddr> {
        match server(Config::new(Box::leak(Box::new(Words::new(line))))) {
            Ok(server) => server,
            Err(Failure::Configuration(sentence)) => panic!("{sentence}"),
            Err(Failure::Error(error)) => panic!("{error}"),
        }
    }

    /// Whether it has to be waited for the server.
    fn waits(executor: &mut Executor, clock: &NetClock) -> bool {
        let mut corrected = pin!(clock.corrected());
        executor
            .block_on("main", poll_fn(|context| Poll::Ready(corrected.as_mut().poll(context).is_pending())))
    }

    #[test]
    fn where_there_is_no_room_for_its_task_no_server_is_followed_until_there_is() {
        let time = Time::new(VirtualClock::new());
        let mut executor = Executor::new(&time, 1);
        let (card, _other, _wire) = wire(&time, Conditions::default(), 1);
        let config = NetConfig::fixed([192, 0, 2, 7].into(), 24).expect("an address");
        let (net, _driver) = Net::new("net0", Box::new(card), config, time.clone(), numbers(1));
        let clock = NetClock(Rc::new(Parts {
            server: read("ntp=192.0.2.1"),
            time: time.clone(),
            spawner: executor.spawner(),
            entropy: Entropy::of_host(&time),
            counters: Counters::default(),
            sntp: OnceCell::new(),
        }));
        let counted = || {
            let mut counted = 0;
            clock.0.counters.visit(&mut |_, name, _| counted += usize::from(name == "asked"));
            counted
        };
        executor.spawner().spawn("other", async {}).expect("there is room for one");
        clock.follow(&net);
        assert_eq!(counted(), 0);
        assert!(!waits(&mut executor, &clock), "nobody asks");
        // The other task has ended.
        clock.follow(&net);
        clock.follow(&net);
        assert_eq!(counted(), 1, "followed, and once");
        assert!(waits(&mut executor, &clock), "the server has not answered");
    }

    #[test]
    fn the_port_may_be_left_out() {
        assert_eq!(read("log=debug"), None);
        assert_eq!(read("ntp=192.0.2.1"), Some("192.0.2.1:123".parse().unwrap()));
        assert_eq!(read("ntp=192.0.2.1:1230"), Some("192.0.2.1:1230".parse().unwrap()));
        assert_eq!(read("ntp=2001:db8::1"), Some("[2001:db8::1]:123".parse().unwrap()));
    }

    #[test]
    fn what_is_no_address_is_a_mistake() {
        for line in [
            "ntp",
            "ntp=",
            "ntp=pool",
            "ntp=192.0.2",
            "ntp=192.0.2.1:",
            "ntp=192.0.2.1:0",
            "ntp=1.2.3.4:70000",
        ] {
            let refused = server(Config::new(Box::leak(Box::new(Words::new(line)))));
            assert!(matches!(refused, Err(Failure::Configuration(_))), "{line}");
        }
    }
}
