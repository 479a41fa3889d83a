//! When an image hands its first frame to its network card: the question for an address, where it is told none.
//!
//! QEMU notes the frame in a capture, by the guest's clock, which counts instructions under `-icount`. The clock stands at nought
//! when the machine starts, and the image keeps its reading at the entry point: it is read out of the guest's memory. Nothing is in
//! the image for this.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::console::Running;
use crate::error::{Context, Error, Result};
use crate::guest::Guest;
use crate::options::{Accelerator, Network};
use crate::symbols::Symbols;

/// How often a guest is started: a device of QEMU that is late makes it wait, and waiting counts.
const BOOTS: usize = 5;
/// How long one guest may take.
const PATIENCE: Duration = Duration::from_secs(60);
/// Where an image keeps the clock's reading at its entry point.
const ENTRY: &str = "boot_ticks";

/// An image, and where a capture can be written meanwhile.
pub struct Subject<'a> {
    /// What it calls itself.
    pub name: &'a str,
    /// What boots.
    pub elf: &'a Path,
    /// Its symbols.
    pub debug: &'a Path,
    /// The folder of its sources.
    pub root: &'a Path,
    /// A file that is overwritten.
    pub capture: PathBuf,
}

/// Instructions from the entry point to the first frame, in thousands: the least of several boots on microvm.
///
/// # Errors
/// A guest that does not do its part.
pub fn measure(subject: &Subject<'_>) -> Result<u64> {
    let entry = entry(subject)?;
    let boots = (0..BOOTS).map(|_| boot_from(subject, entry));
    boots.collect::<Result<Vec<_>>>().map(|boots| boots.into_iter().min().unwrap_or_default())
}

/// The same of one boot, with all that the guest waited for.
///
/// # Errors
/// A guest that does not do its part.
pub fn boot(subject: &Subject<'_>) -> Result<u64> {
    boot_from(subject, entry(subject)?)
}

/// Where the guest keeps when it was entered.
fn entry(subject: &Subject<'_>) -> Result<u64> {
    let symbols = Symbols::open(subject.debug, subject.root)?;
    let entry = symbols.table().iter().find(|symbol| symbol.name == ENTRY);
    let entry = entry.ok_or_else(|| Error::failed(format!("no {ENTRY} in {}", subject.debug.display())))?;
    Ok(entry.address)
}

fn boot_from(subject: &Subject<'_>, entry: u64) -> Result<u64> {
    let path = subject.capture.display();
    let capture = format!("filter-dump,id=first,netdev=net0,file={path}");
    let guest = Guest {
        accelerator: Accelerator::Tcg,
        networks: vec![Network::User],
        extra: ["-icount", "shift=0,sleep=off", "-object", &capture].map(Into::into).into(),
        ..Guest::new(subject.elf)
    };
    let (mut running, mut qmp) = Running::start_controlled(&guest.command()?)?;
    qmp.set_patience(PATIENCE)?;
    running.line(&format!("ready: {}", subject.name), PATIENCE)?;
    let entered = qmp.word(entry)? / 1000;
    let bytes = fs::read(&subject.capture).or_cannot(|| format!("read {path}"))?;
    let sent = first_time(&bytes).ok_or_else(|| Error::failed(format!("no frame in {path}")))?;
    Ok(sent.saturating_sub(entered))
}

/// The microseconds at which the first frame of a capture was sent, from the second on in which QEMU was started.
fn first_time(capture: &[u8]) -> Option<u64> {
    // The file's header is 24 bytes, a frame's begins with seconds and microseconds (draft-ietf-opsawg-pcap, 4 and 5).
    const MAGIC: u32 = 0xa1b2_c3d4;
    let word = |at: usize| Some(u32::from_le_bytes(capture.get(at..at + 4)?.try_into().ok()?));
    (word(0)? == MAGIC).then_some(())?;
    word(28).map(u64::from)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_time_of_the_first_frame_is_read() {
        let mut capture = vec![0xd4, 0xc3, 0xb2, 0xa1];
        capture.resize(24, 0);
        assert_eq!(first_time(&capture), None, "there is no frame yet");
        capture.extend([9, 0, 0, 0, 170, 0, 0, 0, 60, 0, 0, 0, 60, 0, 0, 0]);
        assert_eq!(first_time(&capture), Some(170));
        capture[0] = 0;
        assert_eq!(first_time(&capture), None, "another kind of file");
    }
}
