//! Taking the memory of a guest that died, before QEMU forgets it.
//!
//! For `--core`, the machine has no port that ends QEMU. Where it would be is one that passes the exit code on to the tool
//! ([`EXIT`]); then the guest powers off or resets, and QEMU, told so, keeps it as it was. [`Autopsy::attend`] waits for
//! that in a thread of its own, lets QEMU write the memory where the code is that of a panic or a fault or where there is
//! none, and ends QEMU. Invariant: QEMU is ended in every case, and a file that is no core file yet does not stay.

use std::fs;
use std::io::Read as _;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::thread::{self, JoinHandle};

use crate::core_file;
use crate::epitaph::{self, Registers};
use crate::error::{Context, Error, Result};
use crate::qmp::{self, Qmp};
use crate::stop::Stop;

/// What QEMU calls the channel of exit codes.
pub(crate) const EXIT: &str = "unik-exit";
/// What QEMU calls the channel of this module.
const AUTOPSY: &str = "unik-autopsy";

/// One who waits for a guest's end.
#[derive(Debug)]
pub(crate) struct Autopsy {
    qmp: Qmp,
    exit: UnixStream,
    core: PathBuf,
}

/// How a guest ended, as far as its memory tells.
#[derive(Debug)]
pub(crate) struct Findings {
    /// Its exit code, where it gave one.
    pub(crate) code: Option<u8>,
    /// Its memory, where it died.
    memory: Option<Memory>,
}

/// A file that goes when this does.
#[derive(Debug)]
struct Memory(PathBuf);

impl Autopsy {
    /// Prepares a QEMU that is about to be started: for the core file `core`, and with a control channel for the button.
    ///
    /// # Errors
    /// There are no sockets, or the file has no folder.
    pub(crate) fn prepare(qemu: &mut Command, core: &Path) -> Result<(Autopsy, Qmp)> {
        let core = std::path::absolute(core).or_cannot(|| format!("find {}", core.display()))?;
        if core.is_dir() || !core.parent().is_some_and(Path::is_dir) {
            return Err(Error::usage(format!("there is no place for a core file {}", core.display())));
        }
        let [control, autopsy, exit] = qmp::channels(qemu, [qmp::CONTROL, AUTOPSY, EXIT])?;
        exit.set_nonblocking(true).or_cannot(|| "make a channel for the exit code".to_owned())?;
        let control = Qmp::control(qemu, qmp::CONTROL, control)?;
        Ok((Autopsy { qmp: Qmp::control(qemu, AUTOPSY, autopsy)?, exit, core }, control))
    }

    /// Waits for the end; `None` where QEMU ended first.
    pub(crate) fn attend(mut self, stop: Arc<Stop>) -> JoinHandle<Result<Option<Findings>>> {
        thread::spawn(move || {
            if self.qmp.guest_ended().is_err() {
                // Where it still runs, it would wait for ever.
                stop.clean_up();
                return Ok(None);
            }
            let findings = self.examine();
            if self.qmp.quit().is_err() {
                stop.clean_up();
            }
            findings.map(Some)
        })
    }

    fn examine(&mut self) -> Result<Findings> {
        let mut code = [0];
        // The code was on its way before the end was.
        let code = self.exit.read(&mut code).is_ok_and(|length| length == 1).then_some(code[0]);
        let mut memory = None;
        if code.is_none_or(epitaph::is_death) {
            let mut path = self.core.clone().into_os_string();
            path.push(format!(".{}.memory", std::process::id()));
            let taken = memory.insert(Memory(path.into()));
            self.qmp.dump(&taken.0)?;
        }
        Ok(Findings { code, memory })
    }
}

impl Findings {
    /// Makes the core file, where the guest died, and says so, and with which command it is opened.
    ///
    /// # Errors
    /// It cannot be written.
    pub(crate) fn report(self, core: &Path, debugger: &str, registers: &Registers) -> Result<()> {
        let Some(memory) = self.memory else {
            eprintln!("unik: no core file: the guest did not die");
            return Ok(());
        };
        let size = core_file::correct(&memory.0, core, registers)?;
        let shown = core.display();
        eprintln!("unik: {shown}: {} bytes, {} of them on the disk", size.length, size.taken);
        eprintln!("unik: look into it with: {debugger} {shown}");
        Ok(())
    }
}

impl Drop for Memory {
    fn drop(&mut self) {
        // It may never have been written.
        let _ = fs::remove_file(&self.0);
    }
}
