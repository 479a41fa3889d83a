//! QEMU's control channel (QMP): the little of it that presses the power button.
//!
//! The channel is a socket that QEMU inherits, so nothing lies in a folder and nobody else can connect. Messages are
//! JSON, one a line. Invariant: every wait has a deadline, and every line a limit.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::os::unix::net::UnixStream;
use std::process::Command;
use std::time::Duration;

use command_fds::{CommandFdExt as _, FdMapping};
use serde_json::Value;

use crate::error::{Context, Error, Result};

/// The number under which QEMU finds the channel.
const DESCRIPTOR: i32 = 3;
/// How long an answer may take.
const PATIENCE: Duration = Duration::from_secs(5);
/// The longest message in bytes.
const LINE_LIMIT: u64 = 64 * 1024;
/// The most messages that are looked through for an answer.
const MESSAGE_LIMIT: usize = 1000;

/// Our end of a control channel.
#[derive(Debug)]
pub struct Qmp {
    stream: BufReader<UnixStream>,
    is_open: bool,
}

impl Qmp {
    /// Gives a QEMU that is about to be started a control channel. The command is to be dropped after the start: it
    /// holds QEMU's end.
    ///
    /// # Errors
    /// There are no sockets.
    pub fn attach(qemu: &mut Command) -> Result<Qmp> {
        let cannot = || "make a control channel".to_owned();
        let (near, far) = UnixStream::pair().or_cannot(cannot)?;
        qemu.arg("-chardev").arg(format!("socket,id=unik-control,fd={DESCRIPTOR}"));
        qemu.args(["-mon", "chardev=unik-control,mode=control"]);
        let mapping = FdMapping { parent_fd: far.into(), child_fd: DESCRIPTOR };
        qemu.fd_mappings(vec![mapping]).or_cannot(cannot)?;
        Qmp::over(near)
    }

    fn over(stream: UnixStream) -> Result<Qmp> {
        let bounded =
            stream.set_read_timeout(Some(PATIENCE)).and_then(|()| stream.set_write_timeout(Some(PATIENCE)));
        bounded.or_cannot(|| "bound the waits for QEMU".to_owned())?;
        Ok(Qmp { stream: BufReader::new(stream), is_open: false })
    }

    /// Presses the power button of the machine.
    ///
    /// # Errors
    /// QEMU does not answer, or has ended.
    pub fn power_down(&mut self) -> Result<()> {
        if !self.is_open {
            self.find(|message| message.get("QMP").is_some())?;
            self.execute("qmp_capabilities")?;
            self.is_open = true;
        }
        self.execute("system_powerdown")
    }

    fn execute(&mut self, name: &str) -> Result<()> {
        let command = format!("{{\"execute\": \"{name}\"}}\n");
        self.stream.get_mut().write_all(command.as_bytes()).or_cannot(|| format!("tell QEMU {name}"))?;
        let answer =
            self.find(|message| message.get("return").is_some() || message.get("error").is_some())?;
        match answer.get("error") {
            None => Ok(()),
            Some(error) => Err(Error::failed(format!("QEMU refuses {name}: {error}"))),
        }
    }

    /// The next message that is looked for; those before it are dropped.
    fn find(&mut self, wanted: impl Fn(&Value) -> bool) -> Result<Value> {
        for _ in 0..MESSAGE_LIMIT {
            let mut line = String::new();
            let read = self.stream.by_ref().take(LINE_LIMIT).read_line(&mut line);
            if read.or_cannot(|| "hear from QEMU".to_owned())? == 0 {
                return Err(Error::failed("QEMU has ended"));
            }
            let message = serde_json::from_str(&line).or_cannot(|| "understand QEMU".to_owned())?;
            if wanted(&message) {
                return Ok(message);
            }
        }
        Err(Error::failed("QEMU does not answer"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A channel to a QEMU that says `script` whatever it is told, and what it was told.
    fn talk(script: &str) -> (Qmp, UnixStream) {
        let (near, mut far) = UnixStream::pair().unwrap();
        far.write_all(script.as_bytes()).unwrap();
        far.shutdown(std::net::Shutdown::Write).unwrap();
        (Qmp::over(near).unwrap(), far)
    }

    #[test]
    fn the_button_is_pressed_behind_the_greeting_and_events_are_passed_over() {
        let script = "{\"QMP\": {}}\n{\"return\": {}}\n{\"event\": \"RESUME\"}\n{\"return\": {}}\n\
                      {\"return\": {}}\n";
        let (mut qmp, mut far) = talk(script);
        qmp.power_down().unwrap();
        qmp.power_down().unwrap();
        drop(qmp);
        let mut told = String::new();
        far.read_to_string(&mut told).unwrap();
        let (capabilities, down) =
            ("{\"execute\": \"qmp_capabilities\"}\n", "{\"execute\": \"system_powerdown\"}\n");
        assert_eq!(told, [capabilities, down, down].concat());
    }

    #[test]
    fn a_qemu_that_refuses_or_ends_or_talks_nonsense_is_an_error() {
        for (script, expected) in [
            ("", "QEMU has ended"),
            ("{\"QMP\": {}}\n", "QEMU has ended"),
            ("{\"QMP\": {}}\n{\"error\": 7}\n", "QEMU refuses qmp_capabilities: 7"),
            ("hello\n", "cannot understand QEMU"),
        ] {
            let error = talk(script).0.power_down().unwrap_err().to_string();
            assert!(error.starts_with(expected), "{error}");
        }
    }
}
