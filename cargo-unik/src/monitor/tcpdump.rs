//! `cargo unik tcpdump`: frames of a network card as they pass, as lines or as a capture for Wireshark.

use std::fs::File;
use std::io::{BufWriter, Write as _};
use std::path::PathBuf;

use serde_json::json;
use unik_monitor::{CAPTURE_LIMIT, Direction, Frame, Reply, Request};

use crate::error::{Context, Error, Result};
use crate::monitor::Connection;
use crate::monitor::clock::{Clock, time_of_day};
use crate::monitor::pcapng;
use crate::monitor::summary::{Summary, summarise};
use crate::monitor::tables::printable;
use crate::monitor::view::View;

/// What a capture calls the program that wrote it.
const PROGRAM: &str = concat!("cargo-unik ", env!("CARGO_PKG_VERSION"));

/// What is captured, and where it goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Options {
    /// The network card; the only one where nothing is said.
    pub interface: Option<String>,
    /// Where the capture goes; lines are shown where nothing is said.
    pub target: Option<Target>,
    /// The most bytes of each frame.
    pub length: u16,
    /// After how many frames it ends; where nothing is said, when the user wants it to.
    pub count: Option<u64>,
}

/// Where a capture goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Target {
    /// To standard output.
    Output,
    /// To a file, whose contents it takes the place of.
    File(PathBuf),
}

impl Default for Options {
    fn default() -> Options {
        Options { interface: None, target: None, length: CAPTURE_LIMIT, count: None }
    }
}

/// Captures until the user wants an end or there are frames enough. What has been captured when the guest ends is complete all the same.
///
/// # Errors
/// The guest refuses or ends, or the capture cannot be written.
pub fn run(guest: &mut Connection, options: &Options, view: &mut View<'_>) -> Result<()> {
    let interface = interface(guest, options.interface.as_deref())?;
    let clock = Clock::of(guest)?;
    let mut capture = Capture::begin(options, &interface, clock, view)?;
    let number = guest.ask(&Request::Capture { interface: &interface, length: options.length })?;
    let outcome = capture.go_on(guest, number);
    let end = capture.end();
    let Capture { captured, lost, .. } = capture;
    view.note(&format!("frames of {}: {captured} captured, {lost} lost", printable(&interface)));
    outcome.and(end)
}

/// The card that is meant, among those that the guest has.
fn interface(guest: &mut Connection, wanted: Option<&str>) -> Result<String> {
    let mut cards = Vec::new();
    guest.list(&Request::Interfaces, "tell its network cards", &mut |reply| {
        let Reply::Interface(name) = reply else { return Ok(false) };
        cards.push(name.to_owned());
        Ok(true)
    })?;
    let names = || printable(&cards.join(", "));
    match (wanted, cards.as_slice()) {
        (_, []) => Err(Error::failed(format!("{} has no network card", guest.name))),
        (Some(wanted), cards) if cards.iter().any(|card| card == wanted) => Ok(wanted.to_owned()),
        (None, [card]) => Ok(card.clone()),
        (None, _) => Err(Error::usage(format!("choose a network card with -i: {}", names()))),
        (Some(wanted), _) => {
            let wanted = printable(wanted);
            Err(Error::usage(format!("{} has no network card '{wanted}': choose {}", guest.name, names())))
        }
    }
}

/// A capture on its way.
struct Capture<'a, 'b> {
    view: &'a mut View<'b>,
    /// Frames become blocks of a capture, here or on standard output; else lines.
    blocks: bool,
    file: Option<(BufWriter<File>, PathBuf)>,
    clock: Clock,
    count: u64,
    captured: u64,
    lost: u64,
    /// Frames lost since the last one that was captured.
    gap: u64,
    /// The date of the last frame.
    last: u64,
}

impl<'a, 'b> Capture<'a, 'b> {
    fn begin(
        options: &Options,
        interface: &str,
        clock: Clock,
        view: &'a mut View<'b>,
    ) -> Result<Capture<'a, 'b>> {
        let file = match &options.target {
            Some(Target::File(path)) => {
                let file = File::create(path).or_cannot(|| format!("write {}", path.display()))?;
                Some((BufWriter::new(file), path.clone()))
            }
            _ => None,
        };
        let (count, last) = (options.count.unwrap_or(u64::MAX), clock.date(0));
        let blocks = options.target.is_some();
        let mut capture = Capture { view, blocks, file, clock, count, captured: 0, lost: 0, gap: 0, last };
        if blocks {
            capture.write(&pcapng::begin(PROGRAM, interface, options.length))?;
            // Whoever reads along can show an empty capture already.
            capture.flush()?;
        }
        Ok(capture)
    }

    fn go_on(&mut self, guest: &mut Connection, number: u32) -> Result<()> {
        while !self.view.ended() && self.captured < self.count {
            match guest.next(number, self.view.stop)? {
                None => break,
                Some(Reply::Refused(refusal)) => return Err(guest.refused("copy its frames", refusal)),
                Some(reply @ (Reply::Frame(_) | Reply::Lost(_))) => self.take(reply)?,
                Some(_) => return Err(guest.nonsense()),
            }
            if !guest.has_more() {
                self.flush()?;
            }
        }
        guest.stop(number, &mut |reply| self.take(reply))
    }

    fn take(&mut self, reply: Reply<'_>) -> Result<()> {
        match reply {
            Reply::Lost(lost) => {
                self.lost = self.lost.saturating_add(lost);
                self.gap = self.gap.saturating_add(lost);
            }
            Reply::Frame(frame) if self.captured < self.count => {
                self.captured += 1;
                self.last = self.clock.date(frame.time);
                self.show(&frame)?;
                self.gap = 0;
            }
            _ => {}
        }
        Ok(())
    }

    fn show(&mut self, frame: &Frame<'_>) -> Result<()> {
        let Frame { direction, length, bytes, .. } = *frame;
        if self.blocks {
            return self.write(&pcapng::packet(self.last, direction, length, bytes, self.gap));
        }
        let Summary { source, destination, protocol, details } = summarise(bytes);
        let word = match direction {
            Direction::Received => "in",
            Direction::Sent => "out",
        };
        if self.view.json {
            return self.view.value(&json!({
                "time": self.last, "direction": word, "length": length, "captured": bytes.len(), "source": source,
                "destination": destination, "protocol": protocol, "details": details, "lost_before": self.gap,
            }));
        }
        if self.gap > 0 {
            self.view.line(&format!("... {} frames lost ...", self.gap))?;
        }
        let comma = if details.is_empty() { "" } else { " " };
        let time = time_of_day(self.last);
        self.view.line(&format!(
            "{time} {word:<3} {source} > {destination} {protocol}{comma}{details}, {length} bytes"
        ))
    }

    /// Writes the end of the capture.
    fn end(&mut self) -> Result<()> {
        if self.blocks {
            let passed = self.captured.saturating_add(self.lost);
            self.write(&pcapng::end(self.last, passed, self.lost))?;
        }
        self.flush()
    }

    fn write(&mut self, block: &[u8]) -> Result<()> {
        match &mut self.file {
            Some((file, path)) => file.write_all(block).or_cannot(|| format!("write {}", path.display())),
            None => self.view.bytes(block),
        }
    }

    fn flush(&mut self) -> Result<()> {
        match &mut self.file {
            Some((file, path)) => file.flush().or_cannot(|| format!("write {}", path.display())),
            None => self.view.flush(),
        }
    }
}
