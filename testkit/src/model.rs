//! A model of a virtio device: what stands on the other side of the queues.
//!
//! A [`DeviceModel`] is a handle; the test keeps one and gives the driver a [`FakeTransport`] of the same device. The
//! rings are worked by rust-vmm's `virtio-queue`. The model panics where a driver breaks the rules that a real device
//! may rely on; how it can break its own is in `lies`.

use std::cell::{RefCell, RefMut};
use std::rc::Rc;
use std::sync::atomic::Ordering;

use virtio_drivers::transport::{DeviceStatus, DeviceType};
use virtio_queue::QueueT;

use crate::ring::Lines;
use crate::{Chain, DeviceQueue, FakeTransport, HostHal, QueueAddresses};

/// Both sides say from where they want to be notified (virtio 1.2, 6).
const EVENT_INDEX: u64 = 1 << 29;
/// The device follows the standard (virtio 1.2, 6).
const VERSION_1: u64 = 1 << 32;

/// What kind of device it is to be.
#[derive(Clone, Debug)]
pub struct Setup {
    /// What the device says it is.
    pub device_type: DeviceType,
    /// The feature bits it offers. A modern device offers `VERSION_1` in addition.
    pub features: u64,
    /// The largest size of each queue it has.
    pub queue_sizes: Vec<u16>,
    /// The bytes of its configuration space.
    pub configuration: Vec<u8>,
    /// Whether it has the legacy interface.
    pub legacy: bool,
}

impl Default for Setup {
    /// A modern network card with two queues of 256 and event indices.
    fn default() -> Self {
        Self {
            device_type: DeviceType::Network,
            features: EVENT_INDEX,
            queue_sizes: vec![256, 256],
            configuration: Vec::new(),
            legacy: false,
        }
    }
}

/// A handle of one modelled device.
#[derive(Clone)]
pub struct DeviceModel(pub(crate) Rc<RefCell<State>>);

pub(crate) struct State {
    pub(crate) setup: Setup,
    pub(crate) accepted: u64,
    pub(crate) status: DeviceStatus,
    pub(crate) queues: Vec<ModelQueue>,
    pub(crate) lines: Lines,
    pub(crate) generation: u32,
    pub(crate) flicker: bool,
    pub(crate) refuse_features: bool,
    pub(crate) refuse_reset: bool,
    resets: u64,
    pages_at_reset: usize,
}

pub(crate) struct ModelQueue {
    /// `None` once it was detached.
    pub(crate) ring: Option<DeviceQueue>,
    pub(crate) lines: Lines,
    pub(crate) addresses: Option<QueueAddresses>,
    notifications_taken: u64,
}

impl DeviceModel {
    /// A device that was just switched on.
    pub fn new(mut setup: Setup) -> Self {
        if !setup.legacy {
            setup.features |= VERSION_1;
        }
        let lines = Lines::default();
        let queue = |&size: &u16| {
            let lines = lines.for_queue();
            let ring = Some(DeviceQueue::new(size, lines.clone()));
            ModelQueue { ring, lines, addresses: None, notifications_taken: 0 }
        };
        Self(Rc::new(RefCell::new(State {
            queues: setup.queue_sizes.iter().map(queue).collect(),
            lines: lines.clone(),
            setup,
            accepted: 0,
            status: DeviceStatus::empty(),
            generation: 0,
            flicker: false,
            refuse_features: false,
            refuse_reset: false,
            resets: 0,
            pages_at_reset: 0,
        })))
    }

    /// The driver's way to this device.
    pub fn transport(&self) -> FakeTransport {
        FakeTransport::new(self.clone())
    }

    /// The status that the driver wrote last.
    pub fn status(&self) -> DeviceStatus {
        self.0.borrow().status
    }

    /// Whether the driver lets the device run.
    pub fn is_running(&self) -> bool {
        self.status().contains(DeviceStatus::DRIVER_OK)
    }

    /// The feature bits that the driver accepted.
    pub fn features(&self) -> u64 {
        self.0.borrow().accepted
    }

    /// Where the driver put the queue, once it did.
    pub fn addresses(&self, queue: usize) -> Option<QueueAddresses> {
        self.0.borrow().queues[queue].addresses
    }

    /// How often the driver reset the device.
    pub fn resets(&self) -> u64 {
        self.0.borrow().resets
    }

    /// Pages of [`HostHal`] that were allocated when the driver last reset the device.
    pub fn pages_at_reset(&self) -> usize {
        self.0.borrow().pages_at_reset
    }

    /// How often the driver notified the queue.
    pub fn notifications(&self, queue: usize) -> u64 {
        self.0.borrow().queues[queue].lines.notifications.load(Ordering::Acquire)
    }

    /// Whether the driver notified the queue since this was last asked.
    pub fn take_notification(&self, queue: usize) -> bool {
        let notifications = self.notifications(queue);
        let taken = &mut self.0.borrow_mut().queues[queue].notifications_taken;
        std::mem::replace(taken, notifications) != notifications
    }

    /// How many interrupts the device raised.
    pub fn interrupts(&self) -> u64 {
        self.0.borrow().lines.interrupts.load(Ordering::Acquire)
    }

    /// Whether an interrupt waits to be acknowledged.
    pub fn interrupt_pending(&self) -> bool {
        self.0.borrow().lines.status.load(Ordering::Acquire) != 0
    }

    /// Takes the next chain that the driver made available.
    ///
    /// `None` if there is none, or the device does not run.
    pub fn take(&self, queue: usize) -> Option<Chain> {
        if self.is_running() { self.ring(queue).take() } else { None }
    }

    /// Writes `bytes` into the chain and returns it to the driver, without an interrupt yet.
    pub fn give_back(&self, queue: usize, chain: &Chain, bytes: &[u8]) {
        assert!(self.is_running(), "only a running device uses a queue");
        self.ring(queue).give_back(chain, bytes);
    }

    /// Raises an interrupt if the driver wants one for what was given back since this was last called.
    pub fn signal(&self, queue: usize) -> bool {
        self.ring(queue).signal()
    }

    /// Asks for a notification when the driver makes more available than the device has taken.
    ///
    /// True if there is more already: then the notification may never come.
    pub fn want_notifications(&self, queue: usize) -> bool {
        self.ring(queue).want_notifications()
    }

    /// Asks for no notifications. With event indices there is nothing to ask: they come once.
    pub fn refuse_notifications(&self, queue: usize) {
        self.ring(queue).refuse_notifications();
    }

    /// Takes and gives back everything available: `answer` gets each chain and returns what to write into it.
    ///
    /// Ends with notifications asked for, and an interrupt if the driver wants one. Returns the number of chains.
    pub fn serve(&self, queue: usize, mut answer: impl FnMut(&Chain) -> Vec<u8>) -> usize {
        let mut served = 0;
        if !self.is_running() {
            return served;
        }
        loop {
            while let Some(chain) = self.take(queue) {
                let bytes = answer(&chain);
                self.give_back(queue, &chain, &bytes);
                served += 1;
            }
            if !self.want_notifications(queue) {
                break;
            }
        }
        if served > 0 {
            self.signal(queue);
        }
        served
    }

    /// Takes a queue of the running device out of the model, to be worked by another thread.
    ///
    /// The memory it sees is that of now. The thread must end before the driver gives any of it back.
    pub fn detach(&self, queue: usize) -> DeviceQueue {
        assert!(self.is_running(), "only a running device uses a queue");
        let ring = self.0.borrow_mut().queues[queue].ring.take();
        let mut ring = ring.expect("a queue is detached once");
        ring.keep_memory();
        ring
    }

    /// Changes the configuration space and raises an interrupt that says so.
    pub fn reconfigure(&self, configuration: Vec<u8>) {
        let state = &mut *self.0.borrow_mut();
        state.setup.configuration = configuration;
        state.generation += 1;
        state.lines.raise(2);
    }

    pub(crate) fn ring(&self, queue: usize) -> RefMut<'_, DeviceQueue> {
        RefMut::map(self.0.borrow_mut(), |state| {
            state.queues[queue].ring.as_mut().expect("a detached queue is worked through its own handle")
        })
    }
}

impl State {
    /// The driver wrote the status.
    pub(crate) fn set_status(&mut self, status: DeviceStatus) {
        if status.is_empty() {
            self.reset();
            return;
        }
        assert!(status.contains(self.status), "a driver only adds to the status, or resets");
        self.status = status;
        if self.refuse_features {
            self.status.remove(DeviceStatus::FEATURES_OK);
        }
        if status.contains(DeviceStatus::DRIVER_OK) && !self.setup.legacy {
            assert!(self.accepted & VERSION_1 != 0, "a modern device needs VERSION_1");
        }
    }

    fn reset(&mut self) {
        self.resets += 1;
        self.pages_at_reset = HostHal::pages();
        if self.refuse_reset {
            return;
        }
        self.status = DeviceStatus::empty();
        self.accepted = 0;
        self.lines.status.store(0, Ordering::Release);
        for queue in &mut self.queues {
            if let Some(ring) = &mut queue.ring {
                ring.queue.reset();
            }
            queue.addresses = None;
        }
    }

    /// The driver chose features.
    pub(crate) fn accept(&mut self, features: u64) {
        assert!(features & !self.setup.features == 0, "a driver accepts only what is offered");
        assert!(!self.status.contains(DeviceStatus::FEATURES_OK), "features are chosen before FEATURES_OK");
        self.accepted = features;
    }

    /// The driver said where a queue is.
    pub(crate) fn set_queue(&mut self, queue: usize, addresses: QueueAddresses) {
        assert!(!self.status.contains(DeviceStatus::DRIVER_OK), "queues are set up before DRIVER_OK");
        if self.setup.legacy {
            let available = addresses.descriptors + 16 * u64::from(addresses.size);
            let end = available + 6 + 2 * u64::from(addresses.size);
            assert_eq!(addresses.available, available, "the legacy layout is contiguous");
            assert_eq!(addresses.used, end.next_multiple_of(4096), "the used ring starts the next page");
            assert_eq!(addresses.descriptors % 4096, 0, "a legacy queue starts a page");
        } else {
            assert!(self.status.contains(DeviceStatus::FEATURES_OK), "features are agreed on before queues");
        }
        let queue = &mut self.queues[queue];
        let ring = queue.ring.as_mut().expect("a detached queue is not set up again");
        ring.set_up(addresses, self.accepted & EVENT_INDEX != 0);
        queue.addresses = Some(addresses);
    }

    /// The driver notified a queue.
    pub(crate) fn notify(&mut self, queue: usize) {
        assert!(self.status.contains(DeviceStatus::DRIVER_OK), "notifications begin with DRIVER_OK");
        let queue = &self.queues[queue];
        assert!(queue.addresses.is_some(), "a queue is set up before it is notified");
        queue.lines.notifications.fetch_add(1, Ordering::Release);
    }
}
