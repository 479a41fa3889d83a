//! How a modelled device breaks its own rules.

use virtio_drivers::transport::DeviceStatus;
use vm_memory::{Bytes, GuestAddress};

use crate::{DeviceModel, HostHal};

impl DeviceModel {
    /// Returns a chain that may never have been made available, with any length.
    pub fn lie_used(&self, queue: usize, id: u32, written: u32) {
        self.ring(queue).lie_used(id, written);
    }

    /// Raises an interrupt about the queues, whether the driver wants one or not.
    pub fn interrupt(&self) {
        self.0.borrow().lines.raise(1);
    }

    /// Moves the index of the used ring by `count` without having returned anything.
    pub fn lie_used_index(&self, queue: usize, count: u16) {
        self.ring(queue).lie_used_index(count);
    }

    /// Fills the descriptor table and the available ring, which are the driver's, with `byte`.
    pub fn lie_scribble(&self, queue: usize, byte: u8) {
        let addresses = self.addresses(queue).expect("the queue is set up");
        let memory = HostHal::memory();
        let table = vec![byte; 16 * usize::from(addresses.size)];
        memory.write_slice(&table, GuestAddress(addresses.descriptors)).expect("the table lies in memory");
        let ring = vec![byte; 6 + 2 * usize::from(addresses.size)];
        memory.write_slice(&ring, GuestAddress(addresses.available)).expect("the ring lies in memory");
    }

    /// Fills the used ring, flags, index and all, with `bytes` from its start.
    pub fn lie_used_ring(&self, queue: usize, bytes: &[u8]) {
        let addresses = self.addresses(queue).expect("the queue is set up");
        assert!(bytes.len() <= 6 + 8 * usize::from(addresses.size), "the used ring is shorter");
        HostHal::memory().write_slice(bytes, GuestAddress(addresses.used)).expect("the ring lies in memory");
    }

    /// Makes the device refuse the features that the driver chooses.
    pub fn lie_about_features(&self) {
        self.0.borrow_mut().refuse_features = true;
    }

    /// Makes the device ignore resets from here on (or heed them again).
    pub fn lie_about_reset(&self, refuse: bool) {
        self.0.borrow_mut().refuse_reset = refuse;
    }

    /// Makes the device give itself up and say so (virtio 1.2, 2.1.1): it uses no queue from here on.
    pub fn give_up(&self) {
        let mut state = self.0.borrow_mut();
        state.status.insert(DeviceStatus::DEVICE_NEEDS_RESET);
        state.lines.raise(2);
    }

    /// Makes the configuration space look different at each read.
    pub fn lie_about_configuration(&self) {
        self.0.borrow_mut().flicker = true;
    }
}
