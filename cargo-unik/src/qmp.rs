//! QEMU's control channel (QMP): the little of it that presses the power button, waits for a guest's end, and takes its
//! memory.
//!
//! A channel is a socket that QEMU inherits, so nothing lies in a folder and nobody else can connect. Messages are
//! JSON, one a line. Invariant: every line has a limit, and every wait a deadline, but the one for the guest's end.

use std::io::{BufRead as _, BufReader, ErrorKind, Read as _, Write as _};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use command_fds::{CommandFdExt as _, FdMapping};
use serde_json::{Value, json};

use crate::error::{Context, Error, Result};

/// The number under which QEMU finds its first channel; the others follow.
const DESCRIPTOR: i32 = 3;
/// How long an answer may take.
const PATIENCE: Duration = Duration::from_secs(5);
/// How long QEMU may take to write the memory of a guest.
const DUMP_PATIENCE: Duration = Duration::from_secs(300);
/// The longest message in bytes.
const LINE_LIMIT: u64 = 64 * 1024;
/// The most messages that are looked through for an answer.
const MESSAGE_LIMIT: usize = 1000;

/// What QEMU calls the channel of the power button.
pub(crate) const CONTROL: &str = "unik-control";

/// Our end of a control channel.
#[derive(Debug)]
pub struct Qmp {
    stream: BufReader<UnixStream>,
    is_open: bool,
    patience: Duration,
}

impl Qmp {
    /// Gives a QEMU that is about to be started a control channel. The command is to be dropped after the start: it
    /// holds QEMU's end.
    ///
    /// # Errors
    /// There are no sockets.
    pub fn attach(qemu: &mut Command) -> Result<Qmp> {
        let [control] = channels(qemu, [CONTROL])?;
        Qmp::control(qemu, CONTROL, control)
    }

    /// Makes QEMU listen to what it is told through one of its [`channels`].
    pub(crate) fn control(qemu: &mut Command, name: &str, stream: UnixStream) -> Result<Qmp> {
        qemu.arg("-mon").arg(format!("chardev={name},mode=control"));
        Qmp::over(stream)
    }

    fn over(stream: UnixStream) -> Result<Qmp> {
        let mut qmp = Qmp { stream: BufReader::new(stream), is_open: false, patience: PATIENCE };
        qmp.set_patience(PATIENCE)?;
        Ok(qmp)
    }

    /// Gives QEMU other time for its answers than five seconds: it may be started only now, on a computer that does other things.
    ///
    /// # Errors
    /// It is no time.
    pub fn set_patience(&mut self, patience: Duration) -> Result<()> {
        self.patience = patience;
        let writing = self.stream.get_ref().set_write_timeout(Some(patience));
        writing.or_cannot(|| "bound the waits for QEMU".to_owned())?;
        self.patience(Some(patience))
    }

    /// What QEMU says of its networks, a line each.
    ///
    /// # Errors
    /// QEMU does not answer, or has ended.
    pub fn networks(&mut self) -> Result<String> {
        self.tell("info network")
    }

    /// Starts a machine that was told to wait for that (`-S`).
    ///
    /// # Errors
    /// QEMU does not answer, or has ended.
    pub fn start(&mut self) -> Result<()> {
        self.open()?;
        self.execute("cont", None).map(drop)
    }

    /// Presses the power button of the machine. A guest that is quick may take QEMU along before that has said that it was told.
    ///
    /// # Errors
    /// QEMU does not answer, refuses, or had ended before.
    pub fn power_down(&mut self) -> Result<()> {
        self.open()?;
        self.ask("system_powerdown", None).map(drop)
    }

    /// Gives QEMU a command for people; what it says to that, which is nothing where all is well.
    ///
    /// # Errors
    /// QEMU does not answer, or has ended.
    pub(crate) fn tell(&mut self, command: &str) -> Result<String> {
        self.open()?;
        let answer = self.execute("human-monitor-command", Some(json!({ "command-line": command })))?;
        let text = answer.get("return").and_then(Value::as_str).unwrap_or_default();
        Ok(text.trim().to_owned())
    }

    /// Sends the processors of the machine a non-maskable interrupt. A guest that dies of it may take QEMU along before that has said
    /// that it was told.
    ///
    /// # Errors
    /// QEMU does not answer, refuses, or had ended before.
    pub fn inject_nmi(&mut self) -> Result<()> {
        self.open()?;
        self.ask("inject-nmi", None).map(drop)
    }

    /// Takes the link of a network down, or up again.
    ///
    /// # Errors
    /// QEMU does not answer, or has no such network.
    pub fn set_link(&mut self, network: &str, up: bool) -> Result<()> {
        self.open()?;
        self.execute("set_link", Some(json!({ "name": network, "up": up }))).map(drop)
    }

    /// Makes a disk larger or smaller.
    ///
    /// # Errors
    /// QEMU does not answer, or has no such disk.
    pub fn resize(&mut self, disk: &str, bytes: u64) -> Result<()> {
        self.open()?;
        self.execute("block_resize", Some(json!({ "device": disk, "size": bytes }))).map(drop)
    }

    /// Reads eight bytes of the guest's memory.
    ///
    /// # Errors
    /// QEMU does not answer, or there is no memory.
    pub fn word(&mut self, address: u64) -> Result<u64> {
        self.open()?;
        let arguments = json!({ "command-line": format!("xp/1gx {address:#x}") });
        let answer = self.execute("human-monitor-command", Some(arguments))?;
        // An address, a colon and the value.
        let told = answer.get("return").and_then(Value::as_str).unwrap_or_default();
        let value =
            told.trim_end().rsplit_once("0x").and_then(|(_, digits)| u64::from_str_radix(digits, 16).ok());
        value.ok_or_else(|| Error::failed(format!("QEMU cannot read the guest's memory: {told}")))
    }

    /// Waits until the guest has ended and QEMU, which was told so, keeps it as it was. However long that takes.
    ///
    /// # Errors
    /// QEMU does not answer, or ends before its guest.
    pub(crate) fn guest_ended(&mut self) -> Result<()> {
        self.open()?;
        // It may have ended before anybody listened; what happens from here on is told by an event.
        let state = self.execute("query-status", None)?;
        if state.pointer("/return/status").and_then(Value::as_str) == Some("shutdown") {
            return Ok(());
        }
        self.patience(None)?;
        let is_event =
            |message: &Value, name: &str| message.get("event").and_then(Value::as_str) == Some(name);
        while !is_event(&self.next()?, "SHUTDOWN") {}
        while !is_event(&self.next()?, "STOP") {}
        self.patience(Some(self.patience))
    }

    /// Lets QEMU write all memory of the guest and its registers into a core file, by physical addresses.
    ///
    /// # Errors
    /// QEMU cannot write it, or does not answer.
    pub(crate) fn dump(&mut self, path: &Path) -> Result<()> {
        self.open()?;
        self.patience(Some(DUMP_PATIENCE))?;
        let path = path.to_str().ok_or_else(|| {
            Error::failed(format!("QEMU takes no path like {}: it is not UTF-8", path.display()))
        })?;
        let arguments = json!({ "paging": false, "protocol": format!("file:{path}") });
        self.execute("dump-guest-memory", Some(arguments))?;
        self.patience(Some(self.patience))
    }

    /// Ends QEMU.
    ///
    /// # Errors
    /// It does not answer.
    pub(crate) fn quit(&mut self) -> Result<()> {
        self.open()?;
        self.execute("quit", None).map(drop)
    }

    fn open(&mut self) -> Result<()> {
        if !self.is_open {
            self.find(|message| message.get("QMP").is_some())?.ok_or_else(ended)?;
            self.execute("qmp_capabilities", None)?;
            self.is_open = true;
        }
        Ok(())
    }

    fn patience(&self, patience: Option<Duration>) -> Result<()> {
        self.stream.get_ref().set_read_timeout(patience).or_cannot(|| "bound the waits for QEMU".to_owned())
    }

    fn send(&mut self, name: &str, arguments: Option<Value>) -> Result<()> {
        let arguments =
            arguments.map(|arguments| format!(", \"arguments\": {arguments}")).unwrap_or_default();
        let command = format!("{{\"execute\": \"{name}\"{arguments}}}\n");
        self.stream.get_mut().write_all(command.as_bytes()).or_cannot(|| format!("tell QEMU {name}"))
    }

    fn execute(&mut self, name: &str, arguments: Option<Value>) -> Result<Value> {
        self.ask(name, arguments)?.ok_or_else(ended)
    }

    /// The answer to a command; `None` where QEMU ended before it gave one.
    fn ask(&mut self, name: &str, arguments: Option<Value>) -> Result<Option<Value>> {
        self.send(name, arguments)?;
        let answer =
            self.find(|message| message.get("return").is_some() || message.get("error").is_some())?;
        match answer.as_ref().and_then(|answer| answer.get("error")) {
            None => Ok(answer),
            Some(error) => Err(Error::failed(format!("QEMU refuses {name}: {error}"))),
        }
    }

    /// The next message that is looked for, those before it are dropped; `None` where QEMU ends first.
    fn find(&mut self, wanted: impl Fn(&Value) -> bool) -> Result<Option<Value>> {
        for _ in 0..MESSAGE_LIMIT {
            match self.message()? {
                Some(message) if !wanted(&message) => {}
                found => return Ok(found),
            }
        }
        Err(Error::failed("QEMU does not answer"))
    }

    fn next(&mut self) -> Result<Value> {
        self.message()?.ok_or_else(ended)
    }

    /// The next message; `None` where QEMU has ended.
    fn message(&mut self) -> Result<Option<Value>> {
        let mut line = String::new();
        match self.stream.by_ref().take(LINE_LIMIT).read_line(&mut line) {
            Ok(0) => return Ok(None),
            // unix(7): it had not read all that it was told.
            Err(error) if error.kind() == ErrorKind::ConnectionReset => return Ok(None),
            read => read.or_cannot(|| "hear from QEMU".to_owned())?,
        };
        serde_json::from_str(&line).map(Some).or_cannot(|| "understand QEMU".to_owned())
    }
}

fn ended() -> Error {
    Error::failed("QEMU has ended")
}

/// Gives a QEMU that is about to be started channels with these names, once for all: the numbers under which it inherits
/// them are counted from the first.
pub(crate) fn channels<const N: usize>(qemu: &mut Command, names: [&str; N]) -> Result<[UnixStream; N]> {
    let cannot = || "make a control channel".to_owned();
    let (mut ends, mut mappings) = (Vec::new(), Vec::new());
    for (name, child_fd) in names.into_iter().zip(DESCRIPTOR..) {
        let (near, far) = UnixStream::pair().or_cannot(cannot)?;
        qemu.arg("-chardev").arg(format!("socket,id={name},fd={child_fd}"));
        mappings.push(FdMapping { parent_fd: far.into(), child_fd });
        ends.push(near);
    }
    qemu.fd_mappings(mappings).or_cannot(cannot)?;
    ends.try_into().map_err(|_| Error::failed("a control channel is missing"))
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
    fn a_guest_that_ends_faster_than_qemu_answers_has_heard_its_button() {
        let open = "{\"QMP\": {}}\n{\"return\": {}}\n";
        talk(open).0.power_down().unwrap();
        // A QEMU that ends without having read what it was told resets the channel.
        let (mut qmp, far) = talk(open);
        qmp.open().unwrap();
        qmp.send("nothing", None).unwrap();
        drop(far);
        assert_eq!(qmp.message(), Ok(None));
        // Others have to be answered.
        assert_eq!(talk(open).0.set_link("net0", true), Err(ended()));
    }

    #[test]
    fn the_end_of_a_guest_is_an_event_or_has_been_already() {
        let open = "{\"QMP\": {}}\n{\"return\": {}}\n";
        let stopped = "{\"return\": {\"status\": \"shutdown\"}}\n";
        let runs = "{\"return\": {\"status\": \"running\"}}\n";
        let events = "{\"event\": \"STOP\"}\n{\"event\": \"SHUTDOWN\"}\n{\"event\": \"STOP\"}\n";
        talk(&[open, stopped].concat()).0.guest_ended().unwrap();
        talk(&[open, runs, events].concat()).0.guest_ended().unwrap();
        // A machine that somebody made pause has not ended.
        let pause = "{\"event\": \"STOP\"}\n";
        let error = talk(&[open, runs, pause].concat()).0.guest_ended().unwrap_err();
        assert_eq!(error.to_string(), "QEMU has ended");
    }

    #[test]
    fn memory_is_written_where_it_is_asked_for() {
        let (mut qmp, mut far) = talk("{\"QMP\": {}}\n{\"return\": {}}\n{\"return\": {}}\n");
        qmp.dump(Path::new("/a \"b\"")).unwrap();
        drop(qmp);
        let mut told = String::new();
        far.read_to_string(&mut told).unwrap();
        let (_, dump) = told.split_once('\n').unwrap();
        let dump: Value = serde_json::from_str(dump).unwrap();
        assert_eq!(dump["execute"], "dump-guest-memory");
        assert_eq!(dump["arguments"], json!({ "paging": false, "protocol": "file:/a \"b\"" }));
    }

    #[test]
    fn memory_is_read_by_the_word() {
        let open = "{\"QMP\": {}}\n{\"return\": {}}\n";
        let read = |said: &str| talk(&format!("{open}{{\"return\": \"{said}\"}}\n")).0.word(0x11f000);
        assert_eq!(read("000000000011f000: 0x00000000000012ac\\r\\n").unwrap(), 0x12ac);
        assert!(read("Cannot access memory\\r\\n").is_err());
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
