//! What the tests of queues share: a device with its model, and buffers with recognisable contents.

use unik_testkit::{Chain, DeviceModel, FakeTransport, HostHal, Setup};
use unik_virtio::{Buffer, Device, Direction, Pool};

/// Bit of the feature that both sides say from where they want to be notified.
pub(crate) const EVENT_INDEX: u64 = 1 << 29;

/// The device under test.
pub(crate) type TestDevice = Device<HostHal, FakeTransport>;

/// A running device with queues of `sizes`, with event indices or not.
pub(crate) fn device(sizes: &[u16], event_index: bool) -> (TestDevice, DeviceModel) {
    let features = if event_index { EVENT_INDEX } else { 0 };
    with_setup(Setup { features, queue_sizes: sizes.to_vec(), ..Setup::default() })
}

/// A running device of that setup, with all its queues.
pub(crate) fn with_setup(setup: Setup) -> (TestDevice, DeviceModel) {
    let sizes = setup.queue_sizes.clone();
    let model = DeviceModel::new(setup);
    let mut device = Device::try_new(model.transport(), 0, &sizes).unwrap();
    device.start();
    (device, model)
}

/// A pool that the device under test reaches.
pub(crate) fn pool(count: usize) -> Pool {
    Pool::try_new::<HostHal>(count).unwrap()
}

/// A buffer that holds a number.
pub(crate) fn numbered(pool: &Pool, number: u32) -> Buffer {
    let mut buffer = pool.allocate().unwrap();
    buffer.copy_from(&number.to_le_bytes()).unwrap();
    buffer
}

/// The number that a buffer holds.
pub(crate) fn number(buffer: &Buffer) -> u32 {
    u32::from_le_bytes(buffer[..].try_into().unwrap())
}

/// The number that a chain holds.
pub(crate) fn chain_number(chain: &Chain) -> u32 {
    u32::from_le_bytes(chain.bytes().try_into().unwrap())
}

/// Hands a numbered buffer to the device.
pub(crate) fn send(device: &mut TestDevice, pool: &Pool, value: u32) {
    device.submit(0, numbered(pool, value), Direction::ToDevice).unwrap();
}

/// Hands an empty buffer to the device, to be written.
pub(crate) fn post(device: &mut TestDevice, pool: &Pool) {
    device.submit(0, pool.allocate().unwrap(), Direction::FromDevice).unwrap();
}
