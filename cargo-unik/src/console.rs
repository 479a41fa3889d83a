//! A running guest as a program sees it: lines of its console, waited for with patience, and its ending.
//!
//! What `cargo unik run` is for people, [`Running`] is for benchmarks and tests. Dropping it ends the guest.

use std::io::{BufRead as _, BufReader, Read as _};
use std::process::{Child, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use crate::error::{Context, Error, Result};
use crate::guest::Command;
use crate::qmp::Qmp;
use crate::run::Ending;

/// The most of a console that is kept, in bytes; a guest that prints without end is cut here.
pub const MAX_LOG: usize = 1 << 20;
/// How often an ending is looked for.
const TICK: Duration = Duration::from_millis(1);

/// A guest that was started.
#[derive(Debug)]
pub struct Running {
    qemu: Child,
    started: Instant,
    lines: Receiver<String>,
    log: String,
    complaints: Option<JoinHandle<String>>,
    command: String,
    is_reported: bool,
}

impl Running {
    /// Starts a guest.
    ///
    /// # Errors
    /// QEMU cannot be started at all.
    pub fn start(command: &Command) -> Result<Running> {
        Running::spawn(command.process(), command)
    }

    /// Starts a guest with a control channel.
    ///
    /// # Errors
    /// QEMU cannot be started at all.
    pub fn start_controlled(command: &Command) -> Result<(Running, Qmp)> {
        let mut process = command.process();
        let qmp = Qmp::attach(&mut process)?;
        Ok((Running::spawn(process, command)?, qmp))
    }

    fn spawn(mut process: std::process::Command, command: &Command) -> Result<Running> {
        process.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let started = Instant::now();
        let mut qemu =
            process.spawn().or_cannot(|| format!("start {}", command.program.to_string_lossy()))?;
        let (sender, lines) = channel();
        if let Some(console) = qemu.stdout.take() {
            std::thread::spawn(move || forward_lines(BufReader::new(console), &sender));
        }
        let complaints = qemu.stderr.take().map(|mut words| {
            std::thread::spawn(move || {
                let mut text = Vec::new();
                let _ = words.read_to_end(&mut text);
                String::from_utf8_lossy(&text).into_owned()
            })
        });
        Ok(Running {
            qemu,
            started,
            lines,
            log: String::new(),
            complaints,
            command: command.line(),
            is_reported: false,
        })
    }

    /// Waits for a line of the console that contains `text`, and returns it without its end.
    ///
    /// # Errors
    /// The patience is over, or the guest ended first; the sentence holds the console and the QEMU command.
    pub fn line(&mut self, text: &str, patience: Duration) -> Result<String> {
        let deadline = Instant::now() + patience;
        loop {
            match self.lines.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
                Ok(line) => {
                    self.record(&line);
                    if line.contains(text) {
                        return Ok(line);
                    }
                }
                Err(RecvTimeoutError::Timeout) => {
                    return Err(self.report(&format!("no line with '{text}' within {patience:?}")));
                }
                Err(RecvTimeoutError::Disconnected) => {
                    return Err(self.report(&format!("the guest ended without a line with '{text}'")));
                }
            }
        }
    }

    /// Waits for the guest to end by itself.
    ///
    /// # Errors
    /// The patience is over; the sentence holds the console and the QEMU command.
    pub fn end(&mut self, patience: Duration) -> Result<Ending> {
        let deadline = Instant::now() + patience;
        let status = loop {
            if let Some(status) = self.qemu.try_wait().or_cannot(|| "wait for QEMU".to_owned())? {
                break status;
            }
            if Instant::now() > deadline {
                return Err(self.report(&format!("the guest did not end within {patience:?}")));
            }
            std::thread::sleep(TICK);
        };
        self.rest();
        let complained = self.complaints().is_some_and(|words| !words.is_empty());
        Ok(Ending::decode(status, !self.log.is_empty(), complained))
    }

    /// Everything on the console so far.
    pub fn log(&mut self) -> &str {
        while let Ok(line) = self.lines.try_recv() {
            self.record(&line);
        }
        &self.log
    }

    /// QEMU's process id.
    pub fn process(&self) -> u32 {
        self.qemu.id()
    }

    /// When QEMU was started.
    pub fn started(&self) -> Instant {
        self.started
    }

    /// An error that holds what one needs to find out more: the console, QEMU's own words if it has ended, and its command.
    pub fn report(&mut self, what: &str) -> Error {
        self.is_reported = true;
        let ended = matches!(self.qemu.try_wait(), Ok(Some(_)));
        if ended {
            self.rest();
        }
        let words = if ended { self.complaints().unwrap_or_default() } else { String::new() };
        let command = self.command.clone();
        let log = self.log();
        Error::failed(format!("{what}\n--- console ---\n{log}--- QEMU ---\n{words}{command}"))
    }

    /// Whether there was a [`Running::report`]: all that is known of the guest has been told.
    pub fn is_reported(&self) -> bool {
        self.is_reported
    }

    /// Takes the lines of a guest that has ended: its pipe is closed, so this comes to an end.
    fn rest(&mut self) {
        while let Ok(line) = self.lines.recv() {
            self.record(&line);
        }
    }

    fn complaints(&mut self) -> Option<String> {
        self.complaints.take()?.join().ok()
    }

    fn record(&mut self, line: &str) {
        if self.log.len() + line.len() < MAX_LOG {
            self.log.push_str(line);
            self.log.push('\n');
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.qemu.kill();
        let _ = self.qemu.wait();
    }
}

fn forward_lines(mut console: impl std::io::BufRead, lines: &Sender<String>) {
    let mut bytes = Vec::new();
    while let Ok(1..) = console.by_ref().take(MAX_LOG as u64).read_until(b'\n', &mut bytes) {
        let line = String::from_utf8_lossy(&bytes);
        if lines.send(line.trim_end_matches(['\r', '\n']).to_owned()).is_err() {
            return;
        }
        bytes.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PATIENCE: Duration = Duration::from_secs(20);

    /// Stands in for QEMU: a shell that speaks as a guest would.
    fn shell(script: &str) -> Running {
        let arguments = vec!["-c".into(), script.into()];
        Running::start(&Command { program: "sh".into(), arguments, summary: String::new() }).unwrap()
    }

    #[test]
    fn lines_are_waited_for_and_recorded() {
        let mut guest = shell("printf 'one\\r\\ntwo\\r\\nthree'; exit 5");
        assert_eq!(guest.line("two", PATIENCE).unwrap(), "two");
        assert_eq!(guest.end(PATIENCE).unwrap(), Ending::Guest(2));
        assert_eq!(guest.log(), "one\ntwo\nthree\n");
    }

    #[test]
    fn a_guest_that_ends_too_early_is_reported_with_its_console() {
        let error = shell("echo hello; exit 5").line("ready", PATIENCE).unwrap_err().to_string();
        assert!(
            error.starts_with("the guest ended without a line with 'ready'\n--- console ---\nhello\n"),
            "{error}"
        );
        assert!(error.ends_with("sh -c 'echo hello; exit 5'"), "{error}");
    }

    #[test]
    fn patience_ends() {
        let mut guest = shell("exec sleep 100");
        let error = guest.end(Duration::ZERO).unwrap_err().to_string();
        assert!(error.starts_with("the guest did not end within 0ns"), "{error}");
    }
}
