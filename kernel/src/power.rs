//! Ending: exit codes, power off and reset.

use crate::acpi::{self, PowerOff};
use crate::memory::paging;
use crate::port;
use core::sync::atomic::{AtomicBool, AtomicU64, Ordering};

/// How an image ends; the number is its exit code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Exit {
    /// `main` returned.
    Done = 0,
    /// `main` returned an error, or did not return in time after it was asked to.
    Error = 1,
    /// A panic.
    Panic = 2,
    /// An exception.
    Fault = 3,
    /// The configuration or the machine lacks something.
    Configuration = 4,
}

/// Port of QEMU's isa-debug-exit, where one is attached; writing it elsewhere has no effect.
const DEBUG_EXIT: u16 = 0x501;

static RSDP: AtomicU64 = AtomicU64::new(0);
/// An image that never asks for a reset is linked without this.
static RESETS: AtomicBool = AtomicBool::new(false);

/// Remembers where the ACPI tables are.
pub(crate) fn set_acpi_root(address: u64) {
    RSDP.store(address, Ordering::Relaxed);
}

/// Where the ACPI tables are.
pub(crate) fn acpi_root() -> u64 {
    RSDP.load(Ordering::Relaxed)
}

/// From here on the end of the image in order is a reset.
pub fn reset_at_end() {
    RESETS.store(true, Ordering::Relaxed);
}

/// Ends the machine as asked for: by a reset after [`reset_at_end`], else by [`exit`].
#[inline(always)]
pub fn end(code: Exit) -> ! {
    if RESETS.load(Ordering::Relaxed) { reset() } else { exit(code) }
}

/// Ends the machine: by isa-debug-exit with the code, else by ACPI power off, else by a reset.
pub fn exit(code: Exit) -> ! {
    port::write_u8(DEBUG_EXIT, code as u8);
    match acpi::power_off(&physical, acpi_root()) {
        Some(PowerOff::Pm1Control { port, value }) => port::write_u16(port, value),
        Some(PowerOff::SleepControl { address, value }) => {
            if let Some(register) = paging::map_device(address, 1) {
                // SAFETY: the firmware's table says that the register is here, and it is mapped.
                unsafe { register.write_volatile(value) };
            }
        }
        None => {}
    }
    reset()
}

/// Resets the machine: keyboard controller, reset control register, then a fault with no way to handle it.
fn reset() -> ! {
    port::write_u8(0x64, 0xfe);
    port::write_u8(0xcf9, 0x06);
    let nowhere = [0_u16; 5];
    // SAFETY: an empty interrupt table makes the next exception shut the processor down; nothing runs after it.
    unsafe { core::arch::asm!("lidt [{}]", "ud2", in(reg) &raw const nowhere, options(noreturn)) }
}

/// Bytes of firmware tables, mapped where they are not.
pub(crate) fn physical<'a>(address: u64, length: usize) -> Option<&'a [u8]> {
    let start = paging::map_readable(address, length as u64)?;
    // SAFETY: 1. the range is mapped, for reading, for ever; 2. firmware tables are not written while the image runs.
    Some(unsafe { core::slice::from_raw_parts(start.as_ptr(), length) })
}
