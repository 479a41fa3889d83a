//! Keeps zones of other servers as those have them, and tells others of ours.
//!
//! One task looks at what is due: it begins transfers, each a task of its own, gives up zones that have expired, and sends
//! notices. When is the matter of [`Schedule`] and [`Notices`]; here is what they are told and what they say.

use super::fetch::{self, Outcome};
use super::{Platform, SharedServer};
use crate::origin::Clock;
use crate::server::Server;
use crate::text::End;
use crate::transfer::{Notices, Schedule, ask};
use crate::tsig::Verifier;
use crate::zone::Timers;
use alloc::rc::Rc;
use alloc::vec::Vec;
use core::cell::{Cell, RefCell};
use core::future::poll_fn;
use core::net::SocketAddr;
use core::pin::Pin;
use core::task::Poll;
use unik::command::Line;
use unik::log;
use unik::sync::Event;
use unik::time::Duration;
use unik_sched::time::Instant;

/// Transfers at the same time. Others wait for their end.
const MOST_TRANSFERS: usize = 4;
/// How long the task waits where nothing is due.
const IDLE: Duration = Duration::from_secs(86_400);

/// A zone that comes from another server.
struct Secondary {
    place: usize,
    schedule: Schedule,
}

impl Secondary {
    /// The place of the zone, if it has just expired.
    fn expired(&mut self, now: Instant) -> Option<usize> {
        self.schedule.has_expired(now).then_some(self.place)
    }
}

/// What there is to be done for the zones.
pub(super) struct Maintenance {
    server: SharedServer,
    platform: Rc<Platform>,
    secondaries: RefCell<Vec<Secondary>>,
    notices: RefCell<Notices>,
    transfers: Cell<usize>,
    /// There is something to look at before its time.
    news: Event,
}

impl Maintenance {
    /// Everything that `server` knows is due.
    pub(super) fn new(server: SharedServer, platform: Rc<Platform>) -> Rc<Self> {
        let now = platform.now();
        let mut secondaries = Vec::new();
        {
            let server = server.borrow();
            for (place, options) in server.with_options().filter(|(_, options)| !options.request().is_empty())
            {
                let [_, most_pause, _] = options.limit([0, u32::MAX, 0]);
                let primaries = options.request().len();
                let timers = timers(&server, place);
                let mut schedule = Schedule::new(now, primaries, most_pause, timers);
                let age = platform.storage.as_ref().and_then(|storage| storage.age(place));
                if let (Some(timers), Some(age)) = (timers, age) {
                    schedule.is_aged(now, timers, age);
                }
                if secondaries.try_reserve(1).is_ok() {
                    secondaries.push(Secondary { place, schedule });
                }
            }
        }
        let maintenance = Rc::new(Self {
            server,
            platform,
            secondaries: RefCell::new(secondaries),
            notices: RefCell::default(),
            transfers: Cell::new(0),
            news: Event::new(),
        });
        // Nobody knows what the secondaries have.
        maintenance.announce_named("");
        maintenance
    }

    /// Whether there is anything to maintain.
    pub(super) fn has_work(&self) -> bool {
        self.server.borrow().with_options().next().is_some()
    }

    /// Has the task look at what the server was told.
    pub(super) fn wake(&self) {
        self.news.set();
    }

    /// Tells of the zone called `name`, or of all where that is empty, and says how many are told.
    pub(super) fn announce_named(&self, name: &str) -> usize {
        let count = self.server.borrow().places();
        (0..count).filter(|place| self.is_meant(*place, name)).map(|place| self.announce(place)).sum()
    }

    /// Tells those who are to know that there is a version of the zone at `place`, and says how many they are.
    fn announce(&self, place: usize) -> usize {
        let server = self.server.borrow();
        let Some(options) = server.options(place).filter(|_| server.zone_at(place).is_some()) else {
            return 0;
        };
        for (number, target) in options.notify().iter().enumerate() {
            let (now, times) = (self.platform.now(), options.notify_retry());
            if !self.notices.borrow_mut().add(now, place, number, target.address(), times) {
                log::warn!("too many are to be told of new versions: {} is not", End(target.address()));
            }
        }
        self.news.set();
        options.notify().len()
    }

    /// Asks for the zone called `name`, or for all where that is empty, and says how many come from other servers.
    pub(super) fn refresh(&self, name: &str) -> usize {
        let now = self.platform.now();
        let mut secondaries = self.secondaries.borrow_mut();
        let mut count = 0;
        for secondary in secondaries.iter_mut().filter(|secondary| self.is_meant(secondary.place, name)) {
            secondary.schedule.told(now, None);
            count += 1;
        }
        self.news.set();
        count
    }

    /// Whether the zone at `place` is called `name`, with or without a dot at its end, or all are meant.
    fn is_meant(&self, place: usize, name: &str) -> bool {
        let bare = |name: &str| name.strip_suffix('.').unwrap_or(name).len();
        let server = self.server.borrow();
        let options = server.options(place).map(|options| options.name()).unwrap_or_default();
        let own = core::str::from_utf8(options).unwrap_or_default();
        let [own, wanted] = [own, name].map(|name| name.get(..bare(name)).unwrap_or_default());
        name.is_empty() || own.eq_ignore_ascii_case(wanted)
    }

    /// Writes the line of a table that tells of the zone at `place`. `None` behind the last.
    pub(super) fn describe(&self, place: usize, line: &mut Line) -> Option<()> {
        let server = self.server.borrow();
        let (name, zone, queries) = server.describe(place)?;
        let secondaries = self.secondaries.borrow();
        let secondary = secondaries.iter().find(|secondary| secondary.place == place);
        let state = match (&zone, secondary) {
            (Some(_), None) => "served",
            (Some(_), Some(_)) => "fetched",
            (None, Some(_)) => "awaited",
            (None, None) => "failed",
        };
        write!(line, "{name}\t{state}\t");
        match zone {
            Some(zone) => write!(line, "{}\t{}\t", zone.serial(), zone.records()),
            None => line.push("-\t-\t"),
        }
        write!(line, "{queries}\t");
        let Some(secondary) = secondary else {
            line.push("file\t-\t-");
            return Some(());
        };
        let (primary, due, expires) = secondary.schedule.state();
        let primaries = server.options(place).map_or(&[][..], |options| options.request());
        if let Some(primary) = primaries.get(primary) {
            write!(line, "{}", End(primary.address()));
        }
        let now = self.platform.now();
        for moment in [due, expires] {
            match moment {
                Some(moment) => write!(line, "\t{} s", moment.duration_since(now).as_secs()),
                None => line.push("\t-"),
            }
        }
        Some(())
    }

    /// Begins the transfers that are due, and gives up what has expired.
    #[inline(never)]
    fn look(self: &Rc<Self>) {
        let now = self.platform.now();
        let mut secondaries = self.secondaries.borrow_mut();
        for (place, client) in self.server.borrow().take_news() {
            let server = self.server.borrow();
            let primaries = server.options(place).map_or(&[][..], |options| options.request());
            let primary =
                primaries.iter().position(|primary| primary.address().ip() == client.to_canonical());
            if let Some(told) = secondaries.iter_mut().find(|secondary| secondary.place == place) {
                told.schedule.told(now, primary);
            }
        }
        for secondary in secondaries.iter_mut().filter_map(|secondary| secondary.expired(now)) {
            if let Some(zone) = self.server.borrow().zone_at(secondary) {
                log::error!("zone {} has expired: no primary has confirmed it in time", zone.name());
            }
            self.server.borrow_mut().withdraw(secondary);
        }
        // Who has waited longest comes first.
        let longest = |secondaries: &[Secondary]| {
            let due = secondaries.iter().enumerate();
            let due = due.filter_map(|(number, one)| Some((one.schedule.due_since(now)?, number)));
            due.min().map(|(_, number)| number)
        };
        while self.transfers.get() < MOST_TRANSFERS
            && let Some(number) = longest(&secondaries)
            && let Some(secondary) = secondaries.get_mut(number)
            && let Some(primary) = secondary.schedule.begin(now)
        {
            let task = self.clone().transfer(number, secondary.place, primary);
            self.transfers.set(self.transfers.get() + 1);
            if self.platform.spawner.spawn("dns-transfer", task).is_err() {
                self.transfers.set(self.transfers.get() - 1);
                let timers = timers(&self.server.borrow(), secondary.place);
                secondary.schedule.failed(now, timers, 0);
            }
        }
    }

    /// Asks `primary` for the zone at `place`, the secondary with the number `number`.
    async fn transfer(self: Rc<Self>, number: usize, place: usize, primary: usize) {
        let outcome = fetch::fetch(&self.server, &self.platform, place, primary).await;
        let is_new = matches!(outcome, Some(Outcome::New));
        let transfers = self.server.borrow().transfers().clone();
        match &outcome {
            Some(Outcome::New) => {}
            Some(Outcome::Current) => transfers.transfers_current.increment(),
            None => transfers.transfers_failed.increment(),
        }
        let timers = timers(&self.server.borrow(), place);
        let (now, random) = (self.platform.now(), self.platform.entropy.next_u32());
        if let Some(secondary) = self.secondaries.borrow_mut().get_mut(number) {
            match timers.filter(|_| outcome.is_some()) {
                Some(timers) => secondary.schedule.succeeded(now, timers, random),
                None => secondary.schedule.failed(now, timers, random),
            }
        }
        if is_new {
            self.announce(place);
        }
        if let Some(storage) = self.platform.storage.as_ref().filter(|_| outcome.is_some()) {
            storage.keep(&self.server, place, self.platform.date()).await;
        }
        self.transfers.set(self.transfers.get() - 1);
        self.news.set();
    }

    /// The next moment at which there is something to do.
    #[inline(never)]
    fn wakes(&self) -> Instant {
        let is_busy = self.transfers.get() >= MOST_TRANSFERS;
        let secondaries = self.secondaries.borrow();
        // As long as no further one is begun, only what expires is to be looked at.
        let due = secondaries.iter().filter_map(|Secondary { schedule, .. }| match is_busy {
            true => schedule.expires(),
            false => schedule.wakes(),
        });
        let due = due.chain(self.notices.borrow().wakes()).min();
        due.unwrap_or(self.platform.now() + IDLE)
    }

    /// Writes the next notice that is due into `message`, and gives its length and whom it is for.
    #[inline(never)]
    fn next_notice(&self, message: &mut [u8]) -> Option<(usize, SocketAddr)> {
        loop {
            let now = self.platform.now();
            let id = self.platform.entropy.next_u32() as u16;
            let (place, target, to) = match self.notices.borrow_mut().next(now, id)? {
                Ok(notice) => (notice.zone, notice.target, notice.to),
                Err(notice) => {
                    log::warn!("{} does not answer when it is told of a new version", End(notice.to));
                    self.server.borrow().transfers().notices_unanswered.increment();
                    continue;
                }
            };
            if let Some(length) = self.write_notice(message, id, place, target) {
                self.server.borrow().transfers().notices_out.increment();
                return Some((length, to));
            }
        }
    }

    /// Writes the notice of the zone at `place` to the one with the number `target`.
    fn write_notice(&self, message: &mut [u8], id: u16, place: usize, target: usize) -> Option<usize> {
        let server = self.server.borrow();
        let zone = server.zone_at(place)?;
        let length = ask::notice(message, id, &zone).ok()?;
        let key = server.options(place)?.notify().get(target)?.key();
        match server.key(key) {
            None => Some(length),
            Some(key) => Some(Verifier::sign(key, message, length, self.platform.date()?)?.0),
        }
    }

    /// Takes what came from `from` for the answer to a notice, if it is one. All that it changes is that nobody is told again,
    /// so its signature does not matter.
    #[inline(never)]
    fn take_answer(&self, message: &[u8], from: SocketAddr) {
        let Some((id, code)) = ask::answer_to_notice(message) else { return };
        let Some(notice) = self.notices.borrow_mut().answered(from, id) else { return };
        match code {
            0 => log::debug!("{} knows of the new version", End(notice.to)),
            code => log::warn!("{} does not want to know of the new version: code {code}", End(notice.to)),
        }
    }
}

/// The times of the zone at `place`, if there is one, as the configuration limits them.
fn timers(server: &Server, place: usize) -> Option<Timers> {
    let Timers { refresh, retry, expire } = server.zone_at(place)?.timers();
    let [refresh, retry, expire] = server.options(place)?.limit([refresh, retry, expire]);
    Some(Timers { refresh, retry, expire })
}

/// Looks at what is due until the appliance ends.
pub(super) async fn run(maintenance: Rc<Maintenance>) {
    let platform = maintenance.platform.clone();
    let mut socket = match platform.net.udp(0).await {
        Ok(socket) => socket,
        Err(error) => {
            log::error!("zones are neither fetched nor announced: {error}");
            return;
        }
    };
    let mut datagram = [0; ask::ROOM];
    loop {
        maintenance.look();
        while let Some((length, to)) = maintenance.next_notice(&mut datagram) {
            let notice = datagram.get(..length).unwrap_or_default();
            // One that is lost is sent again.
            let _ = poll_fn(|context| socket.poll_send_to(context, notice, to)).await;
        }
        let mut pause = platform.time.sleep_until(maintenance.wakes());
        let received = poll_fn(|context| {
            if let Poll::Ready(received) = socket.poll_receive_from(context, &mut datagram) {
                return Poll::Ready(received.ok());
            }
            let is_news = maintenance.news.poll_wait(context).is_ready();
            let is_due = Pin::new(&mut pause).poll(context).is_ready();
            if is_news || is_due { Poll::Ready(None) } else { Poll::Pending }
        });
        if let Some((length, from)) = received.await
            && let Some(message) = datagram.get(..length)
        {
            maintenance.take_answer(message, from);
        }
    }
}
