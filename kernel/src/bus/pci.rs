//! PCI by configuration mechanism #1 (ports 0xCF8 and 0xCFC), bus 0, and MSI-X.

use super::transport::Area;
use super::{Error, MachineTransport};
use crate::capability::{self, Interrupts, Region};
use crate::memory::paging;
use crate::port;
use crate::trap::interrupt::Line;
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
        let found = capability::find(&|offset| self.read(offset)).ok_or(Error::NotVirtio)?;
        let interrupts = found.interrupts.ok_or(Error::NoInterrupt)?;
        let common = map(found.common).ok_or(Error::NotVirtio)?;
        let notify = map(found.notify).ok_or(Error::NotVirtio)?;
        let configuration = map(found.device).ok_or(Error::NotVirtio)?;
        self.write(4, (self.read(4) & 0xffff) | MEMORY_AND_MASTER | NO_PIN_INTERRUPT);
        self.enable_msix(interrupts, line.vector()).ok_or(Error::NoInterrupt)?;
        Ok(MachineTransport::pci(kind, common.start, notify, found.multiplier, configuration))
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

    /// Routes the first MSI-X entry, which all queues share, to `vector` (PCI 3.0, 6.8.2; Intel SDM 3A, 10.11).
    fn enable_msix(self, interrupts: Interrupts, vector: u8) -> Option<()> {
        const ENABLE: u32 = 1 << 31;
        const FUNCTION_MASK: u32 = 1 << 30;
        const LOCAL_APIC: u32 = 0xfee0_0000;
        let entry: NonNull<u32> = map(Region { address: interrupts.entry, length: 16 })?.start.cast();
        for (word, value) in [LOCAL_APIC, 0, u32::from(vector), 0].into_iter().enumerate() {
            // SAFETY: an entry is four words, all mapped.
            let register = unsafe { entry.add(word) };
            // SAFETY: as above; the entry makes the device write to the local APIC and nowhere else.
            unsafe { register.write_volatile(value) };
        }
        let control = self.read(interrupts.capability);
        self.write(interrupts.capability, (control | ENABLE) & !FUNCTION_MASK);
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
