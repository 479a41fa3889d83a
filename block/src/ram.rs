//! A disk in memory: for tests, and for what need not outlast the image.

use alloc::collections::VecDeque;
use alloc::rc::Rc;
use alloc::vec::Vec;
use core::cell::{Ref, RefCell};

use unik_sched::counter::CounterSet;
use unik_sched::sync::Event;

use crate::device::{BlockDevice, Completion, Fault, Operation, Properties, Request, SECTOR};

/// Requests at the same time.
const DEPTH: usize = 16;

unik_sched::counters! {
    /// What a disk in memory has done.
    pub struct RamDiskCounters {
        /// Requests done.
        done,
    }
}

/// A disk in memory. A clone holds the same bytes, and has none of its requests.
pub struct RamDisk {
    bytes: Rc<RefCell<Vec<u8>>>,
    properties: Properties,
    waiting: VecDeque<Request>,
    event: Event,
    counters: Rc<RamDiskCounters>,
}

impl RamDisk {
    /// A disk that holds `bytes`, as far as they are whole sectors.
    pub fn new(bytes: Vec<u8>) -> Self {
        let properties = Properties {
            sectors: (bytes.len() / SECTOR) as u64,
            block_size: SECTOR,
            physical_block_size: SECTOR,
            best_transfer: 0,
            is_read_only: false,
            can_flush: true,
            most_discarded: 0,
            most_zeroed: u32::MAX,
            most_parts: 64,
            most_bytes: 64 << 10,
        };
        let bytes = Rc::new(RefCell::new(bytes));
        Self {
            bytes,
            properties,
            waiting: VecDeque::with_capacity(DEPTH),
            event: Event::new(),
            counters: Rc::default(),
        }
    }

    /// What it holds.
    pub fn bytes(&self) -> Ref<'_, Vec<u8>> {
        self.bytes.borrow()
    }

    fn work(&self, request: &mut Request) -> Option<()> {
        let mut bytes = self.bytes.borrow_mut();
        let start = usize::try_from(request.sector).ok()?.checked_mul(SECTOR)?;
        let mut rest = bytes.get_mut(start..)?;
        match request.operation {
            Operation::Read => request.data.parts_mut().try_for_each(|part| {
                let (now, later) = core::mem::take(&mut rest).split_at_mut_checked(part.len())?;
                part.copy_from_slice(now);
                rest = later;
                Some(())
            }),
            Operation::Write => request.data.parts().try_for_each(|part| {
                let (now, later) = core::mem::take(&mut rest).split_at_mut_checked(part.len())?;
                now.copy_from_slice(part);
                rest = later;
                Some(())
            }),
            Operation::Flush => Some(()),
            Operation::WriteZeroes => {
                rest.get_mut(..(request.sectors as usize).checked_mul(SECTOR)?)?.fill(0);
                Some(())
            }
            // It was not offered.
            Operation::Discard => None,
        }
    }
}

impl Clone for RamDisk {
    fn clone(&self) -> Self {
        let (bytes, properties) = (self.bytes.clone(), self.properties);
        Self {
            bytes,
            properties,
            waiting: VecDeque::with_capacity(DEPTH),
            event: Event::new(),
            counters: Rc::default(),
        }
    }
}

impl BlockDevice for RamDisk {
    fn properties(&self) -> &Properties {
        &self.properties
    }

    fn depth(&self) -> usize {
        DEPTH
    }

    fn has_room(&self, _parts: usize) -> bool {
        self.waiting.len() < DEPTH
    }

    fn submit(&mut self, request: Request) -> Result<(), Request> {
        if !self.has_room(1) {
            return Err(request);
        }
        self.waiting.push_back(request);
        Ok(())
    }

    fn kick(&mut self) {}

    fn complete(&mut self) -> Option<Completion> {
        let mut request = self.waiting.pop_front()?;
        let result = self.work(&mut request).ok_or(Fault::Failed);
        self.counters.done.increment();
        Some(Completion { tag: request.tag, data: request.data, result })
    }

    fn has_failed(&self) -> bool {
        false
    }

    fn arm(&mut self) -> bool {
        !self.waiting.is_empty()
    }

    fn disarm(&mut self) {}

    fn event(&self) -> Event {
        self.event.clone()
    }

    fn counters(&self) -> Rc<dyn CounterSet> {
        self.counters.clone()
    }
}
