//! The guest's end of a conversation: bytes in, bytes out, and nothing that waits.
//!
//! [`Session::receive`] takes requests and remembers each as a job; [`Session::fill`] lets the jobs write replies, in
//! turns, for as long as there is room. What they tell comes from a [`Sources`], a position at a time, so that a list of
//! any length needs no memory here. Invariant: at most `JOB_LIMIT` jobs exist, and while they do no further request is
//! taken: a tool that asks and does not read stops nobody but itself.

use alloc::vec::Vec;

use crate::frame::{Decoder, REPLY_LIMIT, REQUEST_LIMIT};
use crate::message::{CAPTURE_LIMIT, Level, Refusal, Reply, Request, VERSION};
use crate::{reply, request};

/// Requests that are worked on at the same time.
const JOB_LIMIT: usize = 8;
/// Of these, those that go on until they are stopped; the rest is left for requests that end by themselves.
const FOLLOW_LIMIT: usize = 4;

unik_sched::counters! {
    /// What a session has counted.
    pub struct SessionCounters {
        /// Conversations begun.
        conversations,
        /// Requests taken.
        requests,
        /// Requests refused, malformed ones included.
        refused,
        /// Frames that were no request.
        malformed,
        /// Replies written.
        replies,
    }
}

/// What can be listed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum List {
    /// [`Reply::Fact`]s.
    Facts,
    /// [`Reply::Task`]s.
    Tasks,
    /// [`Reply::Counter`]s.
    Counters,
    /// [`Reply::Socket`]s.
    Sockets,
    /// [`Reply::Interface`]s.
    Interfaces,
    /// [`Reply::Level`]s.
    Levels,
    /// [`Reply::Record`]s, and [`Reply::Lost`] where some are gone; the position is the number of the next.
    Records,
    /// [`Reply::Frame`]s of the capture, and [`Reply::Lost`]; each is handed out once, and the position means nothing.
    Frames,
    /// [`Reply::Command`]s.
    Commands,
    /// [`Reply::Line`]s of one answer, or [`Reply::Declined`]; each is handed out once, and the position says which answer.
    Answer,
}

/// Takes one item and the position behind it. False: there is no room, the item was not taken and none shall follow.
pub type Visit<'a> = &'a mut dyn FnMut(u64, &Reply<'_>) -> bool;

/// Where a session has its answers from.
pub trait Sources {
    /// The name of the appliance.
    fn name(&self) -> &str;

    /// Calls `visit` for each item from `position` on, until that returns false.
    fn list(&mut self, list: List, position: u64, visit: Visit<'_>);

    /// Sets a level of the log.
    ///
    /// # Errors
    /// [`Refusal::Busy`] where as many levels as possible are set, [`Refusal::NotFound`] where no module has such a name.
    fn set_level(&mut self, target: &str, level: Option<Level>) -> Result<(), Refusal>;

    /// Begins to copy frames of a network card, `length` bytes of each.
    ///
    /// # Errors
    /// [`Refusal::NotFound`], [`Refusal::Busy`], [`Refusal::Unable`].
    fn start_capture(&mut self, interface: &str, length: usize) -> Result<(), Refusal>;

    /// Ends that.
    fn stop_capture(&mut self);

    /// Ends the appliance in order.
    ///
    /// # Errors
    /// [`Refusal::Unable`] where it cannot be ended from here.
    fn end(&mut self, reboot: bool) -> Result<(), Refusal>;

    /// Has the command of the appliance that the first of the words names begin an answer; the position of [`List::Answer`] that names it.
    ///
    /// # Errors
    /// [`Refusal::NotFound`], [`Refusal::Unable`].
    fn ask(&mut self, words: &str) -> Result<u64, Refusal>;

    /// The conversation has ended: ends the capture, and drops all answers that were begun.
    fn forget(&mut self);
}

/// One conversation after the other.
pub struct Session {
    decoder: Decoder<REQUEST_LIMIT>,
    jobs: Vec<Job>,
    counters: alloc::rc::Rc<SessionCounters>,
}

/// A request that is not answered completely.
#[derive(Clone, Copy)]
struct Job {
    number: u32,
    work: Work,
}

#[derive(Clone, Copy)]
enum Work {
    /// Say hello.
    Welcome,
    /// Say this and be done.
    Last(Result<(), Refusal>),
    /// Go on with a list from a position. Where it is followed, its end is not the end of the job.
    List { list: List, position: u64, follow: bool },
}

impl Session {
    /// A session before its first conversation.
    pub fn new() -> Self {
        Self {
            decoder: Decoder::new(),
            jobs: Vec::with_capacity(JOB_LIMIT),
            counters: alloc::rc::Rc::new(SessionCounters::new()),
        }
    }

    /// What it has counted.
    pub fn counters(&self) -> alloc::rc::Rc<SessionCounters> {
        self.counters.clone()
    }

    /// The other side has come or gone: whatever was under way is dropped.
    #[inline(never)]
    pub fn restart(&mut self, sources: &mut dyn Sources) {
        self.decoder.restart();
        self.jobs.clear();
        sources.forget();
    }

    /// Takes what the tool sent; returns how many bytes it took. Less than all: [`fill`](Self::fill) must make room first.
    #[inline(never)]
    pub fn receive(&mut self, bytes: &[u8], sources: &mut dyn Sources) -> usize {
        let mut taken = 0;
        while !self.is_full()
            && let Some(rest) = bytes.get(taken..).filter(|rest| !rest.is_empty())
        {
            let (used, contents) = self.decoder.feed(rest);
            taken += used;
            let Some(contents) = contents else { continue };
            let (number, request) = request::read(contents).unwrap_or((0, None));
            self.counters.requests.increment();
            let work = match request {
                Some(Request::Stop { request }) => Some(Work::Last(stop(&mut self.jobs, request, sources))),
                Some(request)
                    if matches!(request, Request::Log { follow: true } | Request::Capture { .. })
                        && self.jobs.iter().filter(|job| job.follows()).count() >= FOLLOW_LIMIT =>
                {
                    Some(Work::Last(Err(Refusal::Busy)))
                }
                Some(request) => begin(request, sources),
                None => {
                    self.counters.malformed.increment();
                    Some(Work::Last(Err(Refusal::Malformed)))
                }
            };
            if let Some(Work::Last(Err(_))) = work {
                self.counters.refused.increment();
            }
            if work.is_none() {
                self.counters.conversations.increment();
                self.restart(sources);
            }
            self.jobs.push(Job { number, work: work.unwrap_or(Work::Welcome) });
        }
        taken
    }

    /// Writes whole replies to the beginning of `room`, as many as fit; returns their length. Zero: there is nothing to
    /// say. The room must hold [`REPLY_LIMIT`] bytes.
    #[inline(never)]
    pub fn fill(&mut self, sources: &mut dyn Sources, room: &mut [u8]) -> usize {
        let mut writer = Writer { room, length: 0, full: false, replies: 0 };
        let mut index = 0;
        while let Some(job) = self.jobs.get_mut(index)
            && !writer.full
        {
            if job.go_on(sources, &mut writer) {
                self.jobs.remove(index);
            } else {
                index += 1;
            }
        }
        let (full, length) = (writer.full, writer.length);
        self.counters.replies.add(writer.replies);
        // The next call begins behind the job that filled this one, so that a long list does not keep the others waiting.
        if full {
            let behind = index.min(self.jobs.len());
            self.jobs.rotate_left(behind);
        }
        length
    }

    /// Whether it takes no request before [`fill`](Self::fill) has answered others.
    pub fn is_full(&self) -> bool {
        self.jobs.len() >= JOB_LIMIT
    }
}

impl Default for Session {
    fn default() -> Self {
        Self::new()
    }
}

/// What a request sets going. `None` for the beginning of a conversation.
#[inline(never)]
fn begin(request: Request<'_>, sources: &mut dyn Sources) -> Option<Work> {
    let (mut follow, mut position) = (false, 0);
    let result = match request {
        Request::Hello { version: VERSION } => return None,
        Request::Hello { .. } => Err(Refusal::Version),
        Request::Facts => Ok(Some(List::Facts)),
        Request::Tasks => Ok(Some(List::Tasks)),
        Request::Counters => Ok(Some(List::Counters)),
        Request::Sockets => Ok(Some(List::Sockets)),
        Request::Interfaces => Ok(Some(List::Interfaces)),
        Request::Levels => Ok(Some(List::Levels)),
        Request::Log { follow: on } => {
            follow = on;
            Ok(Some(List::Records))
        }
        Request::SetLevel { target, level } => sources.set_level(target, level).map(|()| None),
        Request::Capture { interface, length } => {
            follow = true;
            let length = length.min(CAPTURE_LIMIT);
            sources.start_capture(interface, usize::from(length)).map(|()| Some(List::Frames))
        }
        Request::Stop { .. } => Err(Refusal::NotFound),
        Request::End { reboot } => sources.end(reboot).map(|()| None),
        Request::Commands => Ok(Some(List::Commands)),
        Request::Ask { words } => sources.ask(words).map(|answer| {
            position = answer;
            Some(List::Answer)
        }),
    };
    Some(match result {
        Ok(Some(list)) => Work::List { list, position, follow },
        Ok(None) => Work::Last(Ok(())),
        Err(refusal) => Work::Last(Err(refusal)),
    })
}

/// Makes a followed list end where it stands.
fn stop(jobs: &mut [Job], number: u32, sources: &mut dyn Sources) -> Result<(), Refusal> {
    for job in jobs {
        if let Work::List { list, follow: true, .. } = job.work
            && job.number == number
        {
            if list == List::Frames {
                sources.stop_capture();
            }
            job.work = Work::Last(Ok(()));
            return Ok(());
        }
    }
    Err(Refusal::NotFound)
}

impl Job {
    /// Whether it goes on until it is stopped.
    fn follows(&self) -> bool {
        matches!(self.work, Work::List { follow: true, .. })
    }

    /// Writes what there is to write. True when the job is done.
    fn go_on(&mut self, sources: &mut dyn Sources, writer: &mut Writer<'_>) -> bool {
        let number = self.number;
        let last = match &mut self.work {
            Work::Welcome => {
                return writer.write(number, &Reply::Welcome { version: VERSION, name: sources.name() });
            }
            Work::Last(result) => *result,
            Work::List { list, position, follow } => {
                let mut next = *position;
                sources.list(*list, next, &mut |behind, reply| {
                    let written = writer.write(number, reply);
                    if written {
                        next = behind;
                    }
                    written
                });
                *position = next;
                if writer.full || *follow {
                    return false;
                }
                Ok(())
            }
        };
        writer.write(number, &last.map_or_else(Reply::Refused, |()| Reply::Done))
    }
}

/// Replies one behind the other.
struct Writer<'a> {
    room: &'a mut [u8],
    length: usize,
    full: bool,
    replies: u64,
}

impl Writer<'_> {
    /// Writes one reply if there is room for it; otherwise the writer is full from then on.
    fn write(&mut self, number: u32, reply: &Reply<'_>) -> bool {
        let room = self.room.get_mut(self.length..).unwrap_or_default();
        // What fits nowhere is left out, or its list would never end.
        match reply::write(number, reply, room) {
            Some(length) => {
                self.length += length;
                self.replies += 1;
                true
            }
            None if self.length == 0 && self.room.len() >= REPLY_LIMIT => true,
            None => {
                self.full = true;
                false
            }
        }
    }
}
