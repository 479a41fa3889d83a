//! One transport type for drivers: the registers of virtio-mmio, legacy and modern, and of PCI.
//!
//! The three differ in where a register lies and how wide it is, which is a table, and in a few steps of setting up a
//! queue. Invariant: every access lies inside a part of the device's memory that was mapped for ever.

use core::ptr::NonNull;
use virtio_drivers::transport::{DeviceStatus, DeviceType, InterruptStatus, Transport};
use virtio_drivers::{Error, PAGE_SIZE, PhysAddr, Result};
use zerocopy::{FromBytes, Immutable, IntoBytes};

/// Queues of one device that are used; to drivers the device has no more.
const QUEUE_LIMIT: usize = 8;

/// The way to a device's registers.
#[derive(Debug)]
pub struct MachineTransport {
    kind: DeviceType,
    variant: Variant,
    registers: NonNull<u8>,
    places: &'static Places,
    notify: Area,
    /// What a queue's notification offset is multiplied by; zero where all queues share one address.
    multiplier: u32,
    /// The queues' notification offsets.
    doorbells: [u16; QUEUE_LIMIT],
    configuration: Area,
}

/// What setting up a queue depends on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Variant {
    MmioLegacy,
    Mmio,
    Pci,
    /// PCI without MSI-X: no queue has a vector.
    PciPin,
}

/// Device memory that is mapped for ever.
#[derive(Clone, Copy, Debug)]
pub(super) struct Area {
    pub(super) start: NonNull<u8>,
    pub(super) length: u32,
}

/// A register's offset and its width in bytes: 1, 2 or 4.
#[derive(Clone, Copy, Debug)]
struct Register(u8, u8);

/// The registers that both kinds of transport have.
#[derive(Debug)]
struct Places {
    device_features_select: Register,
    device_features: Register,
    driver_features_select: Register,
    driver_features: Register,
    status: Register,
    generation: Register,
    queue_select: Register,
    queue_limit: Register,
    queue_size: Register,
    queue_ready: Register,
    /// Lower and upper halves of the addresses of the descriptors, the driver's and the device's area.
    areas: [Register; 6],
    notify_width: u8,
}

/// virtio 1.2, 4.2.2.
static MMIO: Places = Places {
    device_features_select: Register(0x14, 4),
    device_features: Register(0x10, 4),
    driver_features_select: Register(0x24, 4),
    driver_features: Register(0x20, 4),
    status: Register(0x70, 4),
    generation: Register(0xfc, 4),
    queue_select: Register(0x30, 4),
    queue_limit: Register(0x34, 4),
    queue_size: Register(0x38, 4),
    queue_ready: Register(0x44, 4),
    areas: [
        Register(0x80, 4),
        Register(0x84, 4),
        Register(0x90, 4),
        Register(0x94, 4),
        Register(0xa0, 4),
        Register(0xa4, 4),
    ],
    notify_width: 4,
};
const MMIO_NOTIFY: usize = 0x50;
const MMIO_INTERRUPT_STATUS: Register = Register(0x60, 4);
const MMIO_INTERRUPT_ACKNOWLEDGE: Register = Register(0x64, 4);
/// Where the configuration of the device's type starts.
const MMIO_CONFIGURATION: u32 = 0x100;
/// The legacy interface has these in place of the areas' addresses (4.2.4).
const LEGACY_PAGE_SIZE: Register = Register(0x28, 4);
const LEGACY_QUEUE_ALIGNMENT: Register = Register(0x3c, 4);
const LEGACY_QUEUE_PAGE: Register = Register(0x40, 4);

/// virtio 1.2, 4.1.4.3.
static PCI: Places = Places {
    device_features_select: Register(0, 4),
    device_features: Register(4, 4),
    driver_features_select: Register(8, 4),
    driver_features: Register(12, 4),
    status: Register(20, 1),
    generation: Register(21, 1),
    queue_select: Register(22, 2),
    queue_limit: Register(24, 2),
    queue_size: Register(24, 2),
    queue_ready: Register(28, 2),
    areas: [
        Register(32, 4),
        Register(36, 4),
        Register(40, 4),
        Register(44, 4),
        Register(48, 4),
        Register(52, 4),
    ],
    notify_width: 2,
};
const PCI_CONFIGURATION_VECTOR: Register = Register(16, 2);
const PCI_QUEUE_VECTOR: Register = Register(26, 2);
const PCI_QUEUE_NOTIFY_OFFSET: Register = Register(30, 2);

impl MachineTransport {
    /// `slot` holds the registers and at least as much as they take; it is four-byte aligned.
    pub(super) fn mmio(kind: DeviceType, legacy: bool, slot: Area) -> Self {
        let at = |offset| {
            // SAFETY: registers and configuration lie in the slot.
            unsafe { slot.start.byte_add(offset) }
        };
        Self {
            kind,
            variant: if legacy { Variant::MmioLegacy } else { Variant::Mmio },
            registers: slot.start,
            places: &MMIO,
            notify: Area { start: at(MMIO_NOTIFY), length: 4 },
            multiplier: 0,
            doorbells: [0; QUEUE_LIMIT],
            configuration: Area {
                start: at(MMIO_CONFIGURATION as usize),
                length: slot.length.saturating_sub(MMIO_CONFIGURATION),
            },
        }
    }

    /// `common` points to the common configuration of at least 56 bytes, four-byte aligned; `multiplier` is even.
    pub(super) fn pci(
        kind: DeviceType,
        variant: Variant,
        common: NonNull<u8>,
        notify: Area,
        multiplier: u32,
        configuration: Area,
    ) -> Self {
        Self {
            kind,
            variant,
            registers: common,
            places: &PCI,
            notify,
            multiplier,
            doorbells: [0; QUEUE_LIMIT],
            configuration,
        }
    }

    fn address(&self, register: Register) -> NonNull<u8> {
        // SAFETY: the tables above end where the registers of their transport end, and those are mapped.
        unsafe { self.registers.byte_add(register.0.into()) }
    }

    #[inline(never)]
    fn read(&self, register: Register) -> u32 {
        load(self.address(register), register.1)
    }

    #[inline(never)]
    fn write(&self, register: Register, value: u32) {
        store(self.address(register), register.1, value);
    }

    fn legacy(&self) -> bool {
        self.variant == Variant::MmioLegacy
    }

    fn is_pci(&self) -> bool {
        matches!(self.variant, Variant::Pci | Variant::PciPin)
    }

    /// Finds the doorbell of the selected queue and, with MSI-X, makes it and changes of the configuration interrupt by the
    /// first entry. False where the
    /// device refuses the vector (virtio 1.2, 4.1.5.1.2) or puts the doorbell outside the notification area (4.1.4.4).
    fn connect(&mut self, queue: u16) -> bool {
        const VECTOR: u32 = 0;
        let offset = if self.is_pci() { self.read(PCI_QUEUE_NOTIFY_OFFSET) as u16 } else { 0 };
        let Some(doorbell) = self.doorbells.get_mut(usize::from(queue)) else { return false };
        let end = u64::from(offset) * u64::from(self.multiplier) + u64::from(self.places.notify_width);
        if end > u64::from(self.notify.length) {
            return false;
        }
        *doorbell = offset;
        if self.variant != Variant::Pci {
            return true;
        }
        self.write(PCI_CONFIGURATION_VECTOR, VECTOR);
        self.write(PCI_QUEUE_VECTOR, VECTOR);
        self.read(PCI_QUEUE_VECTOR) == VECTOR
    }

    /// The address of `length` bytes of the configuration; they are accessed in units of `alignment` (4.1.3.1).
    fn configuration(&self, offset: usize, length: usize, alignment: usize) -> Result<NonNull<u8>> {
        let end = offset.checked_add(length).filter(|end| *end <= self.configuration.length as usize);
        if end.is_none() || alignment > 4 || !offset.is_multiple_of(alignment) {
            return Err(Error::ConfigSpaceTooSmall);
        }
        // SAFETY: the offset lies in the configuration.
        Ok(unsafe { self.configuration.start.byte_add(offset) })
    }
}

/// Reads a register of `width` bytes.
fn load(register: NonNull<u8>, width: u8) -> u32 {
    match width {
        // SAFETY: callers pass an address in a mapped area, aligned to the width.
        1 => unsafe { register.read_volatile() }.into(),
        // SAFETY: as above.
        2 => unsafe { register.cast::<u16>().read_volatile() }.into(),
        // SAFETY: as above.
        _ => unsafe { register.cast::<u32>().read_volatile() },
    }
}

/// Writes a register of `width` bytes.
fn store(register: NonNull<u8>, width: u8, value: u32) {
    match width {
        // SAFETY: as in `load`; what a device does on a write is its own, and its memory is checked by the drivers.
        1 => unsafe { register.write_volatile(value as u8) },
        // SAFETY: as above.
        2 => unsafe { register.cast::<u16>().write_volatile(value as u16) },
        // SAFETY: as above.
        _ => unsafe { register.cast::<u32>().write_volatile(value) },
    }
}

impl Transport for MachineTransport {
    fn device_type(&self) -> DeviceType {
        self.kind
    }

    fn read_device_features(&mut self) -> u64 {
        let half = |half| {
            self.write(self.places.device_features_select, half);
            u64::from(self.read(self.places.device_features))
        };
        half(0) | half(1) << 32
    }

    fn write_driver_features(&mut self, features: u64) {
        for half in 0..2 {
            self.write(self.places.driver_features_select, half);
            self.write(self.places.driver_features, (features >> (32 * half)) as u32);
        }
    }

    /// Zero also for a queue that cannot be connected.
    fn max_queue_size(&mut self, queue: u16) -> u32 {
        self.write(self.places.queue_select, queue.into());
        let size = self.read(self.places.queue_limit);
        if size != 0 && self.connect(queue) { size } else { 0 }
    }

    fn notify(&mut self, queue: u16) {
        let Some(doorbell) = self.doorbells.get(usize::from(queue)) else { return };
        let offset = usize::from(*doorbell) * self.multiplier as usize;
        // SAFETY: `connect` keeps no offset that leads out of the area, and that of a queue it never saw is zero.
        let doorbell = unsafe { self.notify.start.byte_add(offset) };
        store(doorbell, self.places.notify_width, queue.into());
    }

    fn get_status(&self) -> DeviceStatus {
        DeviceStatus::from_bits_retain(self.read(self.places.status))
    }

    fn set_status(&mut self, status: DeviceStatus) {
        self.write(self.places.status, status.bits());
    }

    fn set_guest_page_size(&mut self, size: u32) {
        if self.legacy() {
            self.write(LEGACY_PAGE_SIZE, size);
        }
    }

    fn requires_legacy_layout(&self) -> bool {
        self.legacy()
    }

    fn queue_set(&mut self, queue: u16, size: u32, table: PhysAddr, driver: PhysAddr, device: PhysAddr) {
        self.write(self.places.queue_select, queue.into());
        self.write(self.places.queue_size, size);
        if self.legacy() {
            self.write(LEGACY_QUEUE_ALIGNMENT, PAGE_SIZE as u32);
            self.write(LEGACY_QUEUE_PAGE, (table / PAGE_SIZE as u64) as u32);
            return;
        }
        let [low, high, driver_low, driver_high, device_low, device_high] = self.places.areas;
        for (low, high, address) in
            [(low, high, table), (driver_low, driver_high, driver), (device_low, device_high, device)]
        {
            self.write(low, address as u32);
            self.write(high, (address >> 32) as u32);
        }
        self.write(self.places.queue_ready, 1);
    }

    /// On PCI only a reset ends a queue (virtio 1.2, 4.1.4.3.2).
    fn queue_unset(&mut self, queue: u16) {
        let register = match self.variant {
            Variant::MmioLegacy => LEGACY_QUEUE_PAGE,
            Variant::Mmio => self.places.queue_ready,
            Variant::Pci | Variant::PciPin => return,
        };
        self.write(self.places.queue_select, queue.into());
        self.write(register, 0);
    }

    fn queue_used(&mut self, queue: u16) -> bool {
        self.write(self.places.queue_select, queue.into());
        self.read(if self.legacy() { LEGACY_QUEUE_PAGE } else { self.places.queue_ready }) != 0
    }

    /// A message needs no acknowledgement, and pins of PCI are acknowledged before anybody is told of them.
    fn ack_interrupt(&mut self) -> InterruptStatus {
        if self.is_pci() {
            return InterruptStatus::empty();
        }
        let status = self.read(MMIO_INTERRUPT_STATUS);
        if status != 0 {
            self.write(MMIO_INTERRUPT_ACKNOWLEDGE, status);
        }
        InterruptStatus::from_bits_truncate(status)
    }

    fn read_config_generation(&self) -> u32 {
        self.read(self.places.generation)
    }

    fn read_config_space<T: FromBytes + IntoBytes>(&self, offset: usize) -> Result<T> {
        let start = self.configuration(offset, size_of::<T>(), align_of::<T>())?;
        let mut value = T::new_zeroed();
        for (index, unit) in value.as_mut_bytes().chunks_exact_mut(align_of::<T>()).enumerate() {
            // SAFETY: `configuration` checked that the whole value lies there.
            let register = unsafe { start.byte_add(index * align_of::<T>()) };
            let bytes = load(register, align_of::<T>() as u8).to_le_bytes();
            unit.copy_from_slice(bytes.get(..align_of::<T>()).ok_or(Error::ConfigSpaceTooSmall)?);
        }
        Ok(value)
    }

    fn write_config_space<T: IntoBytes + Immutable>(&mut self, offset: usize, value: T) -> Result<()> {
        let start = self.configuration(offset, size_of::<T>(), align_of::<T>())?;
        for (index, unit) in value.as_bytes().chunks_exact(align_of::<T>()).enumerate() {
            // SAFETY: `configuration` checked that the whole value lies there.
            let register = unsafe { start.byte_add(index * align_of::<T>()) };
            let word = unit.iter().rev().fold(0, |word, byte| word << 8 | u32::from(*byte));
            store(register, align_of::<T>() as u8, word);
        }
        Ok(())
    }
}
