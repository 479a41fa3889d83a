//! Ending a guest by Ctrl-C: in order where it can be asked to end, else from outside.
//!
//! The first Ctrl-C (or SIGTERM, or the terminal going away) asks the guest, by the power button of its machine or by
//! its inspection channel, and gives it its time; where it hears neither, or after that time, QEMU is asked to end. The
//! second one kills QEMU at once.

use std::path::PathBuf;
use std::process::Child;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use unik_monitor::Request;

use crate::monitor::Connection;
use crate::qmp::Qmp;

/// How long a guest may take to answer on its channel: another tool may be talking to it.
const CHANNEL_PATIENCE: Duration = Duration::from_secs(2);

/// How a guest is asked to end.
#[derive(Debug)]
pub(crate) enum Way {
    /// By the power button of its machine.
    Power(Qmp),
    /// By its inspection channel, at this path.
    Channel(PathBuf),
}

/// What asks a guest to end that listens.
#[derive(Debug)]
pub(crate) struct Button {
    /// The way to press it.
    pub(crate) way: Way,
    /// The time that the guest has to end after that.
    pub(crate) patience: Duration,
}

/// A guest that may have to be ended.
#[derive(Debug)]
pub(crate) struct Stop {
    process: Pid,
    button: Mutex<Option<Button>>,
    interrupts: AtomicU32,
    state: Mutex<State>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Running,
    /// QEMU was sent a signal.
    Forced,
    /// QEMU is no more, and its number may be that of another process.
    Ended,
}

impl Button {
    /// Asks the guest; how long it has then. `None` where it cannot be asked.
    fn press(self) -> Option<Duration> {
        let pressed = match self.way {
            Way::Power(mut qmp) => qmp.power_down(),
            Way::Channel(path) => Connection::open(&path, CHANNEL_PATIENCE).and_then(|mut guest| {
                let number = guest.ask(&Request::End { reboot: false })?;
                // It may end faster than it answers.
                let _ = guest.answer(number);
                Ok(())
            }),
        };
        pressed.ok().map(|()| self.patience)
    }
}

impl Stop {
    /// A guest that runs.
    pub(crate) fn new(qemu: &Child, button: Option<Button>) -> Arc<Stop> {
        Arc::new(Stop {
            process: Pid::from_raw(qemu.id().cast_signed()),
            button: Mutex::new(button),
            interrupts: AtomicU32::new(0),
            state: Mutex::new(State::Running),
        })
    }

    /// Takes Ctrl-C from here on.
    pub(crate) fn on_ctrl_c(self: &Arc<Self>) {
        let stop = Arc::clone(self);
        if let Err(error) = ctrlc::set_handler(move || stop.interrupt()) {
            eprintln!("unik: Ctrl-C will not stop the guest in order: {error}");
        }
    }

    /// Returns at once: the next interrupt is heard when this one is through.
    fn interrupt(self: &Arc<Self>) {
        if self.interrupts.fetch_add(1, Ordering::SeqCst) > 0 {
            return self.force(Signal::SIGKILL);
        }
        let stop = Arc::clone(self);
        thread::spawn(move || stop.ask());
    }

    /// Asks the guest to end, and ends QEMU where it cannot be asked or takes too long.
    fn ask(&self) {
        let button = self.button.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(patience) = button.and_then(Button::press) {
            eprintln!("unik: asked the guest to end; Ctrl-C ends it at once");
            thread::sleep(patience);
        }
        self.force(Signal::SIGTERM);
    }

    /// Ends a QEMU that still runs though nobody asked for its end.
    pub(crate) fn clean_up(&self) {
        let state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if *state == State::Running {
            // It may have ended a moment ago.
            let _ = kill(self.process, Signal::SIGTERM);
        }
    }

    fn force(&self, signal: Signal) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if *state != State::Ended {
            *state = State::Forced;
            // It may have ended a moment ago.
            let _ = kill(self.process, signal);
        }
    }

    /// QEMU has ended. Returns whether it was made to.
    pub(crate) fn ended(&self) -> bool {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        std::mem::replace(&mut *state, State::Ended) == State::Forced
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::process::ExitStatusExt as _;
    use std::process::{Command, ExitStatus, Stdio};

    use super::*;

    /// A shell in QEMU's place, which hears of the button on its channel.
    fn shell(script: &str, patience: Duration) -> (Child, Arc<Stop>) {
        let mut command = Command::new("sh");
        command.args(["-c", script, "sh"]).stdin(Stdio::null());
        let qmp = Qmp::attach(&mut command).unwrap();
        let child = command.spawn().unwrap();
        let stop = Stop::new(&child, Some(Button { way: Way::Power(qmp), patience }));
        (child, stop)
    }

    /// Greets, and answers two commands.
    const ANSWERS: &str = "exec <&3 >&3; echo '{\"QMP\": {}}'; \
                           read line; echo '{\"return\": {}}'; read line; echo '{\"return\": {}}'; ";
    const LONG: Duration = Duration::from_secs(1000);

    fn wait(mut child: Child) -> ExitStatus {
        child.wait().unwrap()
    }

    #[test]
    fn a_guest_that_hears_its_button_ends_by_itself() {
        let (child, stop) = shell(&format!("{ANSWERS} exit 5"), LONG);
        stop.interrupt();
        assert_eq!(wait(child).code(), Some(5));
        assert!(!stop.ended());
    }

    #[test]
    fn a_guest_that_takes_too_long_is_ended() {
        let (child, stop) = shell(&format!("{ANSWERS} exec sleep 1000"), Duration::ZERO);
        stop.interrupt();
        assert_eq!(wait(child).signal(), Some(Signal::SIGTERM as i32));
        assert!(stop.ended());
    }

    #[test]
    fn the_second_interrupt_does_not_wait() {
        let (child, stop) = shell(&format!("{ANSWERS} exec sleep 1000"), LONG);
        stop.interrupt();
        stop.interrupt();
        assert_eq!(wait(child).signal(), Some(Signal::SIGKILL as i32));
        assert!(stop.ended());
    }

    #[test]
    fn the_second_interrupt_does_not_wait_for_an_answer_to_the_first() {
        let (child, stop) = shell("exec sleep 1000", LONG);
        stop.interrupt();
        stop.interrupt();
        assert_eq!(wait(child).signal(), Some(Signal::SIGKILL as i32));
        assert!(stop.ended());
    }

    #[test]
    fn a_qemu_without_an_answer_is_ended() {
        let (child, stop) = shell("exec 3<&-; exec sleep 1000", LONG);
        stop.interrupt();
        assert_eq!(wait(child).signal(), Some(Signal::SIGTERM as i32));
        assert!(stop.ended());
    }
}
