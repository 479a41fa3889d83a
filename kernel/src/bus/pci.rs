//! PCI by configuration mechanism #1 (ports 0xCF8 and 0xCFC), bus 0, MSI-X, and interrupt pins.
//!
//! Where a pin leads is known to the firmware, which tells it in code (AML). That is not run here: it connects each pin to an
//! input of the old 8259 as well and writes its number into the interrupt line register, and that input is one of the I/O
//! APIC's too, on QEMU's pc and q35. (A real ICH9 connects pins to inputs from 16 on only; such a machine's devices have MSI-X.)

use super::transport::{Area, Variant};
use super::{Error, MachineTransport};
use crate::capability::{self, Interrupts, Region};
use crate::memory::paging;
use crate::source::{self, Source};
use crate::trap::interrupt::Line;
use crate::{acpi, apic, port, power};
use core::ptr::NonNull;
use virtio_drivers::transport::DeviceType;

/// Device and function number on bus 0, as they stand in a configuration address.
#[derive(Clone, Copy)]
pub(super) struct Function(u32);

/// Whether there is a PCI host bridge.
pub(super) fn present() -> bool {
    Function(0).read(0) != u32::MAX
}

/// Calls `found` for each virtio device on bus 0.
pub(super) fn scan(found: &mut dyn FnMut(DeviceType, Function)) {
    const MULTIFUNCTION: u32 = 1 << 23;
    for device in 0..32 {
        let first = Function(device << 11);
        if first.read(0) == u32::MAX {
            continue;
        }
        let functions = if first.read(0x0c) & MULTIFUNCTION == 0 { 1 } else { 8 };
        for number in 0..functions {
            let function = Function(first.0 | number << 8);
            if let Some(kind) = function.kind() {
                found(kind, function);
            }
        }
    }
}

impl Function {
    pub(super) fn open(self, kind: DeviceType, line: Line) -> Result<MachineTransport, Error> {
        const MEMORY_AND_MASTER: u32 = 0b110;
        const NO_PIN_INTERRUPT: u32 = 1 << 10;
        const COMMAND: u32 = 0xffff & !NO_PIN_INTERRUPT;
        let found = capability::find(&|offset| self.read(offset)).ok_or(Error::NotVirtio)?;
        let common = map(found.common).ok_or(Error::NotVirtio)?;
        let notify = map(found.notify).ok_or(Error::NotVirtio)?;
        let configuration = map(found.device).ok_or(Error::NotVirtio)?;
        let has_messages = found.interrupts.is_some();
        let pin = if has_messages { NO_PIN_INTERRUPT } else { 0 };
        self.write(4, (self.read(4) & COMMAND) | MEMORY_AND_MASTER | pin);
        let connected = match found.interrupts {
            Some(interrupts) => self.enable_msix(interrupts, line),
            None => self.enable_pin(found.interrupt_status, line),
        };
        connected.ok_or(Error::NoInterrupt)?;
        let variant = if has_messages { Variant::Pci } else { Variant::PciPin };
        Ok(MachineTransport::pci(kind, variant, common.start, notify, found.multiplier, configuration))
    }

    /// The virtio device type of a function, if it is one (virtio 1.2, 4.1.2).
    fn kind(self) -> Option<DeviceType> {
        const VENDOR: u32 = 0x1af4;
        let identity = self.read(0);
        if identity & 0xffff != VENDOR {
            return None;
        }
        match identity >> 16 {
            // Transitional devices have numbers of their own.
            0x1000 => Some(DeviceType::Network),
            0x1001 => Some(DeviceType::Block),
            0x1003 => Some(DeviceType::Console),
            0x1005 => Some(DeviceType::EntropySource),
            device => DeviceType::try_from(device.checked_sub(0x1040)?).ok(),
        }
    }

    /// Routes the first MSI-X entry, which all queues share, to `line` (PCI 3.0, 6.8.2; Intel SDM 3A, 10.11).
    fn enable_msix(self, interrupts: Interrupts, line: Line) -> Option<()> {
        const ENABLE: u32 = 1 << 31;
        const FUNCTION_MASK: u32 = 1 << 30;
        const LOCAL_APIC: u32 = 0xfee0_0000;
        let entry: NonNull<u32> = map(Region { address: interrupts.entry, length: 16 })?.start.cast();
        let mut register = entry;
        for (word, value) in [LOCAL_APIC, 0, u32::from(line.vector()), 0].into_iter().enumerate() {
            // SAFETY: an entry is four words, all mapped.
            register = unsafe { entry.add(word) };
            // SAFETY: as above; the entry makes the device write to the local APIC and nowhere else.
            unsafe { register.write_volatile(value) };
        }
        let control = self.read(interrupts.capability);
        self.write(interrupts.capability, (control | ENABLE) & !FUNCTION_MASK);
        source::set(line, Source::Message(register));
        Some(())
    }

    /// Routes the function's pin, which others may share, to `line` (PCI 3.0, 2.2.6 and 6.2.4). `status` is the address of
    /// the byte that takes the pin down when it is read.
    #[inline(never)]
    fn enable_pin(self, status: u64, line: Line) -> Option<()> {
        let [input, pin, ..] = self.read(0x3c).to_le_bytes();
        // Zero is no pin, or the input of the timer; 255 is no connection.
        if pin == 0 || !(1..16).contains(&input) {
            return None;
        }
        let status = map(Region { address: status, length: 1 })?.start;
        let acpi::Pin { number, is_low } = acpi::pin(&power::physical, power::acpi_root(), input.into());
        let shared = match source::line_of_pin(number) {
            Some(shared) => shared,
            None => {
                let fresh = Line::take_next()?;
                source::set(fresh, Source::Pin(number));
                apic::route(number, fresh.vector(), is_low).then_some(fresh)?
            }
        };
        source::set(line, Source::Shared(shared, status));
        Some(())
    }

    fn select(self, register: u8) {
        const ENABLE: u32 = 1 << 31;
        port::write_u32(0xcf8, ENABLE | self.0 | u32::from(register & !3));
    }

    #[inline(never)]
    fn read(self, register: u8) -> u32 {
        self.select(register);
        port::read_u32(0xcfc)
    }

    fn write(self, register: u8, value: u32) {
        self.select(register);
        port::write_u32(0xcfc, value);
    }
}

/// Makes a region reachable; one of length zero needs nothing.
fn map(region: Region) -> Option<Area> {
    let start = match region.length {
        0 => NonNull::dangling(),
        length => paging::map_device(region.address, length.into())?,
    };
    Some(Area { start, length: region.length })
}
