//! The console on the first serial port, and the sink of the `log` facade.
//!
//! Two ways lead to the port: [`write`] for everything in normal operation, and the raw writer of the epitaph, which
//! takes no lock and waits for nothing. Interrupts never run Rust code, so the lock is never contended.

use crate::clock;
use crate::journal::{Entry, Journal};
use crate::levels::Levels;
use crate::port;
use crate::trap::interrupt::Line;
use core::fmt::{self, Write};
use core::ops::Range;
use log::LevelFilter;
use spin::Mutex;
use uart_16550::{BaudRate, Config, Uart16550, backend::Backend};

/// Port of the first serial interface of a PC.
pub(crate) const PORT: u16 = 0x3f8;

static CONSOLE: Mutex<Option<Uart16550<FirstPort>>> = Mutex::new(None);

/// The registers behind [`PORT`]. That is known where they are used, so no check of the number is left in the image.
#[derive(Debug)]
struct FirstPort;

impl Backend for FirstPort {
    unsafe fn read(&mut self, register_offset: u8) -> u8 {
        port::read_u8(PORT + u16::from(register_offset))
    }

    unsafe fn write(&mut self, register_offset: u8, value: u8) {
        port::write_u8(PORT + u16::from(register_offset), value);
    }
}

/// Opens the port. A machine without one stays silent.
pub(crate) fn open() {
    // SAFETY: the eight ports at 0x3f8 are a 16550 or nothing on every PC.
    let mut uart = unsafe { Uart16550::new_with_backend(FirstPort) };
    let config = Config { baud_rate: BaudRate::Baud115200, ..Config::DEFAULT };
    if uart.init(config).is_ok() {
        *CONSOLE.lock() = Some(uart);
    }
}

/// How often a port that takes nothing is asked before the rest of what is written is given up: a host that does not read
/// its end must not stop the image.
const PATIENCE: u32 = 1 << 20;

/// Writes bytes; a line feed is sent as it is. What the port does not take in time is lost.
pub fn write(bytes: &[u8]) {
    let Some(uart) = &mut *CONSOLE.lock() else { return };
    let mut rest = bytes;
    for _ in 0..PATIENCE {
        rest = rest.get(uart.send_bytes(rest)..).unwrap_or_default();
        if rest.is_empty() {
            return;
        }
    }
}

/// Writes formatted text.
pub fn print(arguments: fmt::Arguments<'_>) {
    // The writer never fails.
    let _ = Console.write_fmt(arguments);
}

struct Console;

impl Write for Console {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        write(text.as_bytes());
        Ok(())
    }

    // Padding is all that arrives by the character.
    fn write_char(&mut self, character: char) -> fmt::Result {
        write(&[u8::try_from(character).unwrap_or(b'?')]);
        Ok(())
    }
}

static JOURNAL: Mutex<Journal> = Mutex::new(Journal::new());
static LEVELS: Mutex<Levels> = Mutex::new(Levels::new());
/// Finds the level of a target, once there is more than one for all.
static LEVEL_OF: Mutex<Option<LevelOf>> = Mutex::new(None);
type LevelOf = fn(&str) -> LevelFilter;

/// Calls `visit` with each record of the log that is kept, from `number` on, until that returns false; and tells which
/// are kept.
pub fn records(number: u64, visit: &mut dyn FnMut(&Entry<'_>) -> bool) -> Range<u64> {
    let journal = JOURNAL.lock();
    journal.read(number, visit);
    journal.numbers()
}

/// Writes a record of the moment `time` to the journal alone: the console does not show it, and nobody waits for that.
pub fn note(time: u64, record: &log::Record<'_>) {
    if let Some(mut journal) = JOURNAL.try_lock() {
        journal.write(time, record);
    }
    Line::LOG.raise();
}

/// Lets `change` see the levels of the log and set them.
pub fn levels(change: &mut dyn FnMut(&mut Levels)) {
    let mut levels = LEVELS.lock();
    if LEVEL_OF.lock().replace(|target| LEVELS.lock().of(target)).is_none() {
        levels.all(log::max_level());
    }
    change(&mut levels);
    log::set_max_level(levels.most());
}

struct Sink;

impl log::Log for Sink {
    fn enabled(&self, metadata: &log::Metadata<'_>) -> bool {
        let of = *LEVEL_OF.lock();
        metadata.level() <= of.map_or(log::max_level(), |of| of(metadata.target()))
    }

    fn log(&self, record: &log::Record<'_>) {
        if !self.enabled(record.metadata()) {
            return;
        }
        // What a Display logs while it is being logged itself is left out.
        let Some(mut journal) = JOURNAL.try_lock() else { return };
        let text = journal.write(clock::now(), record).unwrap_or_default();
        for part in [record.level().as_str().as_bytes(), b" ", record.target().as_bytes(), b": ", text, b"\n"]
        {
            write(part);
        }
        Line::LOG.raise();
    }

    fn flush(&self) {}
}

/// Connects the `log` facade to the console and the journal. Levels below `level` are dropped before they are formatted.
pub fn start_log(level: LevelFilter) {
    static SINK: Sink = Sink;
    // Fails where a logger is set already; then that one stays.
    if log::set_logger(&SINK).is_ok() {
        log::set_max_level(level);
    }
}
