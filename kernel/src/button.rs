//! The power button of the machine: hearing it, and telling a press from other news.
//!
//! Its line is edge-triggered like all others, and the system control interrupt is a level: it falls when the status
//! is cleared, so whoever waits looks at the status after each mark, clears it, and looks again. A press before the
//! clearing is that same press; one behind it is a new edge. A status that cannot be cleared ends the edges, and is
//! no storm.

use crate::acpi::{self, Pin};
use crate::memory::paging;
use crate::source::{self, Source};
use crate::trap::interrupt::Line;
use crate::{apic, port, power};
use core::ptr::NonNull;

/// The bit of the power button in the PM1 status and enable registers (4.8.3.1).
const PRESSED: u16 = 1 << 8;
/// The bit of the power button in the register of the generic event device.
const POWER_DOWN: u32 = 1 << 1;
/// The bit of the PM1 control register that says that the machine is in ACPI mode (4.8.3.2.1).
const ACPI_MODE: u16 = 1;
/// Times that the mode is looked at after asking for it; each takes about a microsecond.
const MODE_LOOKS: usize = 100_000;
/// Times that a status is cleared in one look.
const CLEARS: usize = 4;

/// A power button that interrupts on a line of its own.
pub struct Button {
    registers: Registers,
    line: Line,
}

#[derive(Clone, Copy)]
enum Registers {
    /// Port of the PM1 status.
    Fixed(u16),
    /// The mapped register of the generic event device.
    Generic(NonNull<u32>),
}

impl Button {
    /// Finds the button and lets it interrupt. `None` where the machine has none that can be heard.
    #[inline(never)]
    pub fn open() -> Option<Self> {
        let (registers, pin) = match acpi::button(&power::physical, power::acpi_root())? {
            acpi::Button::Fixed { status, enable, control, mode, pin } => {
                enter_acpi_mode(control, mode)?;
                // No other event may hold the line, and a press from before the start is what started the machine.
                port::write_u16(status, PRESSED);
                port::write_u16(enable, PRESSED);
                (Registers::Fixed(status), pin)
            }
            acpi::Button::Generic { selector, pin } => {
                (Registers::Generic(paging::map_device(selector, 4)?.cast()), pin)
            }
        };
        let line = Line::take_next()?;
        let Pin { number, is_low } = pin;
        source::set(line, Source::Pin(number));
        apic::route(number, line.vector(), is_low).then_some(Self { registers, line })
    }

    /// The line that is marked when there may be a press.
    pub fn line(&self) -> Line {
        self.line
    }

    /// Whether it was pressed since the last call.
    pub fn take(&self) -> bool {
        let is_pressed = || match self.registers {
            Registers::Fixed(status) => {
                let pressed = port::read_u16(status) & PRESSED != 0;
                if pressed {
                    // Writing a one clears it, and leaves the other bits alone.
                    port::write_u16(status, PRESSED);
                }
                pressed
            }
            Registers::Generic(selector) => {
                // SAFETY: the register is mapped for ever and aligned; reading it clears it and touches no memory.
                let news = unsafe { selector.read_volatile() };
                news & POWER_DOWN != 0
            }
        };
        (0..CLEARS).take_while(|_| is_pressed()).count() > 0
    }
}

/// Takes the power management registers over from the firmware (4.8.2.5).
fn enter_acpi_mode(control: u16, mode: Option<(u16, u8)>) -> Option<()> {
    let is_entered = || port::read_u16(control) & ACPI_MODE != 0;
    if is_entered() {
        return Some(());
    }
    let (command, value) = mode?;
    port::write_u8(command, value);
    (0..MODE_LOOKS).any(|_| is_entered()).then_some(())
}
