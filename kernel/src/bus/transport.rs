//! One transport type for drivers: virtio-mmio, or PCI with MSI-X.

use core::fmt::Debug;
use core::ops::BitAnd;
use core::ptr::NonNull;
use virtio_drivers::transport::mmio::MmioTransport;
use virtio_drivers::transport::pci::PciTransport;
use virtio_drivers::transport::{DeviceStatus, DeviceType, InterruptStatus, Transport};
use virtio_drivers::{PhysAddr, Result};
use zerocopy::{FromBytes, Immutable, IntoBytes};

/// The way to a device's registers.
#[derive(Debug)]
pub struct MachineTransport(Kind);

#[derive(Debug)]
enum Kind {
    Mmio(MmioTransport<'static>),
    Pci { transport: PciTransport, common: NonNull<u8> },
}

/// Offsets in the common configuration structure (virtio 1.2, 4.1.4.3).
const QUEUE_SELECT: usize = 22;
const QUEUE_MSIX_VECTOR: usize = 26;

impl MachineTransport {
    pub(super) fn mmio(transport: MmioTransport<'static>) -> Self {
        Self(Kind::Mmio(transport))
    }

    /// `common` is the mapped common configuration of the same device.
    pub(super) fn pci(transport: PciTransport, common: NonNull<u8>) -> Self {
        Self(Kind::Pci { transport, common })
    }
}

/// Passes a call on to whichever transport it is.
macro_rules! each {
    ($self:expr, $transport:ident => $call:expr) => {
        match $self {
            Kind::Mmio($transport) => $call,
            Kind::Pci { transport: $transport, .. } => $call,
        }
    };
}

/// Makes a queue interrupt by the first MSI-X entry.
fn set_vector(common: NonNull<u8>, queue: u16) {
    for (offset, value) in [(QUEUE_SELECT, queue), (QUEUE_MSIX_VECTOR, 0)] {
        // SAFETY: both registers lie in the mapped structure of 56 bytes, two-byte aligned.
        let register = unsafe { common.byte_add(offset) }.cast::<u16>();
        // SAFETY: as above.
        unsafe { register.write_volatile(value) };
    }
}

impl Transport for MachineTransport {
    fn device_type(&self) -> DeviceType {
        each!(&self.0, transport => transport.device_type())
    }

    fn read_device_features(&mut self) -> u64 {
        each!(&mut self.0, transport => transport.read_device_features())
    }

    fn write_driver_features(&mut self, features: u64) {
        each!(&mut self.0, transport => transport.write_driver_features(features));
    }

    fn max_queue_size(&mut self, queue: u16) -> u32 {
        each!(&mut self.0, transport => transport.max_queue_size(queue))
    }

    fn notify(&mut self, queue: u16) {
        each!(&mut self.0, transport => transport.notify(queue));
    }

    fn get_status(&self) -> DeviceStatus {
        each!(&self.0, transport => transport.get_status())
    }

    fn set_status(&mut self, status: DeviceStatus) {
        each!(&mut self.0, transport => transport.set_status(status));
    }

    fn set_guest_page_size(&mut self, size: u32) {
        each!(&mut self.0, transport => transport.set_guest_page_size(size));
    }

    fn requires_legacy_layout(&self) -> bool {
        each!(&self.0, transport => transport.requires_legacy_layout())
    }

    fn queue_set(&mut self, queue: u16, size: u32, table: PhysAddr, driver: PhysAddr, device: PhysAddr) {
        if let Kind::Pci { common, .. } = &self.0 {
            set_vector(*common, queue);
        }
        each!(&mut self.0, transport => transport.queue_set(queue, size, table, driver, device));
    }

    fn queue_unset(&mut self, queue: u16) {
        each!(&mut self.0, transport => transport.queue_unset(queue));
    }

    fn queue_used(&mut self, queue: u16) -> bool {
        each!(&mut self.0, transport => transport.queue_used(queue))
    }

    /// A message needs no acknowledgement: with MSI-X there is nothing to read.
    fn ack_interrupt(&mut self) -> InterruptStatus {
        match &mut self.0 {
            Kind::Mmio(transport) => transport.ack_interrupt(),
            Kind::Pci { .. } => InterruptStatus::empty(),
        }
    }

    fn read_config_generation(&self) -> u32 {
        each!(&self.0, transport => transport.read_config_generation())
    }

    fn read_config_space<T: FromBytes + IntoBytes>(&self, offset: usize) -> Result<T> {
        each!(&self.0, transport => transport.read_config_space(offset))
    }

    fn write_config_space<T: IntoBytes + Immutable>(&mut self, offset: usize, value: T) -> Result<()> {
        each!(&mut self.0, transport => transport.write_config_space(offset, value))
    }

    fn begin_init<F>(&mut self, supported: F) -> F
    where
        F: bitflags::Flags<Bits = u64> + BitAnd<Output = F> + Debug,
    {
        each!(&mut self.0, transport => transport.begin_init(supported))
    }
}
