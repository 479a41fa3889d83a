//! The console on the first serial port, and the sink of the `log` facade.
//!
//! Two ways lead to the port: [`write`] for everything in normal operation, and the raw writer of the epitaph, which
//! takes no lock and waits for nothing. Interrupts never run Rust code, so the lock is never contended.

use core::fmt::{self, Write};
use spin::Mutex;
use uart_16550::{BaudRate, Config, Uart16550, backend::PioBackend};

/// Port of the first serial interface of a PC.
pub(crate) const PORT: u16 = 0x3f8;

static CONSOLE: Mutex<Option<Uart16550<PioBackend>>> = Mutex::new(None);

/// Opens the port. A machine without one stays silent.
pub(crate) fn open() {
    // SAFETY: the eight ports at 0x3f8 are a 16550 or nothing on every PC.
    let Ok(mut uart) = (unsafe { Uart16550::new_port(PORT) }) else { return };
    let config = Config { baud_rate: BaudRate::Baud115200, ..Config::DEFAULT };
    if uart.init(config).is_ok() {
        *CONSOLE.lock() = Some(uart);
    }
}

/// Writes bytes; a line feed is sent as it is.
pub fn write(bytes: &[u8]) {
    if let Some(uart) = CONSOLE.lock().as_mut() {
        uart.send_bytes_exact(bytes);
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

struct Sink;

impl log::Log for Sink {
    fn enabled(&self, metadata: &log::Metadata<'_>) -> bool {
        metadata.level() <= log::max_level()
    }

    fn log(&self, record: &log::Record<'_>) {
        if self.enabled(record.metadata()) {
            write(record.level().as_str().as_bytes());
            write(b" ");
            write(record.target().as_bytes());
            write(b": ");
            print(*record.args());
            write(b"\n");
        }
    }

    fn flush(&self) {}
}

/// Connects the `log` facade to the console. Levels below `level` are dropped before they are formatted.
pub fn start_log(level: log::LevelFilter) {
    static SINK: Sink = Sink;
    // Fails where a logger is set already; then that one stays.
    if log::set_logger(&SINK).is_ok() {
        log::set_max_level(level);
    }
}
