//! An appliance with commands of its own: a tally that its operator reads and changes from the host.
//!
//! `cargo unik ask commands add apples 3` adds to it, `tally` shows it, and `squares 10` is a table as long as one likes.
#![cfg_attr(target_os = "none", no_std, no_main)]
#![forbid(unsafe_code)]

extern crate alloc;

use alloc::rc::Rc;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::cell::RefCell;
use unik::command::{Command, Declined, Line};
use unik::{Commands, Monitor};

/// The most names in the tally.
const NAME_LIMIT: usize = 4;

/// Names, and how often each was counted.
#[derive(Default)]
struct Tally(RefCell<Vec<(String, u64)>>);

/// Shows the tally: a line for each name.
struct Show(Rc<Tally>);

impl Command for Show {
    fn start(&self, _arguments: &str, line: &mut Line) -> Result<Option<u64>, Declined> {
        line.push("NAME\t COUNT");
        Ok(Some(0))
    }

    fn next(&self, _arguments: &str, position: u64, line: &mut Line) -> Option<u64> {
        let entries = self.0.0.borrow();
        let (name, count) = entries.get(position as usize)?;
        write!(line, "{name}\t{count}");
        Some(position + 1)
    }
}

/// Adds to the tally: `NAME [NUMBER]`.
struct Add(Rc<Tally>);

impl Command for Add {
    fn start(&self, arguments: &str, line: &mut Line) -> Result<Option<u64>, Declined> {
        let mut words = arguments.split_whitespace();
        let (Some(name), number, None) = (words.next(), words.next(), words.next()) else {
            line.push("what is counted is one word, with a number behind it or none");
            return Err(Declined);
        };
        let Ok(number) = number.unwrap_or("1").parse::<u64>() else {
            write!(line, "'{arguments}' does not end with a number");
            return Err(Declined);
        };
        let mut entries = self.0.0.borrow_mut();
        let known = entries.iter().position(|(known, _)| known == name);
        if known.is_none() && (entries.len() >= NAME_LIMIT || entries.try_reserve(1).is_err()) {
            write!(line, "{NAME_LIMIT} names are counted already");
            return Err(Declined);
        }
        let index = known.unwrap_or(entries.len());
        if known.is_none() {
            entries.push((name.to_string(), 0));
        }
        if let Some((name, count)) = entries.get_mut(index) {
            *count = count.saturating_add(number);
            write!(line, "{name}: {count}");
        }
        Ok(None)
    }
}

/// As many square numbers as the arguments say.
struct Squares;

impl Command for Squares {
    fn start(&self, arguments: &str, line: &mut Line) -> Result<Option<u64>, Declined> {
        if arguments.parse::<u32>().is_err() {
            write!(line, "'{arguments}' is no number of lines");
            return Err(Declined);
        }
        line.push(" NUMBER\t SQUARE");
        Ok(Some(1))
    }

    fn next(&self, arguments: &str, position: u64, line: &mut Line) -> Option<u64> {
        if position > arguments.parse().ok()? {
            return None;
        }
        write!(line, "{position}\t{}", position * position);
        Some(position + 1)
    }
}

#[unik::main]
async fn main(_monitor: Option<Monitor>, commands: Commands) {
    let tally = Rc::<Tally>::default();
    commands.register("tally", "Shows what was counted.", Rc::new(Show(tally.clone())));
    commands.register("add", "Counts something: add NAME [NUMBER].", Rc::new(Add(tally)));
    commands.register("squares", "Shows square numbers: squares LINES.", Rc::new(Squares));
    core::future::pending::<()>().await;
}
