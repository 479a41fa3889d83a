//! The device's side of one queue, worked by rust-vmm's `virtio-queue`.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};

use virtio_queue::{Queue, QueueOwnedT, QueueT};
use vm_memory::{Bytes, GuestAddress, GuestMemoryMmap};

use crate::HostHal;

/// Flag of the available ring: the driver wants no interrupts (virtio 1.2, 2.7.6).
const NO_INTERRUPT: u16 = 1;

/// Where the driver put a queue, in physical addresses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct QueueAddresses {
    /// Number of entries.
    pub size: u16,
    /// The descriptor table.
    pub descriptors: u64,
    /// The available ring.
    pub available: u64,
    /// The used ring.
    pub used: u64,
}

/// A chain of descriptors that the driver made available and the device has taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Chain {
    /// The descriptor it starts with.
    pub head: u16,
    /// The bytes of each descriptor that the device reads, as they were when it was taken.
    pub readable: Vec<Vec<u8>>,
    /// Address and length of each descriptor that the device writes.
    pub writable: Vec<(u64, u32)>,
}

impl Chain {
    /// All bytes that the device reads.
    pub fn bytes(&self) -> Vec<u8> {
        self.readable.concat()
    }

    /// How many bytes the device may write.
    pub fn room(&self) -> usize {
        self.writable.iter().map(|&(_, length)| length as usize).sum()
    }
}

/// What two threads share of a device: its interrupt line and the notifications of one queue.
#[derive(Clone, Default)]
pub(crate) struct Lines {
    /// Pending causes of the interrupt, as the interrupt status register has them.
    pub(crate) status: Arc<AtomicU32>,
    /// Interrupts raised so far.
    pub(crate) interrupts: Arc<AtomicU64>,
    /// Notifications of the queue so far.
    pub(crate) notifications: Arc<AtomicU64>,
}

impl Lines {
    /// The same interrupt line, for another queue.
    pub(crate) fn for_queue(&self) -> Self {
        Self { notifications: Arc::default(), ..self.clone() }
    }

    pub(crate) fn raise(&self, cause: u32) {
        self.status.fetch_or(cause, Ordering::Release);
        self.interrupts.fetch_add(1, Ordering::Release);
    }
}

/// One queue of a running device, on its own: it may be worked from another thread than the driver's.
pub struct DeviceQueue {
    pub(crate) queue: Queue,
    pub(crate) lines: Lines,
    memory: Option<GuestMemoryMmap>,
}

impl DeviceQueue {
    pub(crate) fn new(size: u16, lines: Lines) -> Self {
        let queue = Queue::new(size).expect("the size of a queue is a power of two");
        Self { queue, lines, memory: None }
    }

    /// Keeps the memory as it is now: for another thread, which has no [`HostHal`] of its own.
    pub(crate) fn keep_memory(&mut self) {
        self.memory = Some(HostHal::memory());
    }

    fn memory(&self) -> GuestMemoryMmap {
        self.memory.clone().unwrap_or_else(HostHal::memory)
    }

    /// How often the driver notified the queue.
    pub fn notifications(&self) -> u64 {
        self.lines.notifications.load(Ordering::Acquire)
    }

    /// Takes the next chain that the driver made available.
    pub fn take(&mut self) -> Option<Chain> {
        let memory = self.memory();
        let available = self.queue.iter(&memory).expect("the driver made at most a whole queue available");
        let chain = { available }.next()?;
        let mut taken = Chain { head: chain.head_index(), readable: Vec::new(), writable: Vec::new() };
        for descriptor in chain {
            if descriptor.is_write_only() {
                taken.writable.push((descriptor.addr().0, descriptor.len()));
                continue;
            }
            assert!(taken.writable.is_empty(), "what the device reads comes before what it writes");
            let mut bytes = vec![0; descriptor.len() as usize];
            memory.read_slice(&mut bytes, descriptor.addr()).expect("descriptors lie in memory");
            taken.readable.push(bytes);
        }
        assert!(!taken.readable.is_empty() || !taken.writable.is_empty(), "a chain has descriptors");
        Some(taken)
    }

    /// Writes `bytes` into the chain and returns it to the driver, without an interrupt yet.
    pub fn give_back(&mut self, chain: &Chain, bytes: &[u8]) {
        assert!(bytes.len() <= chain.room(), "the chain has room for {} bytes", chain.room());
        let memory = self.memory();
        let mut rest = bytes;
        for &(address, length) in &chain.writable {
            let (now, later) = rest.split_at(rest.len().min(length as usize));
            memory.write_slice(now, GuestAddress(address)).expect("descriptors lie in memory");
            rest = later;
        }
        self.queue.add_used(&memory, chain.head, bytes.len() as u32).expect("the used ring lies in memory");
    }

    /// Raises an interrupt if the driver wants one for what was given back since this was last called.
    pub fn signal(&mut self) -> bool {
        let memory = self.memory();
        let mut wanted = self.queue.needs_notification(&memory).expect("the available ring lies in memory");
        if !self.queue.event_idx_enabled() {
            // With event indices the flags mean nothing; without, `virtio-queue` leaves them to its caller.
            let flags = GuestAddress(self.queue.avail_ring());
            let flags: u16 =
                memory.load(flags, Ordering::Relaxed).expect("the available ring lies in memory");
            wanted = flags & NO_INTERRUPT == 0;
        }
        if wanted {
            self.lines.raise(1);
        }
        wanted
    }

    /// Asks for a notification when the driver makes more available than the device has taken.
    ///
    /// True if there is more already: then the notification may never come.
    pub fn want_notifications(&mut self) -> bool {
        let memory = self.memory();
        self.queue.enable_notification(&memory).expect("the used ring lies in memory")
    }

    /// Asks for no notifications. With event indices there is nothing to ask: they come once.
    pub fn refuse_notifications(&mut self) {
        let memory = self.memory();
        self.queue.disable_notification(&memory).expect("the used ring lies in memory");
    }

    /// Writes any element into the used ring and publishes it.
    pub(crate) fn lie_used(&mut self, id: u32, written: u32) {
        let position = self.queue.next_used();
        let offset = 4 + 8 * u64::from(position % self.queue.size());
        let element = GuestAddress(self.queue.used_ring() + offset);
        self.memory().write_obj([id, written], element).expect("the used ring lies in memory");
        self.lie_used_index(1);
    }

    /// Moves the index of the used ring.
    pub(crate) fn lie_used_index(&mut self, count: u16) {
        self.queue.set_next_used(self.queue.next_used().wrapping_add(count));
        let index = GuestAddress(self.queue.used_ring() + 2);
        let stored = self.memory().store(self.queue.next_used(), index, Ordering::Release);
        stored.expect("the used ring lies in memory");
    }

    /// The driver says where the queue is.
    pub(crate) fn set_up(&mut self, addresses: QueueAddresses, event_index: bool) {
        let queue = &mut self.queue;
        assert!(addresses.size <= queue.max_size(), "a driver may make a queue smaller, not larger");
        queue.set_size(addresses.size);
        let halves = |address: u64| (Some(address as u32), Some((address >> 32) as u32));
        let (low, high) = halves(addresses.descriptors);
        queue.set_desc_table_address(low, high);
        let (low, high) = halves(addresses.available);
        queue.set_avail_ring_address(low, high);
        let (low, high) = halves(addresses.used);
        queue.set_used_ring_address(low, high);
        queue.set_event_idx(event_index);
        queue.set_ready(true);
        assert_eq!(queue.size(), addresses.size, "the size of a queue is a power of two");
        let parts = [queue.desc_table(), queue.avail_ring(), queue.used_ring()];
        let wanted = [addresses.descriptors, addresses.available, addresses.used];
        assert_eq!(parts, wanted, "the parts of a queue are aligned");
        assert!(queue.is_valid(&HostHal::memory()), "the queue lies in memory");
    }
}
