//! PCI by configuration mechanism #1 (ports 0xCF8 and 0xCFC), bus 0, and MSI-X.

use super::{Error, MachineTransport};
use crate::memory::paging;
use crate::port;
use crate::trap::interrupt::Line;
use core::ptr::NonNull;
use virtio_drivers::transport::DeviceType;
use virtio_drivers::transport::pci::bus::{ConfigurationAccess, DeviceFunction, PciRoot};
use virtio_drivers::transport::pci::{PciTransport, VIRTIO_VENDOR_ID};

const MSIX: u8 = 0x11;
const VENDOR_SPECIFIC: u8 = 0x09;
const COMMON_CONFIGURATION: u8 = 1;
/// Capabilities followed in one function's list; a list that loops ends here.
const CAPABILITY_LIMIT: usize = 48;

/// A function of a PCI device.
pub(super) struct Function(DeviceFunction);

/// Whether there is a PCI host bridge.
pub(super) fn present() -> bool {
    read(DeviceFunction { bus: 0, device: 0, function: 0 }, 0) != u32::MAX
}

/// Calls `found` for each virtio device on bus 0.
pub(super) fn scan(found: &mut dyn FnMut(DeviceType, Function)) {
    const MULTIFUNCTION: u32 = 1 << 23;
    for device in 0..32 {
        let first = DeviceFunction { bus: 0, device, function: 0 };
        if read(first, 0) == u32::MAX {
            continue;
        }
        let functions = if read(first, 0x0c) & MULTIFUNCTION == 0 { 1 } else { 8 };
        for function in 0..functions {
            let function = DeviceFunction { bus: 0, device, function };
            if let Some(kind) = kind(function) {
                found(kind, Function(function));
            }
        }
    }
}

impl Function {
    pub(super) fn open(self, line: Line) -> Result<MachineTransport, Error> {
        const MEMORY_AND_MASTER: u32 = 0b110;
        const NO_PIN_INTERRUPT: u32 = 1 << 10;
        let function = self.0;
        write(function, 4, (read(function, 4) & 0xffff) | MEMORY_AND_MASTER | NO_PIN_INTERRUPT);
        let mut common = None;
        let mut interrupts = None;
        for (capability, offset) in capabilities(function) {
            match capability {
                VENDOR_SPECIFIC => {
                    let region = virtio_region(function, offset).ok_or(Error::NotVirtio)?;
                    if (read(function, offset) >> 24) as u8 == COMMON_CONFIGURATION {
                        common = Some(region);
                    }
                }
                MSIX => interrupts = Some(offset),
                _ => {}
            }
        }
        let offset = interrupts.ok_or(Error::NoInterrupt)?;
        enable_msix(function, offset, line.vector()).ok_or(Error::NoInterrupt)?;
        let common = common.ok_or(Error::NotVirtio)?;
        let transport = PciTransport::new::<super::KernelHal, _>(&mut PciRoot::new(Ports), function)
            .map_err(|_| Error::NotVirtio)?;
        Ok(MachineTransport::pci(transport, common))
    }
}

/// The virtio device type of a function, if it is one (virtio 1.2, 4.1.2).
fn kind(function: DeviceFunction) -> Option<DeviceType> {
    const TRANSITIONAL: [(u16, DeviceType); 4] = [
        (0x1000, DeviceType::Network),
        (0x1001, DeviceType::Block),
        (0x1003, DeviceType::Console),
        (0x1005, DeviceType::EntropySource),
    ];
    let identity = read(function, 0);
    let device = (identity >> 16) as u16;
    if identity as u16 != VIRTIO_VENDOR_ID {
        return None;
    }
    match TRANSITIONAL.iter().find(|(id, _)| *id == device) {
        Some((_, kind)) => Some(*kind),
        None => DeviceType::try_from(device.checked_sub(0x1040)?).ok(),
    }
}

/// The capability list: identifier and offset of each entry (PCI 3.0, 6.7).
fn capabilities(function: DeviceFunction) -> impl Iterator<Item = (u8, u8)> {
    const HAS_CAPABILITIES: u32 = 1 << 20;
    let listed = read(function, 4) & HAS_CAPABILITIES != 0;
    let mut next = if listed { read(function, 0x34) as u8 & !3 } else { 0 };
    let list = core::iter::from_fn(move || {
        // An entry stands behind the header and leaves room for the longest structure that is read.
        let offset = (0x40..=0xe8).contains(&next).then_some(next)?;
        let header = read(function, offset);
        next = (header >> 8) as u8 & !3;
        Some((header as u8, offset))
    });
    list.take(CAPABILITY_LIMIT)
}

/// Maps what a virtio capability points to (virtio 1.2, 4.1.4).
fn virtio_region(function: DeviceFunction, capability: u8) -> Option<NonNull<u8>> {
    let bar = read(function, capability + 4) as u8;
    let (offset, length) = (read(function, capability + 8), read(function, capability + 12));
    const WITHOUT_REGION: u8 = 5;
    if (read(function, capability) >> 24) as u8 >= WITHOUT_REGION {
        return Some(NonNull::dangling());
    }
    map_bar(function, bar, offset, length)
}

/// Maps a part of a memory region.
fn map_bar(function: DeviceFunction, bar: u8, offset: u32, length: u32) -> Option<NonNull<u8>> {
    const PORTS: u32 = 1;
    const WIDE: u32 = 0b100;
    let register = (bar < 6).then_some(0x10 + 4 * bar)?;
    let low = read(function, register);
    if low & PORTS != 0 {
        return None;
    }
    let high = if low & WIDE != 0 && bar < 5 { read(function, register + 4) } else { 0 };
    let base = u64::from(high) << 32 | u64::from(low & !15);
    (base != 0).then(|| paging::map_device(base + u64::from(offset), u64::from(length)))?
}

/// Routes the first MSI-X entry, which all queues share, to `vector` (PCI 3.0, 6.8.2; Intel SDM 3A, 10.11).
fn enable_msix(function: DeviceFunction, capability: u8, vector: u8) -> Option<()> {
    const ENABLE: u32 = 1 << 31;
    const FUNCTION_MASK: u32 = 1 << 30;
    const LOCAL_APIC: u32 = 0xfee0_0000;
    let table = read(function, capability + 4);
    let entry: NonNull<u32> = map_bar(function, table as u8 & 7, table & !7, 16)?.cast();
    for (word, value) in [LOCAL_APIC, 0, u32::from(vector), 0].into_iter().enumerate() {
        // SAFETY: an entry is four words, all mapped.
        let register = unsafe { entry.add(word) };
        // SAFETY: as above; the entry makes the device write to the local APIC and nowhere else.
        unsafe { register.write_volatile(value) };
    }
    let control = read(function, capability);
    write(function, capability, (control | ENABLE) & !FUNCTION_MASK);
    Some(())
}

/// Configuration mechanism #1 for the transport's own look at the function.
struct Ports;

impl ConfigurationAccess for Ports {
    fn read_word(&self, function: DeviceFunction, register: u8) -> u32 {
        read(function, register)
    }

    fn write_word(&mut self, function: DeviceFunction, register: u8, value: u32) {
        write(function, register, value);
    }

    unsafe fn unsafe_clone(&self) -> Self {
        Self
    }
}

fn select(function: DeviceFunction, register: u8) {
    const ENABLE: u32 = 1 << 31;
    let address = u32::from(function.bus) << 16
        | u32::from(function.device) << 11
        | u32::from(function.function) << 8
        | u32::from(register & !3);
    port::write_u32(0xcf8, ENABLE | address);
}

fn read(function: DeviceFunction, register: u8) -> u32 {
    select(function, register);
    port::read_u32(0xcfc)
}

fn write(function: DeviceFunction, register: u8, value: u32) {
    select(function, register);
    port::write_u32(0xcfc, value);
}
