//! The registers of a modelled device, as a driver sees them.

use std::sync::atomic::Ordering;

use virtio_drivers::transport::{DeviceStatus, DeviceType, InterruptStatus, Transport};
use virtio_drivers::{Error, PAGE_SIZE, PhysAddr, Result};
use zerocopy::{FromBytes, Immutable, IntoBytes};

use crate::{DeviceModel, QueueAddresses};

/// A [`Transport`] to a [`DeviceModel`] in the same thread.
pub struct FakeTransport(DeviceModel);

impl FakeTransport {
    pub(crate) fn new(model: DeviceModel) -> Self {
        Self(model)
    }
}

impl Transport for FakeTransport {
    fn device_type(&self) -> DeviceType {
        self.0.0.borrow().setup.device_type
    }

    fn read_device_features(&mut self) -> u64 {
        self.0.0.borrow().setup.features
    }

    fn write_driver_features(&mut self, features: u64) {
        self.0.0.borrow_mut().accept(features);
    }

    fn max_queue_size(&mut self, queue: u16) -> u32 {
        self.0.0.borrow().setup.queue_sizes.get(usize::from(queue)).map_or(0, |&size| u32::from(size))
    }

    fn notify(&mut self, queue: u16) {
        self.0.0.borrow_mut().notify(usize::from(queue));
    }

    fn get_status(&self) -> DeviceStatus {
        self.0.0.borrow().status
    }

    fn set_status(&mut self, status: DeviceStatus) {
        self.0.0.borrow_mut().set_status(status);
    }

    fn set_guest_page_size(&mut self, size: u32) {
        assert_eq!(size as usize, PAGE_SIZE, "the legacy layout is in pages of 4096 bytes");
    }

    fn requires_legacy_layout(&self) -> bool {
        self.0.0.borrow().setup.legacy
    }

    fn queue_set(&mut self, queue: u16, size: u32, table: PhysAddr, available: PhysAddr, used: PhysAddr) {
        let size = u16::try_from(size).expect("a queue has at most 32768 entries");
        let addresses = QueueAddresses { size, descriptors: table, available, used };
        self.0.0.borrow_mut().set_queue(usize::from(queue), addresses);
    }

    fn queue_unset(&mut self, _queue: u16) {
        panic!("a queue is unset by a reset of its device: not every transport can do less")
    }

    fn queue_used(&mut self, queue: u16) -> bool {
        self.0.addresses(usize::from(queue)).is_some()
    }

    fn ack_interrupt(&mut self) -> InterruptStatus {
        let state = self.0.0.borrow();
        InterruptStatus::from_bits_truncate(state.lines.status.swap(0, Ordering::AcqRel))
    }

    fn read_config_generation(&self) -> u32 {
        let state = &mut *self.0.0.borrow_mut();
        state.generation = state.generation.wrapping_add(u32::from(state.flicker));
        state.generation
    }

    fn read_config_space<T: FromBytes + IntoBytes>(&self, offset: usize) -> Result<T> {
        let state = self.0.0.borrow();
        let field = state.setup.configuration.get(offset..).ok_or(Error::ConfigSpaceTooSmall)?;
        T::read_from_prefix(field).map(|(value, _)| value).map_err(|_| Error::ConfigSpaceTooSmall)
    }

    fn write_config_space<T: IntoBytes + Immutable>(&mut self, offset: usize, value: T) -> Result<()> {
        let state = &mut *self.0.0.borrow_mut();
        let bytes = value.as_bytes();
        let field = state.setup.configuration.get_mut(offset..).and_then(|rest| rest.get_mut(..bytes.len()));
        field.ok_or(Error::ConfigSpaceTooSmall)?.copy_from_slice(bytes);
        Ok(())
    }
}
