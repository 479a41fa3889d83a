//! QEMU's channel for tests of its devices (qtest): a hand on the machine's memory, registers and pins, past the guest.
//!
//! A request and its answer are a line each. Numbers go as C writes them.

use std::io::{BufRead as _, BufReader, Write as _};
use std::os::unix::net::UnixStream;
use std::path::Path;

use crate::vm::PATIENCE;

/// What a device writes to the local APIC of the first processor: here a message interrupts (Intel SDM 3A, 10.11.1).
const MESSAGES: u64 = 0xfee0_0000;
/// The first I/O APIC: its index register, and its data register behind it.
const IO_APIC: u64 = 0xfec0_0000;

/// The hand on one machine.
#[derive(Debug)]
pub struct Qtest(BufReader<UnixStream>);

impl Qtest {
    pub(crate) fn connect(path: &Path) -> std::io::Result<Qtest> {
        let stream = UnixStream::connect(path)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        Ok(Qtest(BufReader::new(stream)))
    }

    /// Has QEMU do something, and returns what it says after `OK`.
    ///
    /// # Panics
    /// It does not.
    #[track_caller]
    pub fn ask(&mut self, request: &str) -> String {
        let mut answer = String::new();
        let asked = writeln!(self.0.get_mut(), "{request}").and_then(|()| self.0.read_line(&mut answer));
        match (asked, answer.trim_end().strip_prefix("OK")) {
            (Ok(_), Some(value)) => value.trim_start().to_owned(),
            (error, _) => panic!("QEMU was asked to {request} and said '{answer}' ({error:?})"),
        }
    }

    /// Interrupts the guest at a vector.
    ///
    /// # Panics
    /// QEMU does not obey.
    #[track_caller]
    pub fn interrupt(&mut self, vector: u8) {
        self.ask(&format!("writel {MESSAGES:#x} {vector:#x}"));
    }

    /// Reads a register of the first I/O APIC, and writes it if `change` makes something else of it.
    ///
    /// # Panics
    /// QEMU does not obey.
    #[track_caller]
    pub fn io_apic(&mut self, register: u32, change: impl FnOnce(u64) -> u64) -> u64 {
        let data = IO_APIC + 16;
        self.ask(&format!("writel {IO_APIC:#x} {register:#x}"));
        let answer = self.ask(&format!("readl {data:#x}"));
        let Some(value) = number(&answer) else { panic!("no number: {answer}") };
        let changed = change(value);
        if changed != value {
            self.ask(&format!("writel {data:#x} {changed:#x}"));
        }
        value
    }
}

/// Reads a number that begins with `0x`.
fn number(answer: &str) -> Option<u64> {
    u64::from_str_radix(answer.strip_prefix("0x")?, 16).ok()
}
