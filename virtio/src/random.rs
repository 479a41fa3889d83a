//! The driver of a source of random numbers (virtio-rng), which gives one sample at a time.
//!
//! Nothing here waits: [`RandomDevice::request`] asks, and [`RandomDevice::poll`] looks whether the answer has come. The
//! device never interrupts. Its bytes are what it says they are, so whoever seeds with them mixes them with others'.

use core::mem;

use virtio_drivers::Hal;
use virtio_drivers::transport::Transport;

use crate::{Device, Direction, Error, Pool};

/// Bytes of a sample.
const SAMPLE: usize = 32;

/// A source of random numbers, driven through the memory of `H` and the registers of `T`.
pub struct RandomDevice<H: Hal + 'static, T: Transport> {
    device: Device<H, T>,
    pool: Pool,
    /// What has come of the next sample.
    sample: [u8; SAMPLE],
    /// How much of it has come.
    length: usize,
}

impl<H: Hal + 'static, T: Transport> RandomDevice<H, T> {
    /// Sets the device up; it has one queue and nothing to agree on (virtio 1.2, 5.4).
    ///
    /// # Errors
    /// As [`Device::try_new`] and [`Pool::try_new`].
    pub fn try_new(transport: T) -> Result<Self, Error> {
        let mut device = Device::try_new(transport, 0, &[1])?;
        let pool = Pool::try_new::<H>(1)?;
        device.mask(0);
        device.start();
        Ok(Self { device, pool, sample: [0; SAMPLE], length: 0 })
    }

    /// Asks for what is missing of a sample. Does nothing while the device has a request.
    pub fn request(&mut self) {
        let Some(mut buffer) = self.pool.allocate() else { return };
        let missing = SAMPLE - self.length;
        // The device may write from the start of the data to the end of the buffer: no more than is missing, and what
        // it does not write stays zero.
        let used = buffer.room() - missing;
        let prepared = buffer.set_len(used).is_ok()
            && buffer.trim_front(used).is_some()
            && buffer.set_len(missing).is_ok();
        buffer.fill(0);
        if prepared && self.device.submit(0, buffer, Direction::FromDevice).is_ok() {
            self.device.kick(0);
        }
    }

    /// The sample, once all of it has come. A device may answer with less than it was asked for: the rest is asked for
    /// again. `None` until then, and if nothing was requested.
    ///
    /// # Errors
    /// [`Error::DeviceBroken`] if it answers with nothing, which is forbidden (virtio 1.2, 5.4.6.1), or with more than
    /// it was asked for: drop it then.
    pub fn poll(&mut self) -> Result<Option<[u8; SAMPLE]>, Error> {
        let Some(mut buffer) = self.device.complete(0)? else { return Ok(None) };
        if buffer.is_empty() {
            return Err(Error::DeviceBroken);
        }
        let missing = self.sample.iter_mut().skip(self.length);
        for (to, from) in missing.zip(buffer.iter_mut()) {
            *to = mem::take(from);
            self.length += 1;
        }
        drop(buffer);
        if self.length < SAMPLE {
            self.request();
            return Ok(None);
        }
        self.length = 0;
        Ok(Some(mem::replace(&mut self.sample, [0; SAMPLE])))
    }
}
