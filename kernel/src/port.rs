//! Input and output ports, for the few devices of a PC that have nothing else.

use x86_64::instructions::port::Port;

/// Reads a byte.
pub(crate) fn read_u8(port: u16) -> u8 {
    // SAFETY: callers name ports of the PC platform whose reads have no effect on memory.
    unsafe { Port::new(port).read() }
}

/// Writes a byte.
pub(crate) fn write_u8(port: u16, value: u8) {
    // SAFETY: callers name ports of the PC platform whose writes have no effect on memory.
    unsafe { Port::new(port).write(value) }
}

/// Reads two bytes.
pub(crate) fn read_u16(port: u16) -> u16 {
    // SAFETY: as in `read_u8`.
    unsafe { Port::new(port).read() }
}

/// Writes two bytes.
pub(crate) fn write_u16(port: u16, value: u16) {
    // SAFETY: as in `write_u8`.
    unsafe { Port::new(port).write(value) }
}

/// Reads four bytes.
pub(crate) fn read_u32(port: u16) -> u32 {
    // SAFETY: as in `read_u8`.
    unsafe { Port::new(port).read() }
}

/// Writes four bytes.
pub(crate) fn write_u32(port: u16, value: u32) {
    // SAFETY: as in `write_u8`.
    unsafe { Port::new(port).write(value) }
}
