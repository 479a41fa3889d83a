//! Commands of the appliance itself: what an application lets the tool ask beside what every system tells.
//!
//! An application [registers](Commands::register) a [`Command`]; a session begins an answer with [`Commands::ask`] and
//! takes its lines with [`Commands::list`]. A [`Line`] waits here until there is room for it, so that each is asked for
//! once. Invariant: at most `ANSWER_LIMIT` answers are under way, each with one line of at most [`LINE_LIMIT`] bytes,
//! and all memory of an answer is there before its command hears of it.

use alloc::rc::Rc;
use alloc::string::String;
use alloc::vec::Vec;
use core::cell::{Cell, RefCell};
use core::fmt;

use crate::message::{LINE_LIMIT, Refusal, Reply};
use crate::session::{List, Visit};

/// Answers that are under way at the same time: as many as a session has requests.
const ANSWER_LIMIT: usize = 8;

/// Something that an appliance can be asked from the host.
///
/// It is called in the task of the channel, between the turns of all others, and waits for nothing: what takes its time
/// is handed to a task of the application. Several answers may be under way, so what one of them has to remember is in
/// its position.
///
/// Lines whose cells are separated by tabs are shown as a table, the first of them as its headings; a column whose
/// heading begins with a blank is of numbers.
pub trait Command {
    /// Begins an answer. Called once for each request, so whatever the command does is done here.
    ///
    /// `arguments` are the words behind the command, separated by blanks. What is written to `line`, if anything, is the
    /// first line. `Some` is the first position that [`next`](Self::next) is called with; after `None` nothing follows.
    ///
    /// # Errors
    /// It is not done, and what was written to `line` says why.
    fn start(&self, arguments: &str, line: &mut Line) -> Result<Option<u64>, Declined>;

    /// Goes on with an answer: writes the line at `position`, and gives the position of the next. `None`: nothing follows,
    /// and where nothing was written, there was no line here either. Called once for each line.
    fn next(&self, arguments: &str, position: u64, line: &mut Line) -> Option<u64> {
        let _ = (arguments, position, line);
        None
    }
}

/// The error of a [`Command`] that does not do what it was asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Declined;

/// A line that is being written: [`LINE_LIMIT`] bytes of text. The tool says so where more was written.
#[derive(Debug, Default)]
pub struct Line {
    /// It has room for them all.
    text: String,
    cut: bool,
}

impl Line {
    /// Adds text.
    pub fn push(&mut self, text: &str) {
        let room = if self.cut { 0 } else { LINE_LIMIT.saturating_sub(self.text.len()) };
        self.cut |= text.len() > room;
        self.text.push_str(text.get(..text.floor_char_boundary(room)).unwrap_or_default());
    }

    /// Adds what `write!` makes. It cannot fail.
    pub fn write_fmt(&mut self, arguments: fmt::Arguments<'_>) {
        // What fails is a value that cannot be shown; the rest of the line is none the worse.
        let _ = fmt::write(self, arguments);
    }
}

impl fmt::Write for Line {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.push(text);
        Ok(())
    }
}

unik_sched::counters! {
    /// What was counted about commands.
    pub struct CommandCounters {
        /// Answers begun.
        asked,
        /// Requests among them that a command declined.
        declined,
        /// Lines that were longer than the limit.
        cut,
        /// Requests for which there was no memory, or no place among the answers.
        unable,
    }
}

/// The commands of an appliance, and the answers that are under way.
#[derive(Default)]
pub struct Commands {
    entries: RefCell<Vec<Entry>>,
    answers: RefCell<Vec<Answer>>,
    /// Of the last answer; each has another, so that none is taken for one that has ended.
    ticket: Cell<u64>,
    counters: Rc<CommandCounters>,
}

struct Entry {
    name: &'static str,
    help: &'static str,
    command: Rc<dyn Command>,
}

impl Commands {
    /// None yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a command: its name, which is one word, and a sentence of help. One that has the same name makes way for it.
    pub fn register(&self, name: &'static str, help: &'static str, command: Rc<dyn Command>) {
        let entry = Entry { name, help, command };
        let mut entries = self.entries.borrow_mut();
        match entries.iter_mut().find(|known| known.name == name) {
            Some(known) => *known = entry,
            None => entries.push(entry),
        }
    }

    /// What has been counted.
    pub fn counters(&self) -> Rc<CommandCounters> {
        self.counters.clone()
    }

    /// Has the command that the first of the words names begin an answer; the position at which [`List::Answer`] goes on with it.
    ///
    /// # Errors
    /// [`Refusal::NotFound`], [`Refusal::Unable`]: the command has not been called.
    pub fn ask(&self, words: &str) -> Result<u64, Refusal> {
        let (name, arguments) = words.split_once(' ').unwrap_or((words, ""));
        let entries = self.entries.borrow();
        let command = entries.iter().find(|known| known.name == name).map(|known| known.command.clone());
        // The command may register others.
        drop(entries);
        let mut answer = self.prepare(command.ok_or(Refusal::NotFound)?, arguments).ok_or_else(|| {
            self.counters.unable.increment();
            Refusal::Unable
        })?;
        self.counters.asked.increment();
        match answer.command.start(arguments, &mut answer.line) {
            Ok(next) => (answer.next, answer.has_line) = (next, !answer.line.text.is_empty()),
            Err(Declined) => {
                (answer.declined, answer.has_line) = (true, true);
                self.counters.declined.increment();
            }
        }
        let ticket = answer.ticket;
        self.keep(answer);
        Ok(ticket)
    }

    /// Lists the commands, or goes on with the answer that the position names.
    pub fn list(&self, list: List, position: u64, visit: Visit<'_>) {
        match list {
            List::Commands => {
                let entries = self.entries.borrow();
                for (behind, entry) in (1..).zip(entries.iter()).skip(position as usize) {
                    if !visit(behind, &Reply::Command { name: entry.name, help: entry.help }) {
                        return;
                    }
                }
            }
            List::Answer => self.go_on(position, visit),
            _ => {}
        }
    }

    /// Drops the answers that are under way.
    pub fn forget(&self) {
        self.answers.borrow_mut().clear();
    }

    /// An answer with all the memory that it can take, and a place for it. `None` where that is not there.
    fn prepare(&self, command: Rc<dyn Command>, arguments: &str) -> Option<Answer> {
        let mut answers = self.answers.borrow_mut();
        if answers.len() >= ANSWER_LIMIT {
            return None;
        }
        answers.try_reserve(1).ok()?;
        let (mut own, mut line) = (String::new(), Line::default());
        own.try_reserve_exact(arguments.len()).ok()?;
        own.push_str(arguments);
        line.text.try_reserve_exact(LINE_LIMIT).ok()?;
        let ticket = self.ticket.get().wrapping_add(1);
        self.ticket.set(ticket);
        Some(Answer { ticket, command, arguments: own, line, next: None, has_line: false, declined: false })
    }

    /// Puts an answer into its place.
    fn keep(&self, answer: Answer) {
        self.counters.cut.add((answer.has_line && answer.line.cut).into());
        self.answers.borrow_mut().push(answer);
    }

    fn go_on(&self, ticket: u64, visit: Visit<'_>) {
        let mut answers = self.answers.borrow_mut();
        let Some(index) = answers.iter().position(|answer| answer.ticket == ticket) else { return };
        let mut answer = answers.swap_remove(index);
        drop(answers);
        while !answer.has_line || visit(ticket, &answer.reply()) {
            if !answer.advance() {
                return;
            }
            self.counters.cut.add(answer.line.cut.into());
        }
        self.answers.borrow_mut().push(answer);
    }
}

/// An answer that is under way.
struct Answer {
    ticket: u64,
    command: Rc<dyn Command>,
    arguments: String,
    line: Line,
    /// Whether the line is one, and waits to be taken.
    has_line: bool,
    /// Whether it says why the command declined.
    declined: bool,
    /// The position of the line behind it.
    next: Option<u64>,
}

impl Answer {
    fn reply(&self) -> Reply<'_> {
        let Line { text, cut } = &self.line;
        if self.declined { Reply::Declined { text, cut: *cut } } else { Reply::Line { text, cut: *cut } }
    }

    /// Has the command write the next line. False where there is none.
    fn advance(&mut self) -> bool {
        let Some(position) = self.next else { return false };
        self.line.text.clear();
        self.line.cut = false;
        self.next = self.command.next(&self.arguments, position, &mut self.line);
        self.has_line = self.next.is_some() || !self.line.text.is_empty();
        self.has_line
    }
}
