//! The bus: which virtio devices the machine has, and opening one of them.
//!
//! Two kinds of machine: those with PCI (q35, pc), whose devices interrupt by MSI-X or else by a pin that they may
//! share, and those with virtio-mmio slots (microvm, Firecracker), whose devices have a pin each. Nothing is looked for before [`devices`] is
//! called, and an image that never calls it links none of this.

mod hal;
mod mmio;
mod pci;
mod transport;

pub use hal::KernelHal;
pub use transport::MachineTransport;
pub use virtio_drivers::transport::DeviceType;

use crate::trap::interrupt::Line;
use alloc::vec::Vec;

/// Devices that are listed; more are left out.
pub const DEVICE_LIMIT: usize = 32;

/// Why a device cannot be opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Error {
    /// Its registers cannot be mapped, or are not those of a virtio device.
    NotVirtio,
    /// It offers no interrupt that can be routed.
    NoInterrupt,
    /// All interrupt lines are taken.
    TooManyDevices,
}

impl core::fmt::Display for Error {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(match self {
            Self::NotVirtio => "its registers are not those of a virtio device",
            Self::NoInterrupt => "it has no interrupt that can be routed (on PCI: neither MSI-X nor a pin that the firmware has connected)",
            Self::TooManyDevices => "all interrupt lines are taken",
        })
    }
}

/// A virtio device that was found and is not open yet.
pub struct Device {
    kind: DeviceType,
    location: Location,
}

enum Location {
    Mmio(mmio::Slot),
    Pci(pci::Function),
}

/// A device ready for its driver.
pub struct Opened {
    /// The way to its registers.
    pub transport: MachineTransport,
    /// The line it interrupts on: what [`source::attend`](crate::source::attend) tells.
    pub line: Line,
}

/// The machine's virtio devices in the order in which the command line of the hypervisor names them.
pub fn devices(command_line: &str) -> Vec<Device> {
    let mut found = Vec::new();
    if pci::present() {
        pci::scan(&mut |kind, function| push(&mut found, kind, Location::Pci(function)));
    } else {
        mmio::scan(command_line, &mut |kind, slot| push(&mut found, kind, Location::Mmio(slot)));
    }
    found
}

fn push(found: &mut Vec<Device>, kind: DeviceType, location: Location) {
    if found.len() < DEVICE_LIMIT {
        found.push(Device { kind, location });
    }
}

impl Device {
    /// What the device is.
    pub fn kind(&self) -> DeviceType {
        self.kind
    }

    /// Maps its registers and routes its interrupt.
    ///
    /// # Errors
    /// See [`Error`]; the device is left alone then.
    pub fn open(self) -> Result<Opened, Error> {
        let line = Line::take_next().ok_or(Error::TooManyDevices)?;
        let transport = match self.location {
            Location::Mmio(slot) => slot.open(self.kind, line)?,
            Location::Pci(function) => function.open(self.kind, line)?,
        };
        Ok(Opened { transport, line })
    }
}
