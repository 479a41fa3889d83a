//! Measures the network of an image against a Linux guest that was tuned for the same job, over taps, with the same client.
//!
//! Each row is a question. Both sides are asked it alternately, so that a noisy computer disturbs both alike; the best, the median and
//! the lowest of the rounds are told, and the ratios. What a request costs is counted in instructions, on the side of the image,
//! and written to `bench/net.txt`: no noise reaches it. The guests, their machines and what was tuned are told in `bench/README.md`.

use std::cell::RefCell;
use std::time::Duration;

use crate::bench::rows::{self, Row, Verdict};
use crate::bench::write;
use crate::error::{Error, Result};
use crate::image::{self, Profile, Request};
use crate::workspace::Workspace;

pub(super) mod client;
pub(super) mod connections;
mod flood;
mod frame;
pub(super) mod namespace;
pub(super) mod random;
pub(super) mod raw;
mod relay;
pub(super) mod requests;
pub(super) mod side;
pub(super) mod statistics;
mod transfer;

use client::CONGESTION;
use namespace::Namespace;
use side::{BUILD, Guests, RAM};

/// How often each side is measured.
pub(super) const ROUNDS: usize = 7;
/// The same, when there is no time.
pub(super) const ROUNDS_QUICK: usize = 3;

/// What of it is wanted.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Options {
    /// These rows alone.
    pub only: Vec<String>,
    /// Fewer and shorter rounds.
    pub quick: bool,
    /// The image alone.
    pub no_peer: bool,
    /// How many machines, where a bench starts as many as are wanted.
    pub count: Option<usize>,
}

impl Options {
    /// The words of those that are given.
    pub(super) fn given(&self) -> impl Iterator<Item = &'static str> {
        let all = [
            ("--only", !self.only.is_empty()),
            ("--quick", self.quick),
            ("--no-peer", self.no_peer),
            ("--count", self.count.is_some()),
        ];
        all.into_iter().filter(|(_, is_given)| *is_given).map(|(word, _)| word)
    }
}

/// The rows; the last one is for nights.
fn rows() -> Vec<Row<Field>> {
    vec![
        Row { name: "bulk", measure: transfer::bulk, usual: true },
        Row { name: "iperf", measure: transfer::iperf, usual: true },
        Row { name: "udp-echo", measure: requests::datagrams, usual: true },
        Row { name: "tcp-rr", measure: requests::kept, usual: true },
        Row { name: "idle", measure: requests::idle, usual: true },
        Row { name: "connections", measure: connections::many, usual: true },
        Row { name: "flood", measure: flood::row, usual: true },
        Row { name: "loss", measure: transfer::loss, usual: true },
        Row { name: "boot", measure: transfer::boot, usual: true },
        Row { name: "soak", measure: connections::soak, usual: false },
    ]
}

/// What the rows are measured with.
struct Field {
    guests: Guests,
    rounds: usize,
    quick: bool,
    /// Instructions by what they were for.
    counted: RefCell<Vec<(String, u64)>>,
    verdict: Verdict,
}

impl Field {
    /// So many seconds, or one when there is no time.
    fn duration(&self, seconds: u64) -> Duration {
        Duration::from_secs(if self.quick { seconds.div_ceil(3) } else { seconds })
    }
}

/// Measures the rows that are wanted. The exit code tells whether each had a figure.
///
/// # Errors
/// The user is not root, a row has no such name, an image does not build, or the Linux guest is not built.
pub fn run(workspace: &Workspace, options: &Options) -> Result<u8> {
    let rows = rows::wanted(rows(), &options.only)?;
    namespace::require_root()?;
    let guests = guests(workspace, options)?;
    let namespace = Namespace::enter()?;
    for side in guests.sides() {
        namespace.lay(side.wire())?;
    }
    let rounds = if options.quick { ROUNDS_QUICK } else { ROUNDS };
    println!(
        "network, QEMU under TCG, one processor and {RAM} each, taps with offloads, {CONGESTION} on this side; \
         {rounds} rounds a side, in turn"
    );
    let (counted, verdict) = (RefCell::new(Vec::new()), Verdict::default());
    let field = Field { guests, rounds, quick: options.quick, counted, verdict };
    rows::measure(&rows, &field, &field.verdict);
    if field.counted.borrow().len() == COUNTED && !options.quick && field.verdict.is_good() {
        write(workspace, "net.txt", &snapshot(&field.counted.borrow()))?;
    }
    Ok(field.verdict.code())
}

/// Figures that are counts of instructions: the snapshot holds all of them or is not written.
const COUNTED: usize = 5;

/// Builds the images and finds the Linux guest.
fn guests(workspace: &Workspace, options: &Options) -> Result<Guests> {
    let folder = workspace.target.join("peers/linux");
    if !options.no_peer && !side::is_built(&folder) {
        return Err(Error::failed(format!(
            "the Linux guest to compare with is not built: '{BUILD}' does it, in ten minutes; --no-peer measures unik alone"
        )));
    }
    let build = |name: &str| {
        let app = workspace.app(Some(name), &workspace.root)?;
        let request = Request::new(workspace, Profile::Release);
        image::build(workspace, &app, &Request { output: request.output.join("bench"), ..request })
    };
    let linux = (!options.no_peer).then_some(folder);
    Ok(Guests { echo: build("net_echo")?, bulk: build("bulk")?, linux })
}

fn snapshot(counted: &[(String, u64)]) -> String {
    let mut text =
        "instructions of a request (QEMU, -icount shift=0,sleep=off, microvm, a tap), one after the other\n"
            .to_owned();
    for (what, instructions) in counted {
        text += &format!("{what:48} {instructions:>8}\n");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(only: &[&str]) -> Result<Vec<&'static str>> {
        let only: Vec<String> = only.iter().map(|name| (*name).to_owned()).collect();
        Ok(rows::wanted(rows(), &only)?.iter().map(|row| row.name).collect())
    }

    #[test]
    fn all_rows_are_usual_but_the_one_for_nights() {
        let usual = names(&[]).unwrap();
        assert_eq!(usual.len(), rows().len() - 1);
        assert!(!usual.contains(&"soak"));
        assert_eq!(names(&["soak", "bulk"]).unwrap(), ["bulk", "soak"]);
    }

    #[test]
    fn a_row_that_is_not_there_is_answered_with_those_that_are() {
        let error = names(&["bulk", "ping"]).unwrap_err().to_string();
        assert!(error.starts_with("there is no row 'ping': choose of bulk, iperf, udp-echo"), "{error}");
    }

    #[test]
    fn the_snapshot_has_one_line_a_figure() {
        let text = snapshot(&[("UDP echo".to_owned(), 4711)]);
        assert_eq!(text.lines().count(), 2);
        assert!(text.ends_with("UDP echo                                             4711\n"), "{text}");
    }
}
