//! Counts each instruction that a guest executes while it answers: QEMU names them all (`-d exec`, one instruction a block), so
//! nothing is left out: interrupts, the executor's turns, the driver.

use std::fs::File;
use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::time::Duration;

use super::PATIENCE;
use crate::console::Running;
use crate::error::{Context, Error, Result};
use crate::guest::Guest;

/// How long a guest has to fall asleep before and after what counts. Executing one instruction at a time it takes a hundredth of
/// that for a datagram.
pub(super) const PAUSE: Duration = Duration::from_millis(20);
/// How QEMU is told to execute one instruction at a time, by old versions and by new ones.
const STEPS: [&str; 2] = ["singlestep on", "one-insn-per-tb on"];

/// Starts a guest, waits for `ready`, lets `talk` warm it up, and counts the instructions of what it does while `talk` goes on; the
/// trace is written to a file of that name, and removed.
///
/// # Errors
/// A guest that does not do its part, or a QEMU that cannot say what it executes.
pub(super) fn count(
    guest: &Guest,
    trace: &Path,
    ready: &str,
    warm: usize,
    counted: usize,
    talk: &mut dyn FnMut(usize) -> Result<()>,
) -> Result<u64> {
    let guest = Guest {
        extra: guest.extra.iter().cloned().chain(["-D".into(), trace.into()]).collect(),
        ..guest.clone()
    };
    let (mut running, mut qmp) = Running::start_controlled(&guest.command()?)?;
    running.line(ready, PATIENCE)?;
    let mut record = || {
        talk(warm)?;
        let steps = STEPS.iter().any(|command| qmp.tell(command).is_ok_and(|answer| answer.is_empty()));
        if !steps || !qmp.tell("log exec,nochain")?.is_empty() {
            return Err(Error::failed("this QEMU does not say which instructions it executes"));
        }
        talk(counted)?;
        qmp.tell("log none")
    };
    if let Err(error) = record() {
        return Err(running.report(&error.to_string()));
    }
    drop(running);
    let instructions = lines(trace);
    // What is left of it is of no use, and nobody misses what is not there.
    let _ = std::fs::remove_file(trace);
    instructions
}

/// The lines of a trace that name an instruction.
fn lines(trace: &Path) -> Result<u64> {
    let doing = || format!("read {}", trace.display());
    let mut count = 0;
    for line in BufReader::new(File::open(trace).or_cannot(doing)?).lines() {
        count += u64::from(line.or_cannot(doing)?.starts_with("Trace "));
    }
    Ok(count)
}
